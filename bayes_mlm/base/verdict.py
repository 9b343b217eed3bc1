"""Verdicts: the checks that were made of a result, and the remedies where one fails."""

from dataclasses import dataclass

from bayes_mlm.base.text.visible import visible


@dataclass(frozen=True)
class Finding:
    """Outcome of one check: what was checked, whether it passed, and the remedy if it did not.

    Parameters
    ----------
    check : str
        What was checked: "R-hat", "divergences".
    ok : bool
        Whether it passed.
    message : str
        What was found; and the remedy, if the check failed.
    always : bool
        Whether it is shown next to checks that failed, too.
    """

    check: str
    ok: bool
    message: str
    always: bool = False


@dataclass(frozen=True)
class Verdict:
    """All checks that were made of a result.

    Examples
    --------
    >>> verdict = Verdict((Finding("R-hat", False, "R-hat is 1.20; draw more"),))
    >>> verdict.ok, str(verdict)
    (False, 'R-hat is 1.20; draw more')
    """

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(finding.ok for finding in self.findings)

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The checks that failed."""
        return tuple(finding for finding in self.findings if not finding.ok)

    @property
    def line(self) -> str:
        """The verdict as every table and command prints it: ``ok: R-hat at most 1.00``."""
        return f"{sign(self.ok)}: {self}"

    def line_of(self, name: str) -> str:
        """Return the verdict on one of several results, aligned: ``ok     direct: R-hat 1.00``."""
        return f"{sign(self.ok, 6)} {name}: {self}"

    def __str__(self) -> str:
        """Return the failed checks with their remedies; if all passed, what was found."""
        always = tuple(one for one in self.findings if one.ok and one.always)
        shown = (*self.problems, *always) if self.problems else self.findings
        return visible("; ".join(finding.message for finding in shown))


def sign(ok: bool, width: int = 0) -> str:
    """Return the word of a verdict, "ok" or "NOT OK", padded to a width."""
    return ("ok" if ok else "NOT OK").ljust(width)
