"""Prior distributions written as objects of PyMC or PreliZ."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from bayes_mlm.base import PriorError
from bayes_mlm.model.prior_families import family_named, is_family, prior_family

_RENAMED: Mapping[str, str] = {"LKJCorr": "LKJ"}
# Digits of a number that PyMC has kept in single precision.
_SINGLE = 6


def read_distribution(name: str, value: object) -> tuple[str, dict[str, float]] | None:
    """Return family and parameters of a PyMC or PreliZ distribution; None for other objects.

    Parameters
    ----------
    name : str
        What the prior is for.
    value : object
        ``pymc.Normal.dist(0, 10)``, or ``preliz.Normal(0, 10)`` as elicited.

    Raises
    ------
    PriorError
        If a parameter is not one number, or is not known yet.

    Examples
    --------
    >>> import pymc as pm
    >>> read_distribution("sigma_u", pm.Exponential.dist(lam=0.5))
    ('Exponential', {'lam': 0.5})
    >>> read_distribution("sigma_u", pm.Truncated.dist(pm.Laplace.dist(0, 2), lower=0))
    ('TruncatedLaplace', {'mu': 0.0, 'b': 2.0, 'lower': 0.0})
    """
    reader = _reader(value)
    if reader is None:
        return None
    stated, read = reader(value)
    family = _RENAMED.get(stated, stated)
    if not is_family(family):
        return family, {}  # `parse_prior` states which are allowed
    numbers = {key: _number(name, family, one) for key, one in read(family).items()}
    optional = prior_family(family).defaults
    return family, {key: one for key, one in numbers.items() if optional.get(key) != one}


type _Read = Callable[[str], dict[str, Any]]


def _reader(value: Any) -> Callable[[Any], tuple[str, _Read]] | None:
    if hasattr(value, "owner") and hasattr(value.owner, "op"):
        return _of_pymc
    if hasattr(value, "param_names") and hasattr(value, "rvs"):
        return _of_preliz
    return None


def _of_pymc(value: Any) -> tuple[str, _Read]:
    op = value.owner.op
    family = op._print_name[0] if hasattr(op, "_print_name") else str(op)
    return family, lambda name: _pymc_parameters(name, op, value.owner)


def _pymc_parameters(family: str, op: Any, node: Any) -> dict[str, Any]:
    if hasattr(op, "base_rv_op"):  # of Truncated: the distribution's own inputs, then the ends
        *inputs, lower, upper = node.inputs
        base = prior_family(family).base
        found = _pymc_parameters(base, op.base_rv_op, SimpleNamespace(inputs=inputs))
        return found | {"lower": lower.eval(), "upper": upper.eval()}
    known = prior_family(family)
    numbers = [one.eval() for one in op.dist_params(node)]
    if known.of_op is not None:
        numbers = [_as_written(one, numbers[-1]) for one in known.of_op(*numbers)]
    return dict(zip(known.parameters, numbers, strict=True))


def _as_written(value: Any, raw: Any) -> Any:
    """Undo the rounding of a number that PyMC derived from whole numbers, in single precision."""
    single = getattr(raw, "dtype", None) == np.float32 and np.size(value) == 1
    return float(f"{float(value):.{_SINGLE}g}") if single else value


def _of_preliz(value: Any) -> tuple[str, _Read]:
    family = type(value).__name__
    cut = getattr(value, "dist", None)  # of its Truncated
    if cut is not None and family == "Truncated":
        base, read = _of_preliz(cut)
        ends = {"lower": value.lower, "upper": value.upper}
        return f"Truncated{base}", lambda _: read(base) | ends
    if not family_named(family) and hasattr(value, "to_pymc"):
        return _of_pymc(value.to_pymc())

    # Elicited or stated in another parametrisation, PreliZ sets the standard attributes too.
    def read_attributes(name: str) -> dict[str, Any]:
        known = prior_family(name)
        return {key: getattr(value, key, known.defaults.get(key)) for key in known.parameters}

    return family, read_attributes


def _number(name: str, family: str, value: Any) -> float:
    if value is None or np.size(value) != 1:
        found = "has no value yet" if value is None else f"is {np.size(value)} numbers"
        raise PriorError(
            f"prior for {name}: a parameter of {family} {found}; give each parameter one number, "
            "and coefficients that differ priors by name, as in beta[ses]"
        )
    return float(np.asarray(value).item())
