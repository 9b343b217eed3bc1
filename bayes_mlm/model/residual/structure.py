"""Hold what is asked of the residuals: their family, their sds, their correlation in time."""

import difflib
from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from bayes_mlm.base import SpecError

type Family = Literal["gaussian", "student_t"]
FAMILIES: tuple[str, ...] = get_args(Family.__value__)
_KEYS = ("sigma", "ar", "family")


class Residual(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Hold how the residuals of a model depart from independent normals of one sd.

    Parameters
    ----------
    sigma : str, optional
        A factor, each level of which has a residual sd of its own: ``"sector"``, or as brms and
        bambi write it ``"sigma ~ sector"``.
    ar : str, optional
        A column of times: residuals of one group have correlation ``rho_e ** gap`` (AR(1)).
    family : {"gaussian", "student_t"}
        Distribution of the residuals.

    Examples
    --------
    >>> Residual(sigma="sigma ~ sex").sigma_column
    'sex'
    >>> Residual().is_plain
    True
    """

    sigma: str | None = None
    ar: str | None = None
    family: Family = "gaussian"

    @property
    def sigma_column(self) -> str | None:
        """The factor in `sigma`, however it was written."""
        if self.sigma is None:
            return None
        return self.sigma.rpartition("~")[2].strip().strip("`")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that are needed, beside the formula's."""
        return tuple(name for name in (self.sigma_column, self.ar) if name is not None)

    @property
    def is_plain(self) -> bool:
        """Tell whether the residuals are independent normals of one sd."""
        return self == PLAIN

    def __str__(self) -> str:
        """Say it in a few words."""
        parts = [f"sigma ~ {self.sigma_column}"] if self.sigma else []
        parts += [f"AR(1) along {self.ar}"] if self.ar else []
        parts += ["Student-t"] if self.family == "student_t" else []
        return ", ".join(parts) or "independent, normal, one sd"


PLAIN = Residual()


def as_residual(value: "Residual | Mapping[str, Any] | None") -> Residual:
    """Read what was asked of the residuals.

    Parameters
    ----------
    value : Residual, mapping or None
        For example ``{"sigma": "sector"}`` or ``{"ar": "age", "sigma": "sex"}``.

    Raises
    ------
    SpecError
        For an unknown key or family, or a combination that is not offered.

    Examples
    --------
    >>> as_residual({"ar": "age"}).ar
    'age'
    >>> as_residual({"family": "student"})
    Traceback (most recent call last):
    ...
    bayes_mlm.base.errors.SpecError: residual family 'student'; did you mean 'student_t'? allowed: \
gaussian, student_t
    """
    if value is None:
        return PLAIN
    if isinstance(value, Residual):
        found = value
    elif isinstance(value, Mapping):
        for key in value:
            if key not in _KEYS:
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


def check_residual(asked: Residual) -> None:
    """Refuse what is not a factor, a column or a family, and what does not go together.

    Raises
    ------
    SpecError
    """
    if asked.family not in FAMILIES:
        near = _near(str(asked.family), FAMILIES)
        raise SpecError(f"residual family {asked.family!r}{near} allowed: {', '.join(FAMILIES)}")
    for key in ("sigma", "ar"):
        given = getattr(asked, key)
        if given is not None and (not isinstance(given, str) or not given.strip()):
            raise SpecError(f"residual {key} = {given!r} must be the name of a column")
    if asked.sigma is not None:
        left = asked.sigma.rpartition("~")[0].strip()
        column = asked.sigma_column or ""
        if left not in ("", "sigma") or not column or any(mark in column for mark in "+*:|("):
            raise SpecError(
                f"residual sigma = {asked.sigma!r}: give one factor, such as 'FACTOR' or "
                "'sigma ~ FACTOR'; cross two factors in a column of your own"
            )
    if asked.ar is not None and asked.family != "gaussian":
        raise SpecError(
            "residuals that are AR(1) and Student-t at once are not offered: neighbours' "
            "residuals would not be Student-t given each other; choose one of the two"
        )


def _near(found: str, allowed: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(found, allowed, n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else ";"
