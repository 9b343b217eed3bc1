"""The functions of the language, a file each or a file of like ones; importing it registers it."""

from bayes_mlm.formula.transforms import bs, elementwise, natural, poly, reading

__all__ = ["bs", "elementwise", "natural", "poly", "reading"]
