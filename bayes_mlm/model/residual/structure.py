"""How residuals depart from independent ones of one sd: by level of a factor, or in time."""

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from bayes_mlm.base import SpecError
from bayes_mlm.model.family import Family

_KEYS = ("sigma", "ar")


class Residual(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Departure of the residuals of a model from independent ones of one sd.

    Parameters
    ----------
    sigma : str, optional
        A factor, each level of which has a residual sd of its own: ``"sector"``, or as brms and
        bambi write it ``"sigma ~ sector"``.
    ar : str, optional
        A column of times: residuals of one group have correlation ``rho_e ** gap`` (AR(1)).

    Examples
    --------
    >>> Residual(sigma="sigma ~ sex").sigma_column
    'sex'
    >>> Residual().is_plain
    True
    """

    sigma: str | None = None
    ar: str | None = None

    @property
    def sigma_column(self) -> str | None:
        """The factor in `sigma`, however it was written."""
        if self.sigma is None:
            return None
        return self.sigma.rpartition("~")[2].strip().strip("`")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that are needed besides the formula's."""
        return tuple(name for name in (self.sigma_column, self.ar) if name is not None)

    @property
    def is_plain(self) -> bool:
        """Return whether the residuals are independent and of one sd."""
        return self == PLAIN

    def __str__(self) -> str:
        """Return the departure in a few words."""
        parts = [f"sigma ~ {self.sigma_column}"] if self.sigma else []
        parts += [f"AR(1) along {self.ar}"] if self.ar else []
        return ", ".join(parts) or "independent, one sd"


PLAIN = Residual()


def as_residual(value: "Residual | Mapping[str, Any] | None") -> Residual:
    """Read the requested residual structure.

    Parameters
    ----------
    value : Residual, mapping or None
        For example ``{"sigma": "sector"}`` or ``{"ar": "age", "sigma": "sex"}``.

    Raises
    ------
    SpecError
        For an unknown key, or a value that is no name of a column.

    Examples
    --------
    >>> as_residual({"ar": "age"}).ar
    'age'
    >>> as_residual({"ra": "age"})
    Traceback (most recent call last):
    ...
    bayes_mlm.base.errors.SpecError: residual has no key 'ra'; did you mean 'ar'? allowed: sigma, ar
    """
    if value is None:
        return PLAIN
    if isinstance(value, Residual):
        found = value
    elif isinstance(value, Mapping):
        for key in value:
            if key not in _KEYS:
                if key == "family":
                    raise SpecError(
                        f"family is no key of residual: give family={value[key]!r} by itself"
                    )
                raise SpecError(
                    f"residual has no key {key!r}{_near(str(key), _KEYS)} allowed: "
                    f"{', '.join(_KEYS)}"
                )
        found = Residual(**{str(key): one for key, one in value.items()})
    else:
        raise SpecError(
            f"residual must be a mapping such as {{'sigma': 'FACTOR'}}, found {value!r}"
        )
    check_residual(found)
    return PLAIN if found.is_plain else found


def check_residual(spec: Residual) -> None:
    """Refuse what is not a factor or a column.

    Raises
    ------
    SpecError
    """
    for key in ("sigma", "ar"):
        given = getattr(spec, key)
        if given is not None and (not isinstance(given, str) or not given.strip()):
            raise SpecError(f"residual {key} = {given!r} must be the name of a column")
    if spec.sigma is not None:
        left = spec.sigma.rpartition("~")[0].strip()
        column = spec.sigma_column or ""
        if left not in ("", "sigma") or not column or any(mark in column for mark in "+*:|("):
            raise SpecError(
                f"residual sigma = {spec.sigma!r}: give one factor, such as 'FACTOR' or "
                "'sigma ~ FACTOR'; cross two factors in a column of your own"
            )


def check_structure(spec: Residual, family: Family, at: str = "residual") -> None:
    """Refuse a residual structure that a family does not take.

    Raises
    ------
    SpecError
    """
    if spec.sigma is not None and not family.is_additive:
        raise SpecError(
            f"{at}: sigma ~ {spec.sigma_column} needs a family with a residual sd, and "
            f"{family.label} has none; take sigma out"
        )
    if spec.ar is not None and not family.gaussian_moments:
        raise SpecError(
            f"{at}: residuals that are AR(1) and {family.label} at once are not offered: "
            "neighbours' residuals would not be independent given each other; choose one of the two"
        )


def _near(found: str, allowed: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(found, allowed, n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else ";"
