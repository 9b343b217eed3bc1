"""A prior distribution, as data."""

from dataclasses import dataclass

from bayes_mlm.base import rounded
from bayes_mlm.model.prior_families import prior_family


@dataclass(frozen=True)
class Prior:
    """One distribution: its family and its parameters.

    Parameters
    ----------
    family : str
        PyMC's name of the distribution ("Normal", "HalfStudentT", "LKJ", "Flat", ...), a name of
        `bayes_mlm.model.prior_families`.
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

    @property
    def support(self) -> tuple[float, float]:
        """Between which values it lies.

        Examples
        --------
        >>> Prior("TruncatedLaplace", (("mu", 0.0), ("b", 2.0), ("lower", 1.0))).support
        (1.0, inf)
        """
        family = prior_family(self.family)
        values = {**family.defaults, **dict(self.parameters)}
        lower, upper = (values[end] if isinstance(end, str) else end for end in family.support)
        return max(lower, values.get("lower", lower)), min(upper, values.get("upper", upper))

    @property
    def uncut(self) -> "Prior | None":
        """The distribution that it is cut from, if it is cut: of TruncatedNormal the Normal."""
        base = prior_family(self.family).base
        if not base:
            return None
        return Prior(
            base, tuple(one for one in self.parameters if one[0] not in ("lower", "upper"))
        )

    @property
    def variant(self) -> str:
        """The family, with the ends at which it is cut, if these are optional.

        Priors of one variant have the same parameters, and make one vector of variables.

        Examples
        --------
        >>> Prior("TruncatedNormal", (("mu", 0.0), ("sigma", 2.0), ("lower", 0.0))).variant
        'TruncatedNormalLower'
        """
        if self.uncut is None or {"lower", "upper"} <= dict(self.parameters).keys():
            return self.family
        ends = [name.capitalize() for name, _ in self.parameters if name in ("lower", "upper")]
        return self.family + "".join(ends)


def is_within(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    """Return whether an interval lies in another.

    Examples
    --------
    >>> is_within((0.0, 1.0), (0.0, float("inf"))), is_within((-1.0, 1.0), (0.0, 1.0))
    (True, False)
    """
    return outer[0] <= inner[0] and inner[1] <= outer[1]
