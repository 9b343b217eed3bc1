"""Groups of the tree: what each has, by name, and which of them are costly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bayes_mlm.base import Array, BayesMLMError, EngineError, Registry, RowsNeededError, Stream
from bayes_mlm.engines import SAMPLE_DIMS, Variable, in_arviz_order
from bayes_mlm.fitting.sampled import Sampled
from bayes_mlm.fitting.tree.computed import Computed
from bayes_mlm.fitting.tree.constant import constant_variables
from bayes_mlm.fitting.tree.pointwise import (
    expected_outcomes,
    group_log_likelihood,
    replicated_outcomes,
    row_log_likelihood,
)
from bayes_mlm.fitting.tree.prior_draws import N_PRIOR_DRAWS, LogPriorOf, PriorOf
from bayes_mlm.likelihood import (
    group_dim,
    group_parameters,
    outcome_variable,
    parameters_of,
    row_dim,
)

type Values = Variable | Computed
type Variables = Mapping[str, Values]

# Numbers of a computed array beyond which it is left out of the posterior (``mu``) and of files:
# those of 500 rows at 4,000 draws.
MAX_NUMBERS = 2_000_000


@dataclass(frozen=True, kw_only=True)
class TreeGroup:
    """A group of the tree.

    Parameters
    ----------
    make : callable
        ``make(fit)``, its variables; raises a `BayesMLMError` where the fit has none such.
    description : str
        What it is, for its attribute.
    kept : bool
        Whether files always have it; else it is computed again from the rest.
    """

    make: Callable[[Sampled], Variables]
    description: str
    kept: bool = False


TREE_GROUPS = Registry[TreeGroup]("group of the tree")


def variables_of(
    fit: Sampled, *, mu: bool | None = None
) -> tuple[dict[str, Variables], dict[str, str]]:
    """Return the variables of each group of a fit's tree, and why other groups are not there.

    Parameters
    ----------
    fit : Fit or Sampled
    mu : bool, optional
        Whether ``posterior`` and ``prior`` have the expected outcome of each row; by default where
        that is at most `MAX_NUMBERS` numbers.

    Returns
    -------
    groups : dict of str to mapping
    reasons : dict of str to str
    """
    groups: dict[str, Variables] = {}
    reasons: dict[str, str] = {}
    for name, group in TREE_GROUPS.items():
        try:
            made = dict(group.make(fit))
        except BayesMLMError as error:
            reasons[name] = str(error)
            continue
        if name in ("posterior", "prior") and "mu" not in made and _has_expected(fit, mu):
            made |= _expected(fit, name)
        groups[name] = made
    if "mu" not in groups["posterior"]:
        reasons["mu"] = _why_no_rows(fit) or f"{fit.design.n:,} rows: fitted.tree(mu=True) has it"
    return groups, reasons


def _has_expected(fit: Sampled, mu: bool | None) -> bool:
    if mu is None:
        numbers = fit.draws.n_chains * fit.draws.n_draws * fit.design.n
        return numbers <= MAX_NUMBERS and not _why_no_rows(fit)
    if mu:
        _need_rows(fit)
    return mu


def _expected(fit: Sampled, name: str) -> Variables:
    if name == "prior":
        return {"mu": _by_row(fit, (1, N_PRIOR_DRAWS), partial(PriorOf(fit).values, "mu"))}
    return {"mu": _by_row(fit, _size(fit), partial(expected_outcomes, fit))}


def _why_no_rows(fit: Sampled) -> str:
    """Return why there is nothing by row; "" if there is."""
    if fit.design.imputations:
        return (
            f"the fit is pooled over {len(fit.design.imputations)} imputations, and values by row "
            "or by group are of one data set"
        )
    if not fit.design.has_rows:
        kept = "sums by group" if fit.design.patterns is None else "counts of distinct rows"
        return f"the data were reduced to {kept}, and values by row need the rows"
    if any(one.u.name not in fit.draws.posterior for one in group_parameters(fit.design)):
        return "the group effects were too many to keep their draws; fit with fewer draws"
    return ""


def _need_rows(fit: Sampled) -> None:
    reason = _why_no_rows(fit)
    if reason:
        raise RowsNeededError(reason) if not fit.design.has_rows else EngineError(reason)


def _size(fit: Sampled) -> tuple[int, int]:
    return fit.draws.n_chains, fit.draws.n_draws


def _by_row(fit: Sampled, shape: tuple[int, int], compute: Callable[[], Array]) -> Computed:
    dims = (*SAMPLE_DIMS, row_dim(fit.design))
    return Computed(dims, (*shape, fit.design.n), compute)


def _posterior(fit: Sampled) -> Variables:
    free = {} if fit.design.imputations else fit.draws.free(fit.design, fit.priors)
    return in_arviz_order({**fit.draws.posterior, **free})


def _sample_stats(fit: Sampled) -> Variables:
    return fit.draws.sample_stats


def _observed(fit: Sampled) -> Variables:
    if not fit.design.has_rows:
        raise RowsNeededError(_why_no_rows(fit))
    return {outcome_variable(fit.design): Variable((row_dim(fit.design),), fit.design.y)}


def _constant(fit: Sampled) -> Variables:
    return constant_variables(fit.design)


def _log_likelihood(fit: Sampled) -> Variables:
    fit.design.require_likelihood("the log-likelihood of a row")
    _need_rows(fit)
    compute = partial(row_log_likelihood, fit)
    return {outcome_variable(fit.design): _by_row(fit, _size(fit), compute)}


def _log_likelihood_group(fit: Sampled) -> Variables:
    design, prior = fit.design, fit.priors.u
    design.require_likelihood("the log-likelihood of a group")
    design.single_term("the log-likelihood of a group", "compare by rows")
    if design.group is None or design.kind == "between":
        raise EngineError("the model names no groups of rows")
    if prior is not None and (prior.family != "Normal" or not design.has_rows):
        raise EngineError(f"the intercept of a new group has no normal distribution: {prior}")
    structured = not design.family.gaussian_moments or design.residual is not None
    if structured or design.imputations:
        _need_rows(fit)
    shape = (*_size(fit), design.J)
    compute = partial(group_log_likelihood, fit)
    dims = (*SAMPLE_DIMS, group_dim(design))
    return {outcome_variable(design): Computed(dims, shape, compute, slow=structured)}


def _posterior_predictive(fit: Sampled) -> Variables:
    fit.design.require_likelihood("the posterior predictive distribution")
    _need_rows(fit)
    compute = partial(replicated_outcomes, fit, Stream.TREE_PREDICTIVE)
    return {outcome_variable(fit.design): _by_row(fit, _size(fit), compute)}


def _log_prior(fit: Sampled) -> Variables:
    design, priors, found = fit.design, fit.priors, LogPriorOf(fit)
    dims: dict[str, tuple[str, ...]] = {"beta": ("term",)} if design.p else {}
    if priors.u is not None:
        if "u" not in fit.draws.posterior:
            _need_rows(fit)
        dims["u"] = (group_dim(design), "effect")
    for one in group_parameters(design) if priors.groups else ():
        dims[one.sigma_u.name] = one.sigma_u.dims
        if one.rho_u.name in fit.draws.posterior:
            dims[one.rho_u.name] = ()
    sds = parameters_of(design).role("residual sd")
    by_level = [one for one in sds if one.dims]
    for parameter in (
        *(by_level or sds),
        *parameters_of(design).role("autocorrelation", "auxiliary"),
    ):
        dims[parameter.name] = parameter.dims
    posterior = fit.draws.posterior
    return {
        name: Computed(
            SAMPLE_DIMS + rest,
            posterior[name].values.shape[: 2 + len(rest)],
            partial(found.values, name),
        )
        for name, rest in dims.items()
    }


def _prior(fit: Sampled) -> Variables:
    _need_proper(fit)
    prior, found = PriorOf(fit), {}
    for name, one in _posterior(fit).items():
        if one.dims[:2] == SAMPLE_DIMS:
            shape = (1, N_PRIOR_DRAWS, *one.values.shape[2:])
            found[name] = Computed(one.dims, shape, partial(prior.values, name))
    return found


def _prior_predictive(fit: Sampled) -> Variables:
    _need_proper(fit)
    _need_rows(fit)
    prior = PriorOf(fit)
    return {outcome_variable(fit.design): _by_row(fit, (1, N_PRIOR_DRAWS), prior.outcomes)}


def _need_proper(fit: Sampled) -> None:
    named = fit.priors.by_name(fit.design).items()
    flat = [name for name, prior in named if not prior.is_proper]
    if flat:
        raise EngineError(f"the prior of {', '.join(flat)} is flat, which has no draws")


for _name, _group in {
    "posterior": TreeGroup(
        make=_posterior,
        description="posterior draws; names ending in an underscore are the factories' coordinates",
        kept=True,
    ),
    "sample_stats": TreeGroup(
        make=_sample_stats, description="what the engine reports of each draw", kept=True
    ),
    "log_likelihood": TreeGroup(
        make=_log_likelihood,
        description="log-likelihood of each row given every parameter, group effects included; of "
        "AR(1) residuals given the row before it",
    ),
    "log_likelihood_group": TreeGroup(
        make=_log_likelihood_group,
        description="log-likelihood of each group, its effects integrated out",
    ),
    "log_prior": TreeGroup(
        make=_log_prior,
        description="log-density of the priors of the parameters; that of the group effects given "
        "their sds is part of the model",
    ),
    "prior": TreeGroup(make=_prior, description="draws from the priors"),
    "prior_predictive": TreeGroup(
        make=_prior_predictive, description="outcomes of the rows, drawn from the prior"
    ),
    "posterior_predictive": TreeGroup(
        make=_posterior_predictive,
        description="outcomes of the rows in the same groups, drawn from the posterior",
    ),
    "observed_data": TreeGroup(make=_observed, description="the outcome", kept=True),
    "constant_data": TreeGroup(
        make=_constant, description="predictors, groups and the design", kept=True
    ),
}.items():
    TREE_GROUPS.register(_name, _group)

# Groups that every file has.
KEPT = tuple(name for name, group in TREE_GROUPS.items() if group.kept)
