"""A prior distribution, as data."""

from collections.abc import Mapping
from dataclasses import dataclass

from bayes_mlm.base import rounded

# The families of priors: parameter names in PyMC's order, and which of them must be above 0.
PRIOR_FAMILIES: Mapping[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "Normal": (("mu", "sigma"), frozenset({"sigma"})),
    "StudentT": (("nu", "mu", "sigma"), frozenset({"nu", "sigma"})),
    "Cauchy": (("alpha", "beta"), frozenset({"beta"})),
    "HalfNormal": (("sigma",), frozenset({"sigma"})),
    "HalfStudentT": (("nu", "sigma"), frozenset({"nu", "sigma"})),
    "HalfCauchy": (("beta",), frozenset({"beta"})),
    "Exponential": (("lam",), frozenset({"lam"})),
    "Gamma": (("alpha", "beta"), frozenset({"alpha", "beta"})),
    "InverseGamma": (("alpha", "beta"), frozenset({"alpha", "beta"})),
    "Uniform": (("lower", "upper"), frozenset()),
    "LKJ": (("eta",), frozenset({"eta"})),
    "Flat": ((), frozenset()),
}


@dataclass(frozen=True)
class Prior:
    """One distribution: its family and its parameters.

    Parameters
    ----------
    family : str
        PyMC's name of the distribution ("Normal", "HalfStudentT", "LKJ", "Flat", ...).
    parameters : tuple of (str, float)
        PyMC's parameter names with their values, in the family's order.

    Examples
    --------
    >>> print(Prior("Normal", (("mu", 0.0), ("sigma", 2.5))))
    Normal(mu=0, sigma=2.5)
    """

    family: str
    parameters: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        """Return the prior as `parse_prior` reads it, to four significant digits."""
        inside = ", ".join(f"{name}={rounded(value)}" for name, value in self.parameters)
        return f"{self.family}({inside})"

    def to_text(self) -> str:
        """Return the prior in full precision, so that reading it back gives the same prior."""
        inside = ", ".join(f"{name}={value!r}" for name, value in self.parameters)
        return f"{self.family}({inside})"

    def __getitem__(self, name: str) -> float:
        """Return the value of one parameter."""
        return dict(self.parameters)[name]

    @property
    def is_proper(self) -> bool:
        """Return whether the distribution integrates to one (`Flat` does not)."""
        return self.family != "Flat"
