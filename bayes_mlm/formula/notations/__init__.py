"""Formulas in the notations of other programs, for the messages that refuse them.

A notation is a function from a text to offers; a new one is a file, and a name in `_NOTATIONS`.
Whoever uses an offer reads it first: not all of what is yielded here is a formula.
"""

from collections.abc import Iterator

from bayes_mlm.formula.notations.calls import offer_call
from bayes_mlm.formula.notations.offer import Offer
from bayes_mlm.formula.notations.pieces import offer_pieces
from bayes_mlm.formula.notations.stata import offer_stata

_NOTATIONS = (offer_stata, offer_call, offer_pieces)
_LONGEST = 1000


def offers_of(text: str) -> Iterator[Offer]:
    """Yield the formulas that a text may stand for, the likeliest first."""
    for offers in _NOTATIONS if len(text) <= _LONGEST else ():
        yield from offers(text)
