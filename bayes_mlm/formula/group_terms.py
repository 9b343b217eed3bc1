"""The group terms of a formula, before they are laid over data."""

from dataclasses import dataclass

from bayes_mlm.formula.expressions import Name, Term


@dataclass(frozen=True, kw_only=True)
class GroupFormula:
    """One group term of a formula, ``(terms | factor)``.

    Parameters
    ----------
    factor : str
        The grouping column.
    terms : tuple of Term
        Effects that differ by group; ``()`` is the intercept.
    correlated : bool
        Whether the effects of a group may correlate (``|``), or are independent (``||``). True
        for an intercept alone, which has nothing to correlate with.
    """

    factor: str
    terms: tuple[Term, ...]
    correlated: bool = True

    def __str__(self) -> str:
        """Return the term as a formula writes it."""
        bar = "|" if self.correlated else "||"
        return f"({join_terms(self.terms)} {bar} {Name(self.factor)})"


def join_terms(terms: tuple[Term, ...]) -> str:
    """Return a sum of terms as a formula writes it."""
    written = [":".join(str(factor) for factor in term) for term in terms if term]
    return " + ".join(["1" if () in terms else "0", *written])
