"""Comparison of models of one outcome: cross-validation by group or row, marginal likelihood."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bayes_mlm.assess.loo import Elpd, leave_one_group_out, leave_one_row_out
from bayes_mlm.assess.loo.elpd import PART_COLUMNS
from bayes_mlm.assess.marginal_likelihood import log_marginal_likelihood
from bayes_mlm.assess.ranking import (
    ComparisonRow,
    Criterion,
    NamedElpd,
    cautions_on,
    rank_elpds,
    rank_marginal,
)
from bayes_mlm.base import (
    LOGLIK_ERROR,
    BayesMLMError,
    Column,
    DesignError,
    EngineError,
    Finding,
    ResultTable,
    Verdict,
    csv_text,
    digits,
    expect_each,
    probability,
)
from bayes_mlm.design import Design, same_columns, same_outcome
from bayes_mlm.fitting import Estimate, Fit, expect_draws
from bayes_mlm.model import UNNAMED

QUESTIONS: dict[Criterion, str] = {
    "group": "Leaving one group{named} out: how well does each model predict all members of a "
    "group that it has never seen?",
    "row": "Leaving one row out: how well does each model predict another member of the groups at "
    "hand?",
    "marginal_likelihood": "Marginal likelihood: how well did model and priors together predict "
    "the data?",
}


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelComparison(ResultTable[ComparisonRow]):
    """Models compared by each measure.

    Parameters
    ----------
    rows : tuple of ComparisonRow
        By measure, then by rank.
    elpds : tuple of NamedElpd
        Pointwise, by groups and by rows.
    cautions : tuple of str
        What limits the interpretation of the ranks.
    verdict : Verdict
        Of the fits and of the measures.
    group : str or None
        Name of the grouping factor that is left out.
    """

    key = ("criterion", "model")
    row_type = ComparisonRow

    elpds: tuple[NamedElpd, ...]
    group: str | None

    def __repr__(self) -> str:
        """Return the best model by each measure."""
        best = [f"{row.criterion}: {row.model}" for row in self.rows if row.rank == 1]
        return f"<ModelComparison, best by {'; by '.join(best)}>"

    def by(self, criterion: Criterion) -> tuple[ComparisonRow, ...]:
        """Return the rows of one measure, the best model first."""
        return self.where(criterion=criterion)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""

        def measured(value: str, error: str) -> tuple[Column, Column]:
            def shown(row: ComparisonRow, name: str) -> str:
                chosen = digits(getattr(row, value), getattr(row, error) or LOGLIK_ERROR)
                found = getattr(row, name)
                return chosen.number(found) if name == value else chosen.error(found)

            return (
                Column(name=value, text=lambda row: shown(row, value)),
                Column(name=error, text=lambda row: shown(row, error)),
            )

        return (
            *(Column(name=name) for name in ("criterion", "model", "rank")),
            *measured("value", "se"),
            *measured("difference", "se_difference"),
            Column(name="weight", text=lambda row: probability(row.weight)),
            Column(name="standing"),
        )

    def question(self, criterion: Criterion) -> str:
        """Return the question that a measure answers."""
        return QUESTIONS[criterion].format(named=f" ({self.group})" if self.group else "")

    def pointwise_csv(self) -> str:
        """Write the log predictive density of every part left out, by every model, as CSV text."""
        rows = [(one.model, *part) for one in self.elpds for part in one.elpd.raw()]
        return csv_text(["model", *PART_COLUMNS], rows)


def loo_compare(fits: Sequence[Fit], *, loo_rows: Any = None) -> ModelComparison:
    """Rank models by leaving groups out, by leaving rows out, and by marginal likelihood.

    Parameters
    ----------
    fits : sequence of Fit
        Two or more models of the same outcome in the same rows, by any engine. A fit without
        groups has those of the others left out.
    loo_rows : data frame or mapping, optional
        Of aggregated data: the rows to omit in turn (`leave_one_row_out`).

    Returns
    -------
    ModelComparison
        A measure that a model does not have (a marginal likelihood with a flat prior) is left
        empty in its row, with the reason.

    Raises
    ------
    DesignError
        If the models are of different outcomes or rows.
    EngineError
        If there are fewer than two, or two are the same.

    References
    ----------
    Vehtari, Gelman & Gabry (2017), Statistics and Computing 27(5); Merkle, Furr & Rabe-Hesketh
    (2019), Psychometrika 84(3); Sivula, Magnusson, Matamoros & Vehtari, arXiv:2008.10296.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> one = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    >>> two = fit("reaction ~ days + (days | subject)", "sleepstudy", random_seed=1)
    >>> loo_compare([one, two]).by("row")[0].model
    'reaction ~ days + (days | subject)'
    """
    expect_each("loo_compare", fits, Fit, Estimate)
    fits = list(fits)
    expect_draws("loo_compare", *fits)
    if len(fits) < 2:
        raise EngineError(f"a comparison needs two models or more, found {len(fits)}")
    names = _names(fits)
    for place, fit in enumerate(fits):
        check_comparable(fits[0].design, fit.design, names[0], names[place])
        for before in range(place):
            if _same(fits[before], fit):
                raise EngineError(
                    f"{names[before]!r} and {names[place]!r} are the same model; leave one out"
                )
    grouped = [fit.design for fit in fits if len(fit.design.factors) == 1]
    grouping = next((one for one in grouped if one.q), next(iter(grouped), None))
    rows: list[ComparisonRow] = []
    elpds: list[NamedElpd] = []
    findings = [
        Finding(f"{name}: {finding.check}", finding.ok, f"{name}: {finding.message}")
        for name, fit in zip(names, fits, strict=True)
        for finding in fit.verdict.findings
    ]
    ways: dict[Criterion, Callable[[Fit], Elpd]] = {
        "group": lambda fit: _by_group(fit, grouping),
        "row": lambda fit: leave_one_row_out(fit, rows=loo_rows),
    }
    for criterion, measure in ways.items():
        found: list[NamedElpd | ComparisonRow] = []
        for name, fit in zip(names, fits, strict=True):
            try:
                found.append(NamedElpd(model=name, elpd=measure(fit)))
            except BayesMLMError as error:
                found.append(ComparisonRow(criterion=criterion, model=name, note=str(error)))
        have = [one for one in found if isinstance(one, NamedElpd)]
        elpds += have
        for one in have:
            findings += [
                Finding(
                    f"{one.model}: {criterion} {finding.check}",
                    finding.ok,
                    f"{one.model}, leaving one {criterion} out: {finding.message}",
                )
                for finding in one.elpd.verdict.findings
            ]
        rows += rank_elpds(criterion, have)
        rows += [one for one in found if isinstance(one, ComparisonRow)]
    rows += _by_marginal_likelihood(names, fits)
    return ModelComparison(
        rows=tuple(rows),
        elpds=tuple(elpds),
        cautions=tuple(cautions_on(rows)),
        verdict=Verdict(tuple(findings)),
        group=None if grouping is None else grouping.group,
    )


def check_comparable(one: Design, other: Design, name: str, other_name: str) -> None:
    """Refuse to compare models of different outcomes or rows.

    Raises
    ------
    DesignError
        That says what differs.
    """
    if same_outcome(one, other):
        return
    if one.outcome != other.outcome:
        what = f"the outcome is {one.outcome!r} in one and {other.outcome!r} in the other"
    elif one.n != other.n:
        what = f"{_size(one)} against {_size(other)}"
    else:
        what = f"the values of {one.outcome!r} or the order of the rows differ"
    raise DesignError(
        f"cannot compare {name!r} with {other_name!r}: {what}; models are compared on the same "
        "outcome in the same rows"
    )


def _size(design: Design) -> str:
    rows = f"{design.n} rows"
    if design.kind == "between":
        rows += " (group means)"
    if design.n_dropped:
        rows += f" ({design.n_dropped} dropped for missing values)"
    return rows


def _names(fits: Sequence[Fit]) -> list[str]:
    """Return a distinct name for each model: its record's or formula, with kind or number."""
    plain = [f.spec.title for f in fits]
    plain = [
        name
        if not fit.design.errors or fit.spec.name != UNNAMED
        else f"{name}, {fit.design.errors_text.removeprefix('; ').replace(': ', ' ')}"
        for name, fit in zip(plain, fits, strict=True)
    ]
    count = Counter(plain)
    names = [
        name if count[name] == 1 else f"{name} [{fit.spec.kind}]"
        for name, fit in zip(plain, fits, strict=True)
    ]
    count, seen = Counter(names), Counter[str]()
    for place, name in enumerate(names):
        if count[name] > 1:
            seen[name] += 1
            names[place] = f"{name} ({seen[name]})"
    return names


def _same(one: Fit, other: Fit) -> bool:
    a, b = one.design, other.design
    return (
        one.priors == other.priors
        and (a.terms, a.kind) == (b.terms, b.kind)
        and [(t.factor, t.effects) for t in a.group_terms]
        == [(t.factor, t.effects) for t in b.group_terms]
        and (one.spec.residual, a.family) == (other.spec.residual, b.family)
        and same_columns(a, b)
    )


def _by_group(fit: Fit, grouping: Design | None) -> Elpd:
    design = fit.design
    design.single_term("leave-one-group-out", "compare by rows")
    if grouping is None:
        raise DesignError('no model names groups; a record can: group = "NAME"')
    term = design.group_term
    if term.factor and not term.same_groups(grouping.group_term):
        raise DesignError(f"it groups by {design.group!r}, not by {grouping.group!r}")
    return leave_one_group_out(fit, grouping=grouping)


def _by_marginal_likelihood(names: Sequence[str], fits: Sequence[Fit]) -> list[ComparisonRow]:
    have, without = [], []
    for name, fit in zip(names, fits, strict=True):
        row = ComparisonRow(criterion="marginal_likelihood", model=name)
        try:
            found = log_marginal_likelihood(fit)
        except EngineError as error:
            without.append(replace(row, note=str(error)))
        else:
            have.append(replace(row, value=found.value, mcse=found.error))
    return rank_marginal(have) + without
