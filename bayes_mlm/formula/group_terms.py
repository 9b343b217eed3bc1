"""The group terms of a formula, before they are laid over data."""

from dataclasses import dataclass

from bayes_mlm.formula.expressions import Name, Term


@dataclass(frozen=True, kw_only=True)
class GroupFormula:
    """One group term of a formula, ``(terms | factor)``.

    Parameters
    ----------
    factor : str
        Name of the grouping factor: its column, or ``class:school`` for an interaction.
    terms : tuple of Term
        Effects that differ by group; ``()`` is the intercept.
    correlated : bool
        Whether the effects of a group may correlate (``|``), or are independent (``||``). True
        for an intercept alone, which has nothing to correlate with.
    parts : tuple of str
        The columns whose combinations are the groups, of an interaction; empty for a column.
    """

    factor: str
    terms: tuple[Term, ...]
    correlated: bool = True
    parts: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the groups are made of."""
        return self.parts or (self.factor,)

    def __str__(self) -> str:
        """Return the term as a formula writes it."""
        bar = "|" if self.correlated else "||"
        return f"({join_terms(self.terms)} {bar} {written_factor(self.columns)})"


def written_factor(columns: tuple[str, ...]) -> str:
    """Return a grouping factor as a formula writes it; of an interaction it is the name too."""
    return ":".join(str(Name(column)) for column in columns)


def join_terms(terms: tuple[Term, ...]) -> str:
    """Return a sum of terms as a formula writes it."""
    written = [":".join(str(factor) for factor in term) for term in terms if term]
    return " + ".join(["1" if () in terms else "0", *written])
