"""Say whether a result is to be believed, and what to do if not."""

from dataclasses import dataclass

from bayes_mlm.base.text.visible import visible


@dataclass(frozen=True)
class Finding:
    """Hold one check: what was looked at, whether it is fine, and what to do if it is not.

    Parameters
    ----------
    check : str
        What was looked at, in the field's words: "R-hat", "divergences".
    ok : bool
        Whether it is fine.
    message : str
        What was found; and the remedy, if it is not fine.
    """

    check: str
    ok: bool
    message: str


@dataclass(frozen=True)
class Verdict:
    """Hold every check made on a result.

    Examples
    --------
    >>> verdict = Verdict((Finding("R-hat", False, "R-hat is 1.20; draw more"),))
    >>> verdict.ok, str(verdict)
    (False, 'R-hat is 1.20; draw more')
    """

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Tell whether every check is fine."""
        return all(finding.ok for finding in self.findings)

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The checks that are not fine."""
        return tuple(finding for finding in self.findings if not finding.ok)

    def __str__(self) -> str:
        """Give what is wrong with its remedy; or, if nothing is, what was found to be fine."""
        shown = self.problems or self.findings
        return visible("; ".join(finding.message for finding in shown))
