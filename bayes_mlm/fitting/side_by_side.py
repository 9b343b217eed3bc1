"""Fit one model by several engines, and compare the results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from bayes_mlm.base import DEFAULT_PROB, EngineError, Finding, UnsupportedModelError, signed
from bayes_mlm.data import DataSource
from bayes_mlm.design import Design, design_of, with_labels
from bayes_mlm.engines import (
    AUTO,
    Settings,
    check_engine,
    is_drawing,
    likelihood_engine,
)
from bayes_mlm.fitting.agreement import Compared, PrintedFigure, join_engines, printed_figures
from bayes_mlm.fitting.entry import fit_design
from bayes_mlm.fitting.estimate import Estimate, estimate_design
from bayes_mlm.fitting.estimates import QuantityRow, Summary
from bayes_mlm.fitting.result import Fit
from bayes_mlm.fitting.summary import summarise
from bayes_mlm.formula import place_of_factor
from bayes_mlm.model import HasRequest, ModelRequest, ModelSpec

# In posterior sds. At a variance estimated as zero the posterior mean lies about one above it.
MAX_DIFFERENCE = 3.0


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """All results on one model.

    Parameters
    ----------
    request : ModelRequest
        The model and its data.
    design : Design
    fits : tuple of Fit
        The posterior by each requested engine; empty if only REML or OLS was.
    estimates : tuple of Estimate
        By REML, or by OLS of a model without group effects, unless others were requested; none of
        a model that neither can fit.
    summaries : tuple of Summary
        One an engine, the posteriors first.
    prob : float
        Of the intervals.
    null : str, optional
        Name of the null model that R² by level is against.
    title, description : str
        Of the model, for a report; none of a formula.
    printed : tuple of PrintedFigure
        Figures published elsewhere for this model, each with its verdict.
    """

    request: ModelRequest
    design: Design
    fits: tuple[Fit, ...]
    estimates: tuple[Estimate, ...]
    summaries: tuple[Summary, ...]
    prob: float
    null: str | None = None
    title: str = ""
    description: str = ""
    printed: tuple[PrintedFigure, ...] = ()

    @property
    def spec(self) -> ModelSpec:
        """The model."""
        return self.request.model

    @property
    def source(self) -> DataSource:
        """Its data, and how they are read."""
        return self.request.source

    def of_factor(self, factor: str | None) -> "Analysis":
        """Return the analysis of the group effects of one factor, by its name among several.

        Raises
        ------
        SeveralFactorsError, DesignError
            If none is named of several, or there is no such factor.
        """
        place = place_of_factor(self.design.factors, factor)
        fits = tuple(fit.of_factor(factor) for fit in self.fits)
        estimates = tuple(one.of_factor(factor) for one in self.estimates)
        design = self.design.of_factor(place)
        return replace(self, design=design, fits=fits, estimates=estimates)

    def with_labels(self, labels: Mapping[str, str]) -> "Analysis":
        """Return the analysis whose figures and report have labels of columns, with units.

        Raises
        ------
        DesignError
            As `bayes_mlm.design.with_labels`.

        Examples
        --------
        >>> from bayes_mlm.fitting import analyse, as_request, make_settings
        >>> request = as_request("mathach ~ ses + (1 | schoolid)", "hsb")
        >>> found = analyse(request, make_settings(request), engines=["reml"])
        >>> found.with_labels({"ses": "status (sd)"}).design.encoding.title("ses")
        'status (sd)'
        """
        return replace(
            self,
            design=with_labels(self.design, labels),
            fits=tuple(replace(one, design=with_labels(one.design, labels)) for one in self.fits),
            estimates=tuple(
                replace(one, design=with_labels(one.design, labels)) for one in self.estimates
            ),
        )

    @property
    def results(self) -> tuple[Fit | Estimate, ...]:
        """Every result, the posteriors first."""
        return (*self.fits, *self.estimates)

    @property
    def estimate(self) -> Estimate:
        """The first likelihood estimate.

        Raises
        ------
        UnsupportedModelError
            If no likelihood engine can fit the model.
        """
        if not self.estimates:
            raise UnsupportedModelError(
                f"no likelihood engine can fit '{self.design.formula}', and this compares the "
                "posterior with an estimate; look at the posterior alone (summarise, predict)"
            )
        return self.estimates[0]

    def exponentiated(self) -> "Analysis":
        """Return the analysis with coefficients as odds, rate or hazard ratios in its summaries.

        Raises
        ------
        UnsupportedModelError
            If the family has no ratios.
        """
        drawn = [summarise(fit, prob=self.prob, exponentiate=True) for fit in self.fits]
        estimated = [one.summary(exponentiate=True) for one in self.estimates]
        return replace(self, summaries=(*drawn, *estimated))

    @cached_property
    def compared(self) -> tuple[Compared, ...]:
        """The engines compared, a row a quantity, with the figure printed for it."""
        return join_engines(*self.summaries, printed=printed_figures(self.printed))

    @property
    def ok(self) -> bool:
        """Whether every engine's verdict is clean, and they agree."""
        return self.agreement.ok and all(summary.verdict.ok for summary in self.summaries)

    @property
    def agreement(self) -> Finding:
        """Whether posterior and REML, ML or OLS tell one story; if not, the priors matter much."""
        if not self.estimates:
            return Finding("agreement", True, "no likelihood engine can fit this model")
        label = self.estimate.engine.upper()
        far = [row for row in self.compared if abs(row.difference or 0.0) > MAX_DIFFERENCE]
        if not far:
            return Finding("agreement", True, f"posterior and {label} agree")
        worst = max(far, key=lambda row: abs(row.difference or 0.0))
        return Finding(
            "agreement",
            False,
            f"posterior and {label} differ by {signed(worst.difference or 0.0, 1)} posterior "
            f"sds in {worst.quantity}: the priors matter much; look at them, and at the scale and "
            "origin of the predictors",
        )

    @property
    def rows(self) -> tuple[QuantityRow, ...]:
        """Every estimate of every engine."""
        return tuple(row for summary in self.summaries for row in summary)


def analyse(
    request: HasRequest,
    settings: Settings | None,
    *,
    data: Any = None,
    engines: Sequence[str] = (AUTO,),
    null: Analysis | None = None,
    prob: float = DEFAULT_PROB,
    check: bool = False,
    progressbar: bool = False,
    on_engine: Callable[[str], None] = lambda _: None,
) -> Analysis:
    """Fit one model and compare the engines with each other.

    Parameters
    ----------
    request : ModelRequest
    settings : Settings or None
        For the engines that draw.
    data : data frame, str or Path, optional
        In place of the source that the model names.
    engines : sequence of str
        Names in `bayes_mlm.engines.ENGINES`, or "auto". Next to engines that draw there is REML,
        or OLS without group effects, in any case.
    null : Analysis, optional
        Of the null model, for R² by level.
    prob : float
        Of the intervals.
    check : bool
        Whether to have statsmodels evaluate its likelihood at the REML estimate.
    progressbar : bool
        Whether NUTS draws a progress bar.
    on_engine : callable
        Called with each engine before it starts.

    Returns
    -------
    Analysis

    Raises
    ------
    BayesMLMError
        Whatever stops the model from being fitted, in one line.
    """
    request = request.request
    design = design_of(request, data)
    for engine in engines:
        check_engine(engine, design)
    # One pass over the rows serves every engine.
    single = len(design.factors) == 1 and design.has_group_effects
    statistics = design.moments() if single and not design.imputations else None
    named = [name for name in engines if not is_drawing(name)] or [likelihood_engine(design)]
    estimates = []
    for name in dict.fromkeys(filter(None, named)):
        on_engine(name)
        estimates.append(
            estimate_design(
                design, name, request=request, prob=prob, check=check, statistics=statistics
            )
        )
    fits = []
    for engine in engines:
        if not is_drawing(engine):
            continue
        if settings is None:
            raise EngineError(f"{engine} needs settings; make them with make_settings")
        on_engine(engine)
        fits.append(
            fit_design(
                request,
                design,
                settings,
                engine=engine,
                statistics=statistics,
                progressbar=progressbar,
            )
        )
    summaries = [summarise(fit, null=_same_engine(null, fit), prob=prob) for fit in fits]
    zero = next(iter(null.estimates), None) if null is not None else None
    summaries += [one.summary(null=zero) for one in estimates]
    return Analysis(
        request=request,
        design=design,
        fits=tuple(fits),
        estimates=tuple(estimates),
        summaries=tuple(summaries),
        prob=prob,
        null=None if null is None else null.spec.name,
    )


def _same_engine(null: Analysis | None, fit: Fit) -> Fit | None:
    """Return the null model's fit by the engine of another fit, if there is one."""
    fits = () if null is None else null.fits
    return next((other for other in fits if other.engine == fit.engine), None)
