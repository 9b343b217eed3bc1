"""A figure as somebody printed it, and the checks of it."""

import math
from collections.abc import Collection, Iterable, Mapping

import msgspec

from bayes_mlm.base import SpecError, suggest


class Published(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One figure as somebody printed it.

    Parameters
    ----------
    quantity : str
        What the figure is, by its name in `bayes_mlm.studies.quantities`;
        ``record/quantity`` when another record's figure was printed in this one's place.
    value : str
        The figure as printed, so that trailing zeros keep their meaning: ``"12.600"``.
    where : str or tuple of str
        Each place it is printed at; a figure printed three times counts as three.
    tolerance : float, optional
        Largest difference that still counts as the same figure; half a printed digit if not given.
    corrects : str, optional
        The quantity that is right where this one is wrong.
    reason : str, optional
        Why the printed figure is wrong, in one line; or a key of the record's `reasons`.
    cannot : str, optional
        Why the figure cannot be computed from the data, in one line.

    Examples
    --------
    >>> figure = Published(quantity="beta[ses]", value="2.390", where="In [289], ses, Coef.")
    >>> figure.number, figure.half_digit
    (2.39, 0.0005)
    """

    quantity: str
    value: str
    where: str | tuple[str, ...]
    tolerance: float | None = None
    corrects: str | None = None
    reason: str | None = None
    cannot: str | None = None

    @property
    def number(self) -> float:
        """The figure as a number."""
        return float(self.value)

    @property
    def half_digit(self) -> float:
        """Half a unit of the last digit: 0.0005 for ``"2.390"``, 50 for ``"4.71e+04"``."""
        mantissa, _, exponent = self.value.lower().partition("e")
        decimals = len(mantissa.partition(".")[2])
        return float(f"0.5e{int(exponent or 0) - decimals}")

    @property
    def allowed(self) -> float:
        """The tolerance in force: the one given, else half a printed digit."""
        return self.half_digit if self.tolerance is None else self.tolerance

    @property
    def places(self) -> tuple[str, ...]:
        """All places where the figure is printed."""
        return (self.where,) if isinstance(self.where, str) else self.where


def check_published_fields(
    figures: Iterable[Published],
    reasons: Mapping[str, str],
    at: str,
    imprecise: Collection[str] = (),
) -> None:
    """Refuse a published figure that is no number, has no place, or a correction with no reason.

    Parameters
    ----------
    figures : iterable of Published
    reasons : mapping of str to str
        Reasons by key.
    at : str
        The file, for the message.
    imprecise : collection of str
        Keys of the reasons that are of rounding or early stopping.
    """
    _check_keys("imprecise", imprecise, reasons, at)
    seen: set[tuple[str, str]] = set()
    for k, figure in enumerate(figures):
        here = f"{at}: published[{k}] ({figure.quantity})"
        try:
            finite = math.isfinite(figure.number)
        except ValueError:
            finite = False
        if not finite:
            raise SpecError(f'{here}: value {figure.value!r} is not a number such as "12.657"')
        if not figure.allowed > 0:
            raise SpecError(f"{here}: tolerance {figure.allowed} must be above zero")
        if not figure.places or not all(place.strip() for place in figure.places):
            raise SpecError(f'{here}: `where` is empty; give its place, such as "Table 2, row 1"')
        if figure.cannot is not None and (figure.corrects or figure.reason):
            raise SpecError(f"{here}: `cannot` leaves nothing to correct; drop the other keys")
        if figure.corrects is not None and not figure.reason:
            raise SpecError(f"{here}: `corrects` needs a one-line `reason`")
        if figure.reason is not None and " " not in figure.reason:
            _check_keys("reason", (figure.reason,), reasons, here)
        for place in figure.places:
            if (figure.quantity, place) in seen:
                raise SpecError(f"{here}: given twice for {place!r}; keep one")
            seen.add((figure.quantity, place))


def _check_keys(what: str, keys: Iterable[str], reasons: Mapping[str, str], at: str) -> None:
    for key in keys:
        if key not in reasons:
            raise SpecError(f"{at}: {what} {key!r} is no key of [reasons]{suggest(key, reasons)}")
