"""Tables and lines of results on a terminal; computes nothing."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from bayes_mlm.base import (
    LOGLIK_ERROR,
    Span,
    TerminalTable,
    View,
    count,
    digits,
    number,
    probability,
    scaled,
    share_digits,
    sign,
    signed,
    visible,
)
from bayes_mlm.design import INTERCEPT
from bayes_mlm.fitting import Analysis, estimate_texts
from bayes_mlm.likelihood import group_parameters, group_views, hold_at_means
from bayes_mlm.report.estimates import estimates_view

if TYPE_CHECKING:
    from bayes_mlm.assess import (
        ComparisonRow,
        Criterion,
        ModelComparison,
        Sensitivity,
        SensitivityRow,
    )
    from bayes_mlm.figures import Entry
    from bayes_mlm.studies import PublishedRow, Record

# Width for a pipe or a file; a terminal keeps its width.
_PIPE_WIDTH = 160
_LADDER = ("Intercept", "ses", "sector", "ses:sector")


class _Console(Console):
    """Console that does not interpret control sequences in names."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a string as text."""
        return super().render_str(visible(text, keep="\n"), **options)


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that neither wraps tables in a pipe nor reads names as markup."""
    console = _Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _PIPE_WIDTH)
    return console


def analysis_title(analysis: Analysis) -> str:
    """Return the title of a fit: name, formula, kind, rows and groups."""
    model, design = analysis.spec, analysis.design
    rows = f"n = {design.n}"
    rows += "".join(f", {term.J} groups ({term.factor})" for term in design.group_terms)
    gone = count(design.n_dropped, "row")
    dropped = f", {gone} dropped (missing values)" if design.n_dropped else ""
    return f"{model.name}: {model.formula} [{model.kind}]\n{rows}{dropped}{design.errors_text}"


def estimates_table(analysis: Analysis) -> TerminalTable:
    """Return each quantity by each engine, their difference, and the printed figure."""
    return TerminalTable(view=estimates_view(analysis))


def _prose(headings: Sequence[str], rows: Iterable[Sequence[str]], *numbers: int) -> TerminalTable:
    """Return a table of text, which is folded and not continued below, but for some columns."""
    view = View(
        headings=tuple(headings),
        cells=tuple(map(tuple, rows)),
        left=frozenset(range(len(headings))) - {*numbers},
        spans=(Span(), Span(columns=len(headings) - 1)),
    )
    return TerminalTable(view=view)


def verdict_lines(analysis: Analysis) -> list[str]:
    """Describe for each engine whether it is reliable, with reasons; and any disagreement."""
    lines = [summary.verdict.line_of(summary.engine) for summary in analysis.summaries]
    if not analysis.agreement.ok:
        lines.append(f"{sign(False)} {analysis.agreement.message}")
    return lines


def priors_table(analysis: Analysis) -> TerminalTable:
    """Return the priors in force, in outcome units or those of the linear predictor."""
    priors = analysis.fits[0].priors
    at_means = {INTERCEPT}
    views, terms = group_views(analysis.design), group_parameters(analysis.design)
    for place, (view, names) in enumerate(zip(views, terms, strict=True)):
        if priors.groups and hold_at_means(view.effects, priors.of_term(place)):
            at_means |= {names.sigma_u.element(INTERCEPT), names.rho_u.text}
    at = " (where predictors are at their means)"
    rows = [
        (name + (at if name in at_means else ""), str(prior))
        for name, prior in priors.by_name(analysis.design).items()
    ]
    scale = analysis.design.family.predictor_scale
    return _prose(("prior for", f"in {scale}" if scale else "in outcome units"), rows)


def ladder_table(analyses: Sequence[Analysis]) -> TerminalTable:
    """Return a row for each model and engine, with the main quantities as columns."""
    names = [f"beta[{term}]" for term in _LADDER]
    names += ["sigma_u", "sigma_e", "icc", "r2_between", "r2_within"]
    rows = []
    for analysis in analyses:
        for k, summary in enumerate(analysis.summaries):
            first = analysis.summaries[0]
            shown = [estimate_texts(summary.get(name), like=first.get(name)) for name in names]
            cells = (one.estimate for one in shown)
            rows.append((analysis.spec.name if k == 0 else "", summary.engine, *cells))
    heads = (name.removeprefix("beta[").removesuffix("]") for name in names)
    return TerminalTable(
        view=View(headings=("model", "engine", *heads), cells=tuple(rows)), names=2
    )


def corrections_table(rows: "Sequence[PublishedRow]") -> TerminalTable:
    """Return the published figures that are not right: as printed, corrected, and the reason."""
    cells = [
        (row.model, row.quantity, row.printed, row.right_text(), row.cause, row.reason)
        for row in rows
        if row.status == "corrected"
    ]
    return _prose(("model", "printed figure", "printed", "right", "cause", "why"), cells, 2, 3)


def records_table(records: "Sequence[Record]") -> TerminalTable:
    """Return the bundled models."""
    cells = [(one.name, one.model.kind, one.model.family, one.model.formula) for one in records]
    return _prose(("model", "kind", "family", "formula"), cells)


def figures_table(entries: "Iterable[Entry]") -> TerminalTable:
    """Return the figures, with what each shows and when it applies."""
    cells = [(one.name, one.of, one.shows, one.applies) for one in entries]
    return _prose(("figure", "of", "what it shows", "applies if"), cells)


def sensitivity_tables(found: "Sensitivity") -> list[TerminalTable]:
    """Return a table for each model, priors by quantities: means, with shifts in parentheses."""
    tables = []
    for model in found.models:
        shifts = found.of(model)
        names = list(dict.fromkeys(row.quantity for row in shifts))
        short = [name[5:-1] if name.startswith("beta[") else name for name in names]
        moved = [_moved(found.of(model, name)) for name in names]
        rows = []
        for k, label in enumerate(dict.fromkeys(row.label for row in shifts)):
            first = next(row for row in shifts if row.label == label)
            rows.append(
                (
                    label + ("*" if first.baseline else ""),
                    *(column[k] for column in moved),
                    first.method + ("" if first.ok else " NOT OK"),
                    "" if first.ess is None else count(first.ess),
                    "" if first.k_hat is None else scaled(first.k_hat, 2),
                )
            )
        caption = "Priors are labelled by that of the first group effect; --out writes all of them."
        view = View(
            title=f"{model}: means, and (shifts) in posterior sds from the baseline prior, *",
            headings=("prior on sigma_u", *short, "method", "ESS", "k-hat"),
            cells=tuple(rows),
            left=frozenset({len(names) + 1}),
            legend=(caption,) if any(";" in row.prior for row in shifts) else (),
        )
        tables.append(TerminalTable(view=view))
    return tables


def sensitivity_lines(found: "Sensitivity") -> list[str]:
    """Describe what depends on the prior, and the problems of any row."""
    lines = [f"- {conclusion.text}" for conclusion in found.conclusions]
    wrong = {(row.model, row.label): row.verdict for row in found if not row.ok}
    lines += [f"{sign(False)} {model}, {label}: {why}" for (model, label), why in wrong.items()]
    return lines


def sensitivity_time(found: "Sensitivity") -> str:
    """Return the elapsed time as text."""
    return (
        f"{found.n_fits} posteriors in {scaled(found.seconds_fitting, 2)} s; "
        f"{scaled(found.seconds, 2)} s including reading the data and building the designs"
    )


def _moved(rows: "Sequence[SensitivityRow]") -> list[str]:
    """Return one quantity under each prior, to the same decimals."""
    chosen = share_digits([row.digits for row in rows])
    return [
        ""
        if row.estimate is None or row.shift is None or how is None
        else how.number(row.estimate) + ("" if row.baseline else f" ({signed(row.shift)})")
        for row, how in zip(rows, chosen, strict=True)
    ]


def comparison_parts(found: "ModelComparison") -> list[TerminalTable | str]:
    """Return each measure with the question it answers: one row per model, best first."""
    from bayes_mlm.assess import CRITERIA  # which a fit that is printed does not load

    parts: list[TerminalTable | str] = []
    for criterion in CRITERIA:
        rows = [row for row in found.by(criterion) if row.value is not None]
        if not rows:
            continue
        sampled = criterion != "marginal_likelihood"
        names = ("elpd", "se", "difference", "se of difference", "p", "max k-hat", "weight")
        headings = ("model", *(names if sampled else ("log density", "difference")), "")
        cells = tuple((row.model, *_ranked(row, sampled), row.standing) for row in rows)
        view = View(headings=headings, cells=cells, left=frozenset({len(headings) - 1}))
        parts += [found.question(criterion), TerminalTable(view=view)]
    return parts


def comparison_lines(found: "ModelComparison") -> list[str]:
    """Describe the missing measures, the interpretation of the ranks, and their reliability.

    What is fine takes one line: the largest numbers are in the tables.
    """
    from bayes_mlm.assess import BY

    without: dict[tuple[Criterion, str], list[str]] = {}
    for row in found.rows:
        if row.value is None:
            without.setdefault((row.criterion, row.note), []).append(row.model)
    lines = [
        f"no place {BY[criterion]} for {', '.join(models)}: {note}"
        for (criterion, note), models in without.items()
    ]
    if any(row.p is not None for row in found.rows):
        lines.append(
            "- elpd: expected log pointwise predictive density by leave-one-out, higher is better; "
            "p: effective number of parameters; k-hat: above 0.7, or less with few draws, the "
            "importance weights that replace a refit are not reliable "
            "(Vehtari et al. 2017, 2024); weight: of the model in the mixture that predicts best "
            "(stacking; Yao et al. 2018)"
        )
    lines += [f"- {caution}" for caution in found.cautions]
    if found.verdict.ok:
        return [*lines, f"{sign(True, 6)} every fit, and every k-hat and Monte Carlo error"]
    return lines + [f"{sign(False)} {finding.message}" for finding in found.verdict.problems]


def _ranked(row: "ComparisonRow", sampled: bool) -> list[str]:
    """Return one model's measure and its difference from the best, each with its error."""
    if not sampled:
        return [
            *_measured(row.value, LOGLIK_ERROR)[:1],
            *_measured(row.difference, LOGLIK_ERROR)[:1],
        ]
    k_hat = "" if row.k_hat is None else scaled(max(row.k_hat, 0.0), 2)
    return [
        *_measured(row.value, row.se),
        *_measured(row.difference, row.se_difference),
        "" if row.p is None else number(row.p, style="terminal"),
        "-" if k_hat == "inf" else k_hat,
        probability(row.weight),
    ]


def _measured(value: float | None, error: float | None) -> list[str]:
    """Return a difference in log density with its error; tenths where it has none."""
    chosen = digits(value, error or LOGLIK_ERROR)
    return [chosen.number(value), chosen.error(error)]
