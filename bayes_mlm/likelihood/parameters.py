"""The table of a model's parameters: the only source of their names, order, dims and supports."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bayes_mlm.design import INTERCEPT, Design
from bayes_mlm.model import FAMILIES, Parameter

_BETA = Parameter(name="beta", role="fixed effect", dims=("term",))
_U = Parameter(name="u", role="group effect")
_SIGMA_U = Parameter(name="sigma_u", role="group sd", support=(0.0, math.inf))
_RHO_U = Parameter(name="rho_u", role="group correlation", support=(-1.0, 1.0), unit="correlation")
_RHO_E = Parameter(name="rho_e", role="autocorrelation", support=(-1.0, 1.0), unit="correlation")
_ICC = Parameter(name="icc", role="derived", support=(0.0, 1.0), unit="share of the variance")
_ICC_BY = replace(_ICC, name="icc_by", base="icc", dims=("stratum",))

# Dimensions and variables of ours, and dimensions that ArviZ reserves.
_TAKEN = {"chain", "draw", "sample", "group", "term", "obs", "effect", "effect_pair", "stratum"}
_TAKEN |= {"base_term", "beta", "u", "u_mean", "u_sd", "sigma_u", "rho_u", "rho_e", "icc", "icc_by"}
_TAKEN |= {"y", "X", "Z"}


@dataclass(frozen=True, kw_only=True)
class TermNames:
    """Names of the dimensions and variables of one group term.

    Parameters
    ----------
    group : str
        Name of the dimension of the groups.
    suffix : str
        Of the names of variables, with several factors: "_school".
    """

    group: str
    suffix: str

    @property
    def effect(self) -> str:
        """Dimension of the effects."""
        return f"effect{self.suffix}"

    @property
    def pair(self) -> str:
        """Dimension of the pairs of effects."""
        return f"effect_pair{self.suffix}"

    def variable(self, name: str) -> str:
        """Return the name of one of the variables of this term."""
        return f"{name[:-1]}{self.suffix}_" if name.endswith("_") else f"{name}{self.suffix}"


@dataclass(frozen=True, kw_only=True)
class GroupParameters(TermNames):
    """Parameters of one term of group effects, with its names.

    Parameters
    ----------
    group, suffix
        As of `TermNames`.
    u, sigma_u, rho_u : Parameter
    sd_names : tuple of str, length q
        What tables call each sd.
    """

    u: Parameter
    sigma_u: Parameter
    rho_u: Parameter
    sd_names: tuple[str, ...]


def factor_dim(factor: str) -> str:
    """Return the name of the dimension of a factor's groups: the factor's, unless that is taken.

    Examples
    --------
    >>> factor_dim("schoolid"), factor_dim("group")
    ('schoolid', 'group_label')
    """
    name = factor.replace("/", "|")  # a path, in a netCDF file
    auxiliary = {one.name for family in FAMILIES.values() for one in family.auxiliary}
    return f"{name}_label" if name in _TAKEN or name in auxiliary else name


def term_names(factors: Sequence[str]) -> tuple[TermNames, ...]:
    """Return the names of each group term; without the factor's where there is one."""
    several = len(factors) > 1
    return tuple(_names(one, several=several) for one in factors)


def _names(factor: str, *, several: bool) -> TermNames:
    return TermNames(group=factor_dim(factor), suffix=f"_{factor}" if several else "")


def outcome_variable(design: Design) -> str:
    """Return the name of the observed variable: the outcome's, unless the model has another such.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> outcome_variable(build_design("u ~ x", {"u": [1.0, 2, 4], "x": [1.0, 2, 3]}))
    'u_observed'
    """
    name = design.outcome.replace("/", "|")  # a path, in a netCDF file
    taken = (_TAKEN - {"y"}) | {one.name for one in parameters_of(design)} | {"mu"}
    taken |= {factor_dim(factor) for factor in design.factors}
    return f"{name}_observed" if name in taken or name.endswith("_") else name


def group_dim(design: Design) -> str:
    """Return the name of the dimension of the groups of a design with one factor."""
    return factor_dim(str(design.group))


def row_dim(design: Design) -> str:
    """Return the dimension of the rows: ``obs``, or the factor's where a row is a group.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> row_dim(build_design("y ~ x", {"y": [1.0, 2, 4], "x": [1.0, 2, 3]}))
    'obs'
    """
    return group_dim(design) if design.kind == "between" else "obs"


def group_views(design: Design) -> tuple[Design, ...]:
    """Return one design with a single term of group effects for each term of a design.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> data = {"y": [1.0, 2, 4, 7], "g": [1, 1, 2, 2], "h": [1, 2, 1, 2]}
    >>> design = build_design("y ~ 1 + (1 | g) + (1 | h)", data)
    >>> [view.group for view in group_views(design)]
    ['g', 'h']
    """
    places = [place for place, term in enumerate(design.group_terms) if term.q]
    return tuple(design.of_factor(place) for place in places)


def group_parameters(design: Design) -> tuple[GroupParameters, ...]:
    """Return the parameters of each term of group effects, in the design's order."""
    views = group_views(design)
    return tuple(_of_term(view, several=len(views) > 1) for view in views)


def _of_term(view: Design, *, several: bool) -> GroupParameters:
    names = _names(str(view.group), several=several)
    factor, alone = str(view.group) if several else None, view.effects == (INTERCEPT,)

    def named(parameter: Parameter, *dims: str) -> Parameter:
        base = parameter.name
        return replace(parameter, name=names.variable(base), base=base, factor=factor, dims=dims)

    sigma_u = named(_SIGMA_U, *(() if alone else (names.effect,)))
    return GroupParameters(
        group=names.group,
        suffix=names.suffix,
        u=named(_U, names.group, names.effect),
        sigma_u=sigma_u,
        rho_u=named(_RHO_U, names.pair),
        sd_names=tuple([sigma_u.text] if alone else map(sigma_u.element, view.effects)),
    )


@dataclass(frozen=True)
class Parameters:
    """The parameters of a model, in the order of its tables.

    Parameters
    ----------
    items : tuple of Parameter
        Group effects last.
    """

    items: tuple[Parameter, ...]

    def __iter__(self) -> Iterator[Parameter]:
        """Iterate over the parameters, in order."""
        return iter(self.items)

    def __getitem__(self, name: str) -> Parameter:
        """Return the parameter whose variable has a name."""
        return next(one for one in self.items if one.name == name)

    def __contains__(self, name: object) -> bool:
        """Return whether a variable of this name is a parameter."""
        return any(one.name == name for one in self.items)

    def role(self, *roles: str) -> tuple[Parameter, ...]:
        """Return the parameters of some roles."""
        return tuple(one for one in self.items if one.role in roles)


def parameters_of(design: Design) -> Parameters:
    """Return the table of the parameters of a design.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("mathach ~ ses + (ses | schoolid)", load_dataset("hsb"))
    >>> [one.name for one in parameters_of(design)]
    ['beta', 'sigma_u', 'rho_u', 'sigma_e', 'u']
    """
    groups, family = group_parameters(design), design.family
    found = [_BETA]
    if design.kind != "no_pooling":
        found += [one.sigma_u for one in groups]
        pairs = [view.group_term.pairs for view in group_views(design)]
        found += [one.rho_u for one, some in zip(groups, pairs, strict=True) if some]
    found += _auxiliary(family.auxiliary, design)
    if design.has_icc and design.kind != "no_pooling":
        found.append(_ICC)
        if design.residual is not None and design.residual.strata:
            found.append(_ICC_BY)
    found += [one.u for one in groups]
    return Parameters(tuple(found))


def _auxiliary(auxiliary: tuple[Parameter, ...], design: Design) -> list[Parameter]:
    found, rows = [], design.residual
    for one in auxiliary:
        found.append(one)
        if one.role == "residual sd" and rows is not None:
            found += [by_level(one)] if rows.strata else []
            found += [_RHO_E] if rows.spec.ar is not None else []
    return found


def by_level(sd: Parameter) -> Parameter:
    """Return the parameter of the residual sds by level of a factor."""
    return replace(sd, name=f"{sd.name}_by", base=sd.name, dims=("stratum",))


def known_parameters() -> Parameters:
    """Return every parameter that a model of one grouping factor may have, of all families."""
    auxiliary = dict.fromkeys(one for family in FAMILIES.values() for one in family.auxiliary)
    sds = [part for one in auxiliary if one.role == "residual sd" for part in (one, by_level(one))]
    others = [one for one in auxiliary if one.role != "residual sd"]
    scalars = [_BETA, _SIGMA_U, _RHO_U, *sds, _RHO_E, *others, _ICC, _ICC_BY]
    return Parameters((*scalars, _U))
