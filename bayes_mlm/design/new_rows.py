"""The columns of new data, laid out as those of a design."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bayes_mlm.base import Floats, Ints


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupRows:
    """The part of one group term in new data.

    Parameters
    ----------
    Z : ndarray, shape (m, q)
        Columns in the order of the term's `effects`.
    codes : ndarray of int, shape (m,)
        Group of each row as an index into the term's `labels`; -1 for a group it never saw.
    """

    Z: Floats
    codes: Ints


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NewRows:
    """The columns of new data, laid out as a `Design` was.

    Parameters
    ----------
    X : ndarray, shape (m, p)
        Columns in the order of the design's `terms`.
    groups : tuple of GroupRows
        In the order of the design's `group_terms`; one without groups has one, of codes -1.
    offset : ndarray, shape (m,)
        What is added to the linear predictor; zero without an offset.
    known : mapping of str to ndarray, shape (m,)
        What a family is told of each outcome: its trials, one where the new data do not have them.
    """

    X: Floats
    offset: Floats
    groups: tuple[GroupRows, ...]
    known: Mapping[str, Floats] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return how many there are, on one line."""
        return f"<NewRows: {len(self.X):,}, X with {self.X.shape[1]} columns>"

    @property
    def Z(self) -> Floats:  # noqa: N802  (the field's symbol)
        """Columns of the one group term, shape (m, q)."""
        (only,) = self.groups
        return only.Z

    @property
    def codes(self) -> Ints:
        """Group of each row of the one factor, shape (m,); -1 where unknown."""
        (only,) = self.groups
        return only.codes
