"""A parameter of a model: its name, its role, what values it takes, and its default prior."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bayes_mlm.base import PriorError
from bayes_mlm.model.prior import Prior

type Role = Literal[
    "fixed effect",
    "group effect",
    "group sd",
    "group correlation",
    "residual sd",
    "autocorrelation",
    "auxiliary",
    "derived",
]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One named quantity of a model. Names are never parsed: what a name means is stated here.

    Parameters
    ----------
    name : str
        Of the variable: "beta", "sigma_u", "u_school".
    base : str
        What a table calls it, if not `name`: "sigma_u" of "sigma_u_school".
    role : str
    support : (float, float)
        Between which values it lies.
    dims : tuple of str
        Names of its dimensions, apart from those of the draws.
    factor : str, optional
        The grouping factor that it belongs to, where there are several.
    default : callable, optional
        Default prior, given the sd of the outcome on the scale of the linear predictor.
    unit : str
        Of its values, if not that of the linear predictor.
    note : str
        Its description in a note below a table, if its name needs one.

    Examples
    --------
    >>> Parameter(name="sigma_u", role="group sd", support=(0, math.inf)).is_sd
    True
    """

    name: str
    role: Role
    support: tuple[float, float] = (-math.inf, math.inf)
    base: str = ""
    dims: tuple[str, ...] = ()
    factor: str | None = None
    default: Callable[[float], Prior] | None = None
    unit: str = ""
    note: str = ""

    @property
    def is_sd(self) -> bool:
        """Return whether it is a standard deviation."""
        return self.role in ("group sd", "residual sd")

    @property
    def text(self) -> str:
        """Name in tables: ``sigma_u``, or ``sigma_u[school]`` with several factors."""
        return self.element()

    def element(self, *labels: object) -> str:
        """Return what a table calls the element at some labels of its dimensions.

        Examples
        --------
        >>> Parameter(name="rho_u", role="group correlation").element("Intercept,ses")
        'rho_u[Intercept,ses]'
        """
        inside = [*([self.factor] if self.factor else []), *map(str, labels)]
        base = self.base or self.name
        return f"{base}[{','.join(inside)}]" if inside else base


def half_student_t(sd: float) -> Prior:
    """Return the default prior of an sd, ``HalfStudentT(3, sd)`` (Gelman 2006, sec. 7)."""
    return Prior("HalfStudentT", (("nu", 3.0), ("sigma", sd)))


def default_of(parameter: Parameter, sd: float) -> Prior:
    """Return the default prior of an auxiliary parameter.

    Parameters
    ----------
    parameter : Parameter
    sd : float
        Of the outcome, on the scale of the linear predictor.
    """
    if parameter.default is None:
        raise PriorError(
            f"the parameter {parameter.name} has no default prior; give one "
            f"(priors={{{parameter.name!r}: ...}}), or state it in the family"
        )
    return parameter.default(sd)
