"""Prior distributions written as objects of PyMC or PreliZ."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bayes_mlm.base import PriorError
from bayes_mlm.model.prior import PRIOR_FAMILIES

# PyMC keeps the last parameter of these as a scale; its argument is 1 / scale.
_BY_RATE = ("Exponential", "Gamma")
_RENAMED: Mapping[str, str] = {"HalfFlat": "Flat", "LKJCorr": "LKJ"}


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
    stated, read = reader(value)
    family = _RENAMED.get(stated, stated)
    if family not in PRIOR_FAMILIES:
        return family, {}  # `parse_prior` states which are allowed
    names = PRIOR_FAMILIES[family][0]
    numbers = [_number(name, family, one) for one in read(names)]
    return family, dict(zip(names, numbers, strict=True))


type _Read = Callable[[tuple[str, ...]], list[Any]]


def _reader(value: Any) -> Callable[[Any], tuple[str, _Read]] | None:
    if hasattr(value, "owner") and hasattr(getattr(value.owner, "op", None), "dist_params"):
        return _of_pymc
    if hasattr(value, "param_names") and hasattr(value, "rvs"):
        return _of_preliz
    return None


def _of_pymc(value: Any) -> tuple[str, _Read]:
    op = value.owner.op
    family = op._print_name[0]

    def read(names: tuple[str, ...]) -> list[Any]:
        # Some have a location or a dimension first, which is no parameter here.
        found = [one.eval() for one in op.dist_params(value.owner)]
        found = found[len(found) - len(names) :]
        return [*found[:-1], 1.0 / found[-1]] if family in _BY_RATE else found

    return family, read


def _of_preliz(value: Any) -> tuple[str, _Read]:
    # Elicited or stated in another parametrisation, PreliZ sets these attributes too.
    return type(value).__name__, lambda names: [getattr(value, one, None) for one in names]


def _number(name: str, family: str, value: Any) -> float:
    if value is None or np.size(value) != 1:
        found = "has no value yet" if value is None else f"is {np.size(value)} numbers"
        raise PriorError(
            f"prior for {name}: a parameter of {family} {found}; give each parameter one number, "
            "and coefficients that differ priors by name, as in beta[ses]"
        )
    return float(np.asarray(value).item())
