"""Show results as rich tables; computes nothing."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich import table as rich_table
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.text import Text

from bayes_mlm.assess import BY, CRITERIA, ComparisonRow, Criterion
from bayes_mlm.base import (
    LOGLIK_ERROR,
    Head,
    TextTable,
    count,
    digits,
    number,
    scaled,
    share_digits,
    sign,
    signed,
    visible,
)
from bayes_mlm.design import INTERCEPT
from bayes_mlm.engines import has_chains, is_drawing
from bayes_mlm.fitting import Analysis, QuantityRow, estimate_texts
from bayes_mlm.likelihood import hold_at_means

if TYPE_CHECKING:
    from bayes_mlm.assess import ModelComparison, Sensitivity, SensitivityRow
    from bayes_mlm.figures import Entry
    from bayes_mlm.studies import PublishedRow, Record

# What a pipe or a file gets; a terminal keeps its own width.
_PIPE_WIDTH = 160
_LADDER = ("Intercept", "ses", "sector", "ses:sector")


class _Console(Console):
    """Console on which names that users chose cannot act as control sequences."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a string as text."""
        return super().render_str(visible(text, keep="\n"), **options)


class Table(rich_table.Table):
    """Table whose cells are one line each, whatever is in a name."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row."""
        super().add_row(
            *(visible(one) if isinstance(one, str) else one for one in cells), **options
        )


def make_console(*, stderr: bool = False) -> Console:
    """Make a console that neither wraps tables in a pipe nor reads names as markup."""
    console = _Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _PIPE_WIDTH)
    return console


def analysis_title(analysis: Analysis) -> str:
    """Say what was fitted: name, formula, kind, rows and groups."""
    model, design = analysis.spec, analysis.design
    rows = f"n = {design.n}"
    if design.group is not None:
        rows += f", {design.J} groups ({design.group})"
    gone = count(design.n_dropped, "row")
    dropped = f", {gone} dropped (missing values)" if design.n_dropped else ""
    residual = f"; residuals: {design.errors}" if design.errors else ""
    return f"{model.name}: {model.formula} [{model.kind}]\n{rows}{dropped}{residual}"


def estimates_table(analysis: Analysis) -> TextTable:
    """Lay out one model: each quantity by each engine, their difference, the printed figure."""
    heads = [Head(text="quantity", prose=True)]
    drawn = [summary for summary in analysis.summaries if is_drawing(summary.engine)]
    printed = any(row.published for row in analysis.compared)
    for k, summary in enumerate(analysis.summaries):
        likelihood = not is_drawing(summary.engine)
        own = ["se" if likelihood else "sd"]
        if k == 0 or likelihood:  # a second posterior's interval would repeat the first's
            own.append(summary.interval)
        if has_chains(summary.engine):
            own += ["ESS", "R-hat"]
        heads.append(Head(text=summary.engine))
        heads += [Head(text=text, opens=False) for text in own]
    heads += [Head(text="diff/sd")] if drawn else []
    heads += [Head(text="printed")] if printed else []
    rows = []
    for row in analysis.compared:
        cells = [row.quantity]
        for k, (summary, estimate) in enumerate(
            zip(analysis.summaries, row.estimates, strict=True)
        ):
            shown = estimate_texts(estimate, like=row.estimates[0])
            cells += shown if k == 0 or not is_drawing(summary.engine) else shown[:2]
            cells += _convergence(estimate) if has_chains(summary.engine) else []
        if drawn:
            cells.append("" if row.difference is None else signed(row.difference))
        if printed:
            cells.append(row.published or "")
        rows.append(cells)
    caption = " ".join(_legend(analysis, bool(drawn), printed))
    return TextTable(heads=heads, rows=rows, caption=caption)


_PROFILE = "t or Wald for beta, profile for sigma and icc"


def _legend(analysis: Analysis, drawn: bool, printed: bool) -> list[str]:
    """Explain the columns that are there."""
    structure = analysis.design.residual is not None
    ends = "Wald for beta, and for sigma, rho and icc" if structure else _PROFILE
    texts = [f"CI: {ends}."]
    if drawn:
        texts.insert(0, "direct, nuts: posterior means; HDI: highest density interval.")
    if drawn and any(row.quantity == "r2_between" for row in analysis.compared):
        texts.append("r2 takes model and null model as independent: its HDI is too wide.")
    if printed:
        texts.append("printed: elsewhere, as the record says; * is wrong or imprecise.")
    return texts


def verdict_lines(analysis: Analysis) -> list[str]:
    """Say for each engine whether to believe it, and why; and whether they disagree."""
    lines = [summary.verdict.line_of(summary.engine) for summary in analysis.summaries]
    if not analysis.agreement.ok:
        lines.append(f"{sign(False)} {analysis.agreement.message}")
    return lines


def priors_table(analysis: Analysis) -> Table:
    """Lay out the priors in force, in outcome units."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("prior for")
    table.add_column("in outcome units")
    priors = analysis.fits[0].priors
    effects = hold_at_means(analysis.design.effects, priors)
    at_means = {INTERCEPT, *([f"sigma_u[{INTERCEPT}]", "rho_u"] if effects else [])}
    for name, prior in priors.by_name(analysis.design).items():
        at = " (where predictors are at their means)" if name in at_means else ""
        table.add_row(name + at, str(prior))
    return table


def ladder_table(analyses: Sequence[Analysis]) -> TextTable:
    """Lay out the ladder: a row a model and engine, the main quantities as columns."""
    names = [f"beta[{term}]" for term in _LADDER]
    names += ["sigma_u", "sigma_e", "icc", "r2_between", "r2_within"]
    rows = []
    for analysis in analyses:
        for k, summary in enumerate(analysis.summaries):
            first = analysis.summaries[0]
            shown = [estimate_texts(summary.get(name), like=first.get(name)) for name in names]
            cells = [one.estimate for one in shown]
            rows.append([analysis.spec.name if k == 0 else "", summary.engine, *cells])
    heads = [Head(text="model", prose=True), Head(text="engine", prose=True)]
    heads += [Head(text=name.removeprefix("beta[").removesuffix("]")) for name in names]
    return TextTable(heads=heads, rows=rows, names=2)


def corrections_table(rows: "Sequence[PublishedRow]") -> Table:
    """Return the published figures that are not right: as printed, corrected, and why."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("model")
    table.add_column("printed figure")
    table.add_column("printed", justify="right")
    table.add_column("right", justify="right")
    table.add_column("cause")
    table.add_column("why", overflow="fold")
    for row in rows:
        if row.status == "corrected":
            cells = (row.model, row.quantity, row.printed, row.right_text(), row.cause, row.reason)
            table.add_row(*cells)
    return table


def records_table(records: "Sequence[Record]") -> Table:
    """Lay out the bundled models."""
    table = Table(box=SIMPLE_HEAD)
    for head in ("model", "kind", "formula"):
        table.add_column(head, overflow="fold")
    for record in records:
        table.add_row(record.name, record.model.kind, record.model.formula)
    return table


def figures_table(entries: "Iterable[Entry]") -> Table:
    """Return a table of figures: what each shows, and when it applies."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("figure", no_wrap=True)
    table.add_column("of", no_wrap=True)
    table.add_column("what it shows", overflow="fold")
    table.add_column("there is one where", overflow="fold")
    for entry in entries:
        table.add_row(entry.name, entry.of, entry.shows, entry.applies)
    return table


def sensitivity_tables(found: "Sensitivity") -> list[TextTable]:
    """Lay out each model: a row a prior, a column a quantity; means, and in brackets the shifts."""
    tables = []
    for model in found.models:
        own = found.of(model)
        names = list(dict.fromkeys(row.quantity for row in own))
        heads = [Head(text="prior on sigma_u", prose=True)]
        for name in names:
            short = name.removeprefix("beta[").removesuffix("]") if name[:5] == "beta[" else name
            heads.append(Head(text=short))
        heads += [Head(text="made", prose=True), Head(text="worth"), Head(text="k-hat")]
        moved = [_moved(found.of(model, name)) for name in names]
        rows = []
        for k, label in enumerate(dict.fromkeys(row.label for row in own)):
            first = next(row for row in own if row.label == label)
            rows.append(
                [
                    label + ("*" if first.own else ""),
                    *(column[k] for column in moved),
                    first.method + ("" if first.ok else " NOT OK"),
                    "" if first.ess is None else count(first.ess),
                    "" if first.k_hat is None else scaled(first.k_hat, 2),
                ]
            )
        caption = "Priors are named by that of the first group effect; --out has all."
        tables.append(
            TextTable(
                heads=heads,
                rows=rows,
                title=f"{model}: means, and (shifts) in posterior sds from the record's own prior, "
                "*",
                caption=caption if any(";" in row.prior for row in own) else "",
            )
        )
    return tables


def sensitivity_lines(found: "Sensitivity") -> list[str]:
    """Say what depends on the prior, and what is wrong with any row."""
    lines = [f"- {conclusion.text}" for conclusion in found.conclusions]
    wrong = {(row.model, row.label): row.verdict for row in found if not row.ok}
    lines += [f"{sign(False)} {model}, {label}: {why}" for (model, label), why in wrong.items()]
    return lines


def sensitivity_time(found: "Sensitivity") -> str:
    """Say how long it took."""
    return (
        f"{found.n_fits} posteriors in {scaled(found.seconds_fitting, 2)} s; with reading the data "
        f"and laying out the designs {scaled(found.seconds, 2)} s"
    )


def _moved(rows: "Sequence[SensitivityRow]") -> list[str]:
    """Write one quantity under each prior, to the same decimals."""
    chosen = share_digits([row.digits for row in rows])
    return [
        ""
        if row.estimate is None or row.shift is None or how is None
        else how.number(row.estimate) + ("" if row.own else f" ({signed(row.shift)})")
        for row, how in zip(rows, chosen, strict=True)
    ]


def comparison_parts(found: "ModelComparison") -> list[TextTable | str]:
    """Lay out each measure after the question that it answers: a row a model, the best first."""
    parts: list[TextTable | str] = []
    for criterion in CRITERIA:
        rows = [row for row in found.by(criterion) if row.value is not None]
        if not rows:
            continue
        sampled = criterion != "marginal_likelihood"
        names = ["elpd", "se", "difference", "se of it", "p", "max k-hat"]
        heads = [
            Head(text="model", prose=True),
            *(Head(text=text) for text in (names if sampled else ["log density", "difference"])),
            Head(text="", prose=True),
        ]
        cells = [[row.model, *_ranked(row, sampled), row.standing] for row in rows]
        parts += [found.question(criterion), TextTable(heads=heads, rows=cells)]
    return parts


def comparison_lines(found: "ModelComparison") -> list[str]:
    """Say which measures are missing and why, how to read the ranks, and whether to believe them.

    What is fine is said in one line: the largest numbers are in the tables.
    """
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
            "- elpd: log density of what was left out, summed, higher is better; p: how much more "
            "it is with that left in, the effective number of parameters; k-hat: above 0.7, or "
            "less with few draws, weights that stand in for a refit cannot be believed (Vehtari et "
            "al. 2017, 2024)"
        )
    lines += [f"- {caution}" for caution in found.cautions]
    if found.verdict.ok:
        return [*lines, f"{sign(True, 6)} every fit, and every k-hat and Monte Carlo error"]
    return lines + [f"{sign(False)} {finding.message}" for finding in found.verdict.problems]


def _ranked(row: ComparisonRow, sampled: bool) -> list[str]:
    """Write one model's measure, and how far it lies from the best, each with its error."""
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
    ]


def _measured(value: float | None, error: float | None) -> list[str]:
    """Write a difference in log density with its error; tenths where it has none."""
    chosen = digits(value, error or LOGLIK_ERROR)
    return [chosen.number(value), chosen.error(error)]


def _convergence(row: QuantityRow | None) -> list[str]:
    if row is None or row.ess_bulk is None or row.ess_tail is None or row.r_hat is None:
        return ["", ""]
    return [count(min(row.ess_bulk, row.ess_tail)), scaled(row.r_hat, 3)]
