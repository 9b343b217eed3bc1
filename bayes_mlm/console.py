"""Show results as rich tables; computes nothing."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bayes_mlm.analysis import Analysis
from bayes_mlm.design import INTERCEPT
from bayes_mlm.effect_centring import hold_at_means
from bayes_mlm.estimates import CLASSICAL, Estimate
from bayes_mlm.published import PublishedRow
from bayes_mlm.ranking import BY, CRITERIA, Criterion
from bayes_mlm.spec import Record

if TYPE_CHECKING:
    from bayes_mlm.model_comparison import ModelComparison
    from bayes_mlm.plots.catalogue import Entry
    from bayes_mlm.sensitivity.rows import Sensitivity, SensitivityRow

# What a pipe or a file gets; a terminal keeps its own width.
_PIPE_WIDTH = 160
_LADDER = ("Intercept", "ses", "sector", "ses:sector")


def make_console(*, stderr: bool = False) -> Console:
    """Make a console that neither wraps tables in a pipe nor reads names as markup."""
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _PIPE_WIDTH)
    return console


def analysis_title(analysis: Analysis) -> str:
    """Say what was fitted: name, formula, kind, rows and groups."""
    record, design = analysis.record, analysis.design
    rows = f"n = {design.n}"
    if design.group is not None:
        rows += f", {design.J} groups ({design.group})"
    dropped = f", {design.n_dropped} rows dropped (missing values)" if design.n_dropped else ""
    residual = "" if design.residual is None else f"; residuals: {design.residual.asked}"
    return f"{record.name}: {record.formula} [{record.kind}]\n{rows}{dropped}{residual}"


def estimates_table(analysis: Analysis) -> Table:
    """Lay out one model: each quantity by each engine, their difference, the printed figure."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, caption_justify="left")
    table.add_column("quantity", no_wrap=True)
    drawn = [summary for summary in analysis.summaries if summary.engine not in CLASSICAL]
    printed = any(row.published for row in analysis.compared)
    table.caption = " ".join(_legend(analysis, bool(drawn), printed))
    for k, summary in enumerate(analysis.summaries):
        classical = summary.engine in CLASSICAL
        table.add_column(summary.engine, justify="right", overflow="fold")
        table.add_column("se" if classical else "sd", justify="right")
        if k == 0 or classical:  # a second posterior's interval would repeat the first's
            table.add_column(summary.interval, justify="right")
        if summary.engine == "nuts":
            table.add_column("ESS", justify="right")
            table.add_column("R-hat", justify="right")
    if drawn:
        table.add_column("diff/sd", justify="right")
    if printed:
        table.add_column("printed", justify="right")
    for row in analysis.compared:
        cells = [row.quantity]
        for k, (summary, estimate) in enumerate(
            zip(analysis.summaries, row.estimates, strict=True)
        ):
            shown = _estimate(estimate)
            cells += shown if k == 0 or summary.engine in CLASSICAL else shown[:2]
            cells += _convergence(estimate) if summary.engine == "nuts" else []
        if drawn:
            cells.append("" if row.difference is None else f"{row.difference:+.2f}")
        if printed:
            cells.append(row.published or "")
        table.add_row(*cells)
    return table


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
        texts.append("printed: elsewhere, as the record says; * is wrong.")
    return texts


def verdict_lines(analysis: Analysis) -> list[str]:
    """Say for each engine whether to believe it, and why; and whether they disagree."""
    lines = [
        f"{_sign(summary.verdict.ok)} {summary.engine}: {summary.verdict}"
        for summary in analysis.summaries
    ]
    if not analysis.agreement.ok:
        lines.append(f"{_sign(False)} {analysis.agreement.message}")
    return lines


def _sign(ok: bool) -> str:
    return "ok    " if ok else "NOT OK"


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


def ladder_table(analyses: Sequence[Analysis]) -> Table:
    """Lay out the ladder: a row a model and engine, the main quantities as columns."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("model")
    table.add_column("engine")
    names = [f"beta[{term}]" for term in _LADDER]
    shown = [*names, "sigma_u", "sigma_e", "icc", "r2_between", "r2_within"]
    for name in shown:
        table.add_column(name.removeprefix("beta[").removesuffix("]"), justify="right")
    for analysis in analyses:
        for k, summary in enumerate(analysis.summaries):
            cells = []
            for name in shown:
                row = summary.get(name)
                cells.append("" if row is None else f"{row.estimate:.3f}")
            name = analysis.record.name if k == 0 else ""
            table.add_row(name, summary.engine, *cells)
    return table


def corrections_table(rows: Sequence[PublishedRow]) -> Table:
    """Lay out the published figures that are wrong: as printed, right, and why."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("model")
    table.add_column("printed figure")
    table.add_column("printed", justify="right")
    table.add_column("right", justify="right")
    table.add_column("why", overflow="fold")
    for row in rows:
        if row.status == "corrected":
            right = "" if row.right is None else f"{row.right:.4g}"
            table.add_row(row.model, row.quantity, row.printed, right, row.reason)
    return table


def records_table(records: Sequence[Record]) -> Table:
    """Lay out the bundled models."""
    table = Table(box=SIMPLE_HEAD)
    for head in ("model", "kind", "formula"):
        table.add_column(head, overflow="fold")
    for record in records:
        table.add_row(record.name, record.kind, record.formula)
    return table


def figures_table(entries: "Sequence[Entry]") -> Table:
    """Lay out the figures that there are."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("figure", no_wrap=True)
    table.add_column("of", no_wrap=True)
    table.add_column("what it shows", overflow="fold")
    table.add_column("there is one where", overflow="fold")
    for entry in entries:
        table.add_row(entry.name, entry.of, entry.shows, entry.applies)
    return table


def sensitivity_tables(found: "Sensitivity") -> list[Table]:
    """Lay out each model: a row a prior, a column a quantity; means, and in brackets the shifts."""
    tables = []
    for model in found.models:
        rows = found.of(model)
        names = list(dict.fromkeys(row.quantity for row in rows))
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        table.title_justify = table.caption_justify = "left"
        table.title = (
            f"{model}: means, and (shifts) in posterior sds from the record's own prior, *"
        )
        if any(";" in row.prior for row in rows):
            table.caption = "Priors are named by that of the first group effect; --out has all."
        table.add_column("prior on sigma_u", overflow="fold")
        for name in names:
            short = name.removeprefix("beta[").removesuffix("]") if name[:5] == "beta[" else name
            table.add_column(short, justify="right", max_width=14, overflow="fold")
        table.add_column("made", no_wrap=True)
        table.add_column("worth", justify="right")
        table.add_column("k-hat", justify="right")
        for label in dict.fromkeys(row.label for row in rows):
            same = [row for row in rows if row.label == label]
            first = same[0]
            table.add_row(
                label + ("*" if first.own else ""),
                *map(_moved, same),
                first.method + ("" if first.ok else " NOT OK"),
                "" if first.ess is None else f"{first.ess:.0f}",
                "" if first.k_hat is None else f"{first.k_hat:.2f}",
            )
        tables.append(table)
    return tables


def sensitivity_lines(found: "Sensitivity") -> list[str]:
    """Say what depends on the prior, and what is wrong with any row."""
    lines = [f"- {conclusion.text}" for conclusion in found.conclusions]
    wrong = {(row.model, row.label): row.verdict for row in found if not row.ok}
    lines += [f"{_sign(False)} {model}, {label}: {why}" for (model, label), why in wrong.items()]
    return lines


def sensitivity_time(found: "Sensitivity") -> str:
    """Say how long it took."""
    return (
        f"{found.n_fits} posteriors in {found.seconds_fitting:.2f} s; with reading the data and "
        f"laying out the designs {found.seconds:.2f} s"
    )


def _moved(row: "SensitivityRow") -> str:
    if row.estimate is None or row.shift is None:
        return ""
    return f"{row.estimate:.3f}" + ("" if row.own else f" ({row.shift:+.2f})")


def comparison_parts(found: "ModelComparison") -> list[Table | str]:
    """Lay out each measure after the question that it answers: a row a model, the best first."""
    parts: list[Table | str] = []
    for criterion in CRITERIA:
        rows = [row for row in found.by(criterion) if row.value is not None]
        if not rows:
            continue
        table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        table.add_column("model", overflow="fold")
        if criterion == "marginal_likelihood":
            heads = ["log density", "difference"]
        else:
            heads = ["elpd", "se", "difference", "se of it", "p", "max k-hat"]
        for head in heads:
            table.add_column(head, justify="right")
        table.add_column("")
        for row in rows:
            cells = [row.value, row.difference]
            if criterion != "marginal_likelihood":
                cells = [row.value, row.se, row.difference, row.se_difference, row.p]
            shown = ["" if cell is None else f"{cell:.1f}" for cell in cells]
            if row.k_hat is not None:
                shown.append("-" if math.isinf(row.k_hat) else f"{max(row.k_hat, 0.0):.2f}")
            table.add_row(row.model, *shown, row.standing)
        parts += [found.question(criterion), table]
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
        return [*lines, f"{_sign(True)} every fit, and every k-hat and Monte Carlo error"]
    return lines + [f"{_sign(False)} {finding.message}" for finding in found.verdict.problems]


def _estimate(row: Estimate | None) -> list[str]:
    if row is None:
        return ["", "", ""]
    spec = ".2f" if row.quantity == "loglik" else ".4f"
    interval = ""
    if row.lower is not None and row.upper is not None:
        interval = f"[{row.lower:.3f}, {row.upper:.3f}]"
    return [f"{row.estimate:{spec}}", "" if row.sd is None else f"{row.sd:{spec}}", interval]


def _convergence(row: Estimate | None) -> list[str]:
    if row is None or row.ess_bulk is None or row.ess_tail is None or row.r_hat is None:
        return ["", ""]
    return [f"{min(row.ess_bulk, row.ess_tail):.0f}", f"{row.r_hat:.3f}"]
