"""Estimates of one model by all engines, for a terminal and for the report."""

from bayes_mlm.base import Span, Style, View, count, scaled, signed
from bayes_mlm.design import predictor_name
from bayes_mlm.engines import ENGINES, has_chains, is_drawing
from bayes_mlm.fitting import Analysis, Compared, QuantityRow, estimate_texts
from bayes_mlm.report.equations import coefficient

PRINTED = "Printed: published value; * marks one that is wrong or imprecise."


def estimates_view(analysis: Analysis, style: Style = "terminal") -> View:
    """Return a row for each quantity: by each engine, their difference, the printed figure.

    Parameters
    ----------
    analysis : Analysis
    style : {"terminal", "table"}
        Style of numbers and names; a terminal omits the interval of a second posterior.
    """
    terminal = style == "terminal"
    drawn = any(is_drawing(summary.engine) for summary in analysis.summaries)
    printed = any(row.published for row in analysis.compared)
    headings, spans = ["quantity"], [Span()]
    for k, summary in enumerate(analysis.summaries):
        draws, name = is_drawing(summary.engine), summary.engine
        heads = ["mean", "sd"] if draws else ["estimate", "se"]
        heads += [] if terminal and draws and k else [summary.interval]
        heads += ["ESS", "R-hat"] if has_chains(name) else []
        headings += heads
        text = name if terminal else ENGINES[name].label
        spans.append(Span(text=text, columns=len(heads)))
    estimated = any(not is_drawing(summary.engine) for summary in analysis.summaries)
    drawn_too = drawn and estimated
    extra = ["diff/sd" if terminal else "difference"] if drawn_too else []
    extra += ["printed"] if printed else []
    caption = _terminal_legend if terminal else _page_caption
    text = " ".join(caption(analysis, spans, drawn, printed))
    notes = tuple(dict.fromkeys(note for one in analysis.summaries for note in one.notes))
    cells = [_cells(analysis, row, style, drawn_too, printed) for row in analysis.compared]
    return View(
        title="" if terminal else text,
        legend=(text, *notes) if terminal else notes,
        headings=(*headings, *extra),
        spans=(*spans, *(Span() for _ in extra)),
        cells=tuple(tuple(text for text, _ in row) for row in cells),
        values=tuple(tuple(value for _, value in row) for row in cells),
    )


def _cells(
    analysis: Analysis, row: Compared, style: Style, drawn_too: bool, printed: bool
) -> list[tuple[str, float | None]]:
    """Return the texts of a row, each with its number in full precision."""
    terminal = style == "terminal"
    name = row.quantity if terminal else _name(analysis, row.quantity)
    cells: list[tuple[str, float | None]] = [(name, None)]
    for k, (summary, one) in enumerate(zip(analysis.summaries, row.estimates, strict=True)):
        texts = estimate_texts(one, like=row.estimates[0], style=style)
        cells.append((texts.estimate, None if one is None else one.estimate))
        cells.append((texts.error, None if one is None else one.sd))
        if not (terminal and k and is_drawing(summary.engine)):
            cells.append((texts.interval, None))
        cells += _convergence(one) if has_chains(summary.engine) else []
    if drawn_too:
        gap = row.difference
        cells.append(("" if gap is None else signed(gap, style=style), gap))
    if printed:
        text = row.published or ""
        cells.append((text if terminal else text.replace("-", "−"), None))
    return cells


def _name(analysis: Analysis, quantity: str) -> str:
    term = quantity.removeprefix("beta[").removesuffix("]")
    if quantity.startswith("beta[") and term in analysis.design.terms:
        return f"{coefficient(analysis.design, term)} {term}"
    return quantity


def _convergence(row: QuantityRow | None) -> list[tuple[str, float | None]]:
    if row is None or row.ess_bulk is None or row.ess_tail is None or row.r_hat is None:
        return [("", None), ("", None)]
    ess = min(row.ess_bulk, row.ess_tail)
    return [(count(ess), ess), (scaled(row.r_hat, 3), row.r_hat)]


def _page_caption(analysis: Analysis, spans: list[Span], drawn: bool, printed: bool) -> list[str]:
    engines = [span.text for span in spans if span.text]
    named = " and ".join(filter(None, [", ".join(engines[:-1]), engines[-1]]))
    texts = [f"{analysis.spec.name} by {named}."]
    if analysis.design.family.predictor_scale:
        texts.append(f"β and sds are in {predictor_name(analysis.design)}.")
    if drawn and analysis.estimates:
        texts.append(f"Difference: posterior mean less {engines[-1]}, in posterior sds.")
    if printed:
        texts.append(PRINTED)
    return texts


def _variance_methods(analysis: Analysis) -> set[str]:
    """Return how the intervals of variance parameters were made."""
    rows = (row for one in analysis.estimates for row in one.solution.estimate_rows())
    return {span.method for name, *_, span in rows if span and not name.startswith("beta[")}


def _terminal_legend(analysis: Analysis, _: list[Span], drawn: bool, printed: bool) -> list[str]:
    wald = any(method.startswith("Wald") for method in _variance_methods(analysis))
    additive = analysis.design.family.is_additive
    icc = " and icc" if additive else ""
    coefficients = " or ".join(dict.fromkeys(one.interval_method for one in analysis.estimates))
    rest = f"Wald for sigma, rho{icc}" if wald else f"profile for sigma{icc}"
    if analysis.design.weights is not None:
        rest = f"t on the scale of logs for sigma{', of log odds for icc' if additive else ''}"
    if analysis.design.imputations:
        rest = f"Rubin's rules on variances for sigma{icc}"
    ends = f"{coefficients} for beta, {rest}"
    texts = [f"CI: {ends}."] if analysis.estimates else []
    if drawn:
        names = ", ".join(one.engine for one in analysis.summaries if is_drawing(one.engine))
        texts.insert(0, f"{names}: posterior means; HDI: highest density interval.")
    if drawn and any(row.quantity == "r2_between" for row in analysis.compared):
        texts.append(
            "r2 treats the draws of model and null model as independent: its HDI is too wide."
        )
    if printed:
        texts.append(
            "printed: published value of the record; * marks one that is wrong or imprecise."
        )
    return texts
