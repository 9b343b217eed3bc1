"""Prior distributions written as objects of PyMC or PreliZ."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bayes_mlm.base import PriorError

# PyMC keeps these parameters as scales; 1 / scale is its argument.
_RATES: Mapping[str, str] = {"Exponential": "lam", "Gamma": "beta"}
_RENAMED: Mapping[str, str] = {"HalfFlat": "Flat", "LKJCorr": "LKJ"}
_NAMES: Mapping[str, tuple[str, ...]] = {
    "Normal": ("mu", "sigma"),
    "StudentT": ("nu", "mu", "sigma"),
    "Cauchy": ("alpha", "beta"),
    "Flat": (),
    "HalfNormal": ("sigma",),
    "HalfStudentT": ("nu", "sigma"),
    "HalfCauchy": ("beta",),
    "Exponential": ("lam",),
    "Gamma": ("alpha", "beta"),
    "InverseGamma": ("alpha", "beta"),
    "Uniform": ("lower", "upper"),
    "LKJ": ("eta",),
}


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
    """
    reader = _reader(value)
    if reader is None:
        return None
    family, numbers = reader(name, value)
    family = _RENAMED.get(family, family)
    if family not in _NAMES:
        return family, {}  # `parse_prior` says which are allowed
    return family, dict(zip(_NAMES[family], numbers, strict=True))


def _reader(value: Any) -> Callable[[str, Any], tuple[str, list[float]]] | None:
    if hasattr(value, "owner") and hasattr(getattr(value.owner, "op", None), "dist_params"):
        return _of_pymc
    if hasattr(value, "param_names") and hasattr(value, "rvs"):
        return _of_preliz
    return None


def _of_pymc(name: str, value: Any) -> tuple[str, list[float]]:
    op = value.owner.op
    family = op._print_name[0]
    known = _NAMES.get(_RENAMED.get(family, family), ())
    parameters = op.dist_params(value.owner)[-len(known) :] if known else []
    numbers = [_number(name, family, one.eval()) for one in parameters]
    if family in _RATES:
        numbers[-1] = 1.0 / numbers[-1]
    return family, numbers


def _of_preliz(name: str, value: Any) -> tuple[str, list[float]]:
    family = type(value).__name__
    known = _NAMES.get(_RENAMED.get(family, family), ())
    # Elicited or given in another parametrisation, PreliZ sets these attributes too.
    return family, [_number(name, family, getattr(value, one, None)) for one in known]


def _number(name: str, family: str, value: Any) -> float:
    if value is None or np.size(value) != 1:
        found = "has no value yet" if value is None else f"is {np.size(value)} numbers"
        raise PriorError(
            f"prior for {name}: a parameter of {family} {found}; give each parameter one number, "
            "and coefficients that differ priors by name, as in beta[ses]"
        )
    return float(np.asarray(value).item())
