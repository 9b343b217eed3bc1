"""Layout of models in columns, as they are printed in papers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from bayes_mlm.base import EngineError, count, digits, share_digits
from bayes_mlm.design import Design, predictor_name
from bayes_mlm.engines import ENGINES, is_drawing
from bayes_mlm.fitting import Analysis, QuantityRow, estimate_texts, ratio_of
from bayes_mlm.likelihood import effect_pairs, group_parameters, group_views, parameters_of
from bayes_mlm.report.publication.notes import notes_of
from bayes_mlm.report.publication.sources import Source, drawn_effects, name_of, sources_of
from bayes_mlm.report.publication.styles import STYLES
from bayes_mlm.report.publication.table import Cell, ModelColumn, PublicationTable, Row

# The label of a row, and its cells.
type _Line = tuple[str, list[Cell]]

_SYMBOLS = {"sigma_e": "σ_e", "rho_e": "ρ_e", "nu": "ν"}
_SHARES = {"icc": "ICC", "r2_between": "R² between", "r2_within": "R² within"}


def publication_table(
    analyses: Sequence[Analysis],
    *,
    likelihood: bool = True,
    interval: bool = False,
    exponentiate: bool = False,
    style: str = "plain",
    stars: bool = False,
) -> PublicationTable:
    """Arrange analysed models in columns.

    Parameters
    ----------
    analyses : sequence of Analysis
        In the order of the columns.
    likelihood : bool
        Whether a model that has a posterior gets a column for REML (or OLS) next to it. A model
        without one has that column in any case.
    interval : bool
        Whether to print intervals below the estimates, instead of posterior sds or standard errors.
    exponentiate : bool
        Whether to print odds, rate or hazard ratios in place of coefficients.
    style : {"plain", "apa", "econometrics"}
        How it is laid out: as in the report; as the Publication Manual of the APA has it; as in
        journals of economics. More are registered in `STYLES`.
    stars : bool
        Whether to mark coefficients by the p-values of their tests, at the levels of the
        style. Posteriors have no p-value, and no star.

    Returns
    -------
    PublicationTable
        Coefficients; sds of group effects and residuals, ICC, R² by level; sizes, log-likelihood.
        A row has one number of decimals: two significant digits of its smallest error.

    Raises
    ------
    EngineError
        If there is nothing to lay out, no such style, or no column that could have stars.
    UnsupportedModelError
        If coefficients are to be exponentiated and the family of a model has no ratios.

    Examples
    --------
    >>> from bayes_mlm import load_record
    >>> from bayes_mlm.fitting import analyse
    >>> null, ses = (analyse(load_record(name).request, None, engines=["reml"])
    ...              for name in ("hsb_null", "hsb_ses"))
    >>> table = publication_table([null, ses])
    >>> table.rows[1].label, table.rows[1].cells[1]
    ('ses', Cell(text='2.39', below='(0.11)'))
    """
    if not analyses:
        raise EngineError("a table needs a model; give one or more")
    levels = STYLES[style].levels if stars else ()
    plain = list(sources_of(analyses, likelihood))  # tests are of coefficients, not of ratios
    if stars and all(map(_is_drawn, plain)):
        raise EngineError(
            "stars mark p-values, and every column is of a posterior, which has none; add a column "
            "by likelihood (--engine auto --engine reml, or ml), or omit the stars"
        )
    analyses = [one.exponentiated() for one in analyses] if exponentiate else analyses
    sources = list(sources_of(analyses, likelihood))
    parts = {
        "Fixed part": _fixed(sources, plain, interval, levels, exponentiate=exponentiate),
        "Random part": _random(sources, interval),
        "Size and fit": _size(sources),
    }
    outcomes = dict.fromkeys(analysis.design.outcome_title for analysis in analyses)
    scaled = (one.design for one in analyses if one.design.family.predictor_scale)
    scales = ", ".join(dict.fromkeys(map(predictor_name, scaled)))
    scale = f"; coefficients in {scales}" if scales and not exponentiate else ""
    return PublicationTable(
        title=f"Models of {', '.join(outcomes)}{scale}",
        columns=tuple(
            ModelColumn(
                number=source.number,
                model=name_of(source.analysis),
                engine=ENGINES[source.summary.engine].label,
                outcome=source.analysis.design.outcome_title,
                interval=source.summary.interval,
                drawn=_is_drawn(source),
            )
            for source in sources
        ),
        rows=tuple(
            Row(
                section=section,
                label=label,
                cells=tuple(cells),
                bounded=any(cell.source and _is_bounded(cell.source) for cell in cells),
            )
            for section, lines in parts.items()
            for label, cells in lines
        ),
        notes=tuple(notes_of(sources, interval, wide=len(sources) <= STYLES[style].wide)),
        style=style,
        interval=interval,
        levels=levels,
    )


def _is_drawn(source: Source) -> bool:
    return is_drawing(source.summary.engine)


def _is_bounded(row: QuantityRow) -> bool:
    return row.quantity.startswith(("icc", "rho_", "r2_"))


def _fixed(
    sources: Sequence[Source],
    plain: Sequence[Source],
    interval: bool,
    levels: Sequence[float],
    *,
    exponentiate: bool,
) -> Iterator[_Line]:
    designs = [source.analysis.design for source in sources]
    terms = dict.fromkeys(term for design in designs for term in design.terms)
    for term in terms:
        names = [
            ratio_of(design.family, f"beta[{term}]") if exponentiate else f"beta[{term}]"
            for design in designs
        ]
        rows = [one.summary.get(name) for one, name in zip(sources, names, strict=True)]
        if any(rows):  # not the hundreds of intercepts of a model without pooling
            title = _title(designs, term)
            if exponentiate:
                kinds = dict.fromkeys(name.partition("[")[0].replace("_", " ") for name in names)
                title = f"{title} ({', '.join(kinds)})"
            label, cells = _row(title, rows, interval)
            counts = [_stars(one, f"beta[{term}]", levels) for one in plain]
            yield label, [replace(cell, stars=k) for cell, k in zip(cells, counts, strict=True)]


def _stars(source: Source, name: str, levels: Sequence[float]) -> int:
    """Return the number of levels that the p-value of a coefficient's test is below."""
    row = source.summary.get(name)
    if row is None or not row.sd or _is_drawn(source):
        return 0
    found = next(one for one in source.analysis.estimates if one.engine == source.summary.engine)
    (value,) = found.combine(np.array([[f"beta[{term}]" == name for term in found.solution.terms]]))
    p = replace(value, estimate=row.estimate, se=row.sd).p_value
    return sum(p < level for level in levels)


def _title(designs: Sequence[Design], term: str) -> str:
    """Return the variable labels of a term, in the first model that has it."""
    return next(one for one in designs if term in one.terms).encoding.term_title(term)


def _random(sources: Sequence[Source], interval: bool) -> Iterator[_Line]:
    effects = dict.fromkeys(
        effect for source in sources for effect in drawn_effects(source.analysis)
    )
    for effect in effects:
        rows = [_sd_of(source, effect) for source in sources]
        yield _row("σ_u" if len(effects) == 1 else f"σ_u ({effect})", rows, interval)
    names = dict.fromkeys(row.quantity for source in sources for row in source.summary)
    labels: dict[str, str] = {}
    for design in dict.fromkeys(source.analysis.design for source in sources):
        labels |= _correlation_labels(design)
    for design in dict.fromkeys(source.analysis.design for source in sources):
        labels |= _auxiliary_labels(design)
    ratios = {  # median odds ratios: of several factors one each
        name: name.replace("_", " ").replace("[", " (").replace("]", ")")
        for name in names
        if name.startswith("median_")
    }
    for name, label in (labels | _SHARES | ratios).items():
        if name in names:
            yield _row(label, [source.summary.get(name) for source in sources], interval)


def _correlation_labels(design: Design) -> dict[str, str]:
    """Return what to call each correlation of group effects, by its name in summaries."""
    found = {}
    for view, names in zip(group_views(design), group_parameters(design), strict=True):
        for pair in effect_pairs(view):
            inside = ", ".join([*filter(None, [names.rho_u.factor]), *pair.split(",")])
            found[names.rho_u.element(pair)] = f"ρ_u ({inside})"
    return found


def _auxiliary_labels(design: Design) -> dict[str, str]:
    """Return what to call the family's parameters and those of the residual structure."""
    strata = () if design.residual is None else design.residual.strata
    found: dict[str, str] = {}
    for one in parameters_of(design).role("residual sd", "autocorrelation", "auxiliary"):
        label = _SYMBOLS.get(one.base or one.name, one.text)
        if one.dims:
            found |= {one.element(level): f"{label} ({level})" for level in strata}
        else:
            found[one.name] = label
    return found


def _sd_of(source: Source, effect: str) -> QuantityRow | None:
    """Find the sd of a group effect, whose name is plain where it is the only one."""
    if effect not in drawn_effects(source.analysis):
        return None
    return source.summary.get(f"sigma_u[{effect}]") or source.summary.get("sigma_u")


def _size(sources: Sequence[Source]) -> Iterator[_Line]:
    yield _plain("rows", [count(source.analysis.design.n) for source in sources])
    terms = [source.analysis.design.group_terms for source in sources]
    if any(terms):
        several = any(len(one) > 1 for one in terms)
        yield _plain(
            "groups",
            [
                ", ".join(count(term.J) + f" {term.factor}" * several for term in one)
                for one in terms
            ],
        )
    if any(source.analysis.design.imputations for source in sources):
        many = [len(source.analysis.design.imputations) for source in sources]
        yield _plain("imputations", [count(one) if one else "" for one in many])
    for engine, registered in ENGINES.items():
        if registered.draws:
            continue
        summaries = [source.likelihood for source in sources]
        if any(summary is not None and summary.engine == engine for summary in summaries):
            texts = [
                estimate_texts(summary.get("loglik"), style="table").estimate
                if summary is not None and summary.engine == engine
                else ""
                for summary in summaries
            ]
            if any(texts):  # several imputations have none
                yield _plain(f"{registered.maximised} ({engine.upper()})", texts)


def _plain(label: str, texts: Sequence[str]) -> _Line:
    return label, [Cell(text=text) for text in texts]


def _row(label: str, estimates: Sequence[QuantityRow | None], interval: bool) -> _Line:
    shown = share_digits(
        [
            None
            if one is None
            else digits(one.estimate, one.sd, one.lower, one.upper, style="table")
            for one in estimates
        ]
    )
    cells = []
    for one, chosen in zip(estimates, shown, strict=True):
        if one is None or chosen is None:
            cells.append(Cell())
            continue
        error = "" if one.sd is None else chosen.error(one.sd)
        span = chosen.interval(one.lower, one.upper)
        below = span if interval else f"({error})" if error else ""
        cells.append(
            Cell(
                text=chosen.number(one.estimate),
                below=below,
                error=error,
                interval=span,
                source=one,
            )
        )
    return label, cells
