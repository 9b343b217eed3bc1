"""ParameterShifts of quantities with the prior on sigma_u, and whether conclusions change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bayes_mlm.base import Column, Digits, ResultTable, digits, scaled, share_digits, sign, signed

# Shifts of the posterior mean, in posterior sds, up to which a prior makes no difference, or only
# a little. A 95 % interval moved by 0.1 sd still contains 94.9 % of the other posterior (were both
# normal), which nobody could see; moved by 0.5 sd it contains 92 %, and by 1 sd 83 %.
NO_SHIFT, LITTLE_SHIFT = 0.1, 0.5


@dataclass(frozen=True, kw_only=True)
class SensitivityRow:
    """One quantity of one model under one prior on sigma_u.

    Parameters
    ----------
    model, outcome : str
        Name of the record, and of its outcome, in whose units the quantities are.
    label : str
        Short text of the prior.
    prior : str
        The same in full precision, as a record's ``sigma_u`` or ``--prior`` takes it; of several
        group effects ``sigma_u[Intercept]=...; sigma_u[ses]=...``.
    baseline : bool
        Whether it is the record's prior, from which shifts are measured.
    method : {"refitted", "reweighted", "refused"}
        Drawn anew; or the draws under the record's prior, weighted; or not fitted at all.
    quantity : str
        ``sigma_u``, ``sigma_u[ses]``, ``icc``, ``beta[sector]``.
    estimate, sd : float or None
        Posterior mean and sd; None where refused.
    lower, upper : float or None
        Ends of the highest density interval.
    mcse_mean : float or None
        Monte Carlo standard error of the mean.
    shift : float or None
        Posterior mean less that under the record's prior, in sds of the latter.
    ess : float or None
        Effective sample size.
    k_hat : float or None
        Tail shape of the importance weights: of the reweighting, or of the fit itself.
    error : float or None
        Error of any probability, where the fit is a quadrature.
    ok : bool
        Whether the row is reliable.
    verdict : str
        Why, and what to do if not.
    """

    model: str
    outcome: str
    label: str
    prior: str
    baseline: bool
    method: Literal["refitted", "reweighted", "refused"]
    quantity: str
    estimate: float | None = None
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None
    mcse_mean: float | None = None
    shift: float | None = None
    ess: float | None = None
    k_hat: float | None = None
    error: float | None = None
    ok: bool
    verdict: str

    @property
    def digits(self) -> Digits:
        """The digits that its sd leaves the mean."""
        return digits(self.estimate, self.sd, self.lower, self.upper)


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """Whether the conclusions from one model depend on the prior of sigma_u.

    Parameters
    ----------
    model : str
    depends : {"no", "little", "yes"}
        By the largest shift, see `NO_SHIFT` and `LITTLE_SHIFT`.
    quantity, label : str
        What moves most, and under which prior; empty where there is nothing to compare.
    shift : float
        By how many posterior sds.
    text : str
        The same in a sentence or two, with what becomes of the signs of the coefficients.
    """

    model: str
    depends: Literal["no", "little", "yes"]
    quantity: str
    label: str
    shift: float
    text: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Sensitivity(ResultTable[SensitivityRow]):
    """Sensitivity of the quantities of some models to the prior on sigma_u.

    Parameters
    ----------
    rows : tuple of SensitivityRow
        By model, prior (the record's first) and quantity.
    conclusions : tuple of Conclusion
        One a model.
    interval : str
        What `lower` and `upper` are: "95% HDI".
    seconds, seconds_fitting : float
        Wall time of everything, and of what came after the data were read and the designs and
        their sufficient statistics made.
    """

    key = ("model", "label", "quantity")
    row_type = SensitivityRow

    conclusions: tuple[Conclusion, ...]
    interval: str
    seconds: float
    seconds_fitting: float

    @property
    def ok(self) -> bool:
        """Whether every row is reliable."""
        return all(row.ok for row in self.rows)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in order."""
        return tuple(conclusion.model for conclusion in self.conclusions)

    @property
    def n_fits(self) -> int:
        """Number of posteriors: pairs of a model and a prior that was not refused."""
        return len({(row.model, row.prior) for row in self.rows if row.method != "refused"})

    def of(self, model: str, quantity: str | None = None) -> tuple[SensitivityRow, ...]:
        """Return the rows of one model, or of one of its quantities."""
        of = {} if quantity is None else {"quantity": quantity}
        return self.where(model=model, **of)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            *(Column(name=name) for name in ("model", "label", "quantity")),
            Column(name="estimate", heading="mean", kind="number"),
            Column(name="sd", kind="error"),
            Column(name="lower", heading=self.interval, kind="interval"),
            Column(name="shift", text=lambda row: "" if row.shift is None else signed(row.shift)),
            Column(name="method"),
        )

    def __str__(self) -> str:
        """Return the conclusions, a line a model."""
        return "\n".join(conclusion.text for conclusion in self.conclusions)

    def __repr__(self) -> str:
        """Return the numbers of models and posteriors, and the time."""
        return (
            f"<Sensitivity of {len(self.models)} models, {self.n_fits} posteriors in "
            f"{scaled(self.seconds_fitting, 2)} s, {sign(self.ok)}>"
        )


def conclude(rows: Sequence[SensitivityRow], interval: str) -> Conclusion:
    """Return whether the conclusions from one model depend on the prior of sigma_u.

    Parameters
    ----------
    rows : sequence of SensitivityRow
        Of one model.
    interval : str
        Name of the interval.

    Examples
    --------
    >>> made = {"model": "m", "outcome": "y", "method": "refitted", "ok": True, "verdict": ""}
    >>> rows = [
    ...     SensitivityRow(**made, label="Flat()", prior="Flat()", baseline=first,
    ...                    quantity="beta[x]", estimate=2.0 + shift, lower=0.5 + shift,
    ...                    upper=3.5 + shift, shift=shift)
    ...     for first, shift in ((True, 0.0), (False, -0.04))]
    >>> print(conclude(rows, "95% HDI").text)
    m does not depend on the prior of sigma_u: beta[x] moves most, by -0.04 posterior sds under
    Flat() (2.00 to 1.96). Coefficients move by 0.04 at most. The 95% HDI excludes 0 under every
    prior for beta[x].
    """
    model = rows[0].model
    fair = comparable(rows)
    moved = [row for row in fair if not row.baseline]
    unfair = dict.fromkeys(row.label for row in rows if row not in fair)
    left_out = f" Not counted: {', '.join(unfair)}, whose verdict is not clean." if unfair else ""
    if not moved:
        text = f"{model} was fitted under one prior of sigma_u only.{left_out}"
        return Conclusion(model=model, depends="no", quantity="", label="", shift=0.0, text=text)
    most = max(moved, key=lambda row: abs(row.shift or 0.0))
    shift = most.shift or 0.0
    size = abs(shift)
    depends: Literal["no", "little", "yes"] = "yes"
    if size < LITTLE_SHIFT:
        depends = "little" if size >= NO_SHIFT else "no"
    how = {"no": "does not depend", "little": "depends little", "yes": "DEPENDS"}[depends]
    baseline = next(row for row in rows if row.baseline and row.quantity == most.quantity)
    first, last = share_digits([baseline.digits, most.digits])
    moved_from = "" if first is None else first.number(baseline.estimate)
    moved_to = "" if last is None else last.number(most.estimate)
    text = (
        f"{model} {how} on the prior of sigma_u: {most.quantity} moves most, by {signed(shift)} "
        f"posterior sds under {most.label} ({moved_from} to {moved_to})."
        f"{_coefficients(moved)}{_signs(fair, interval)}{left_out}"
    )
    return Conclusion(
        model=model,
        depends=depends,
        quantity=most.quantity,
        label=most.label,
        shift=shift,
        text=text,
    )


def comparable(rows: Sequence[SensitivityRow]) -> list[SensitivityRow]:
    """Return the rows of one model that are comparable with one another.

    They have no numbers, or a verdict that is not clean, such as a mean that does not exist. Where
    the record's prior has such a verdict too, the fault is the model's, and only rows without
    numbers are left out.
    """
    clean = all(row.ok for row in rows if row.baseline)
    return [row for row in rows if row.estimate is not None and (row.ok or not clean)]


def _coefficients(moved: Sequence[SensitivityRow]) -> str:
    """Return how far the coefficients move, which is often not at all where the sds do."""
    sizes = [abs(row.shift or 0.0) for row in moved if row.quantity.startswith("beta[")]
    return f" Coefficients move by {scaled(max(sizes), 2)} at most." if sizes else ""


def _signs(rows: Sequence[SensitivityRow], interval: str) -> str:
    """Return for each coefficient whether its interval excludes zero under every prior."""
    phrases: dict[str, list[str]] = {}
    for quantity in dict.fromkeys(row.quantity for row in rows):
        if not quantity.startswith("beta["):
            continue
        excluded = {
            row.label: row.lower > 0 or row.upper < 0
            for row in rows
            if row.quantity == quantity and row.lower is not None and row.upper is not None
        }
        if len(set(excluded.values())) == 1:
            verb = "excludes" if next(iter(excluded.values())) else "holds"
            phrases.setdefault(f"{verb} 0 under every prior", []).append(quantity)
        else:
            holds = ", ".join(label for label, out in excluded.items() if not out)
            phrases.setdefault(f"holds 0 under {holds}, and excludes it otherwise", []).append(
                quantity
            )
    return "".join(
        f" The {interval} {what} for {', '.join(names)}." for what, names in phrases.items()
    )
