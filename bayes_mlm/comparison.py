"""Put the engines' estimates of one model side by side, and say how far apart they are."""

from collections.abc import Iterable
from dataclasses import dataclass

from bayes_mlm.estimates import Estimate, Summary
from bayes_mlm.spec import Published


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Hold one quantity of one model as each engine gives it.

    Parameters
    ----------
    model, quantity : str
    posterior : Estimate or None
        From posterior draws.
    classical : Estimate or None
        From REML or OLS.
    difference : float or None
        Posterior mean minus REML or OLS estimate, in posterior sds: 0.1 is of no consequence, 1
        means that the prior or the shape of the posterior matters.
    published : str or None
        The figure as printed for this quantity; with an asterisk where it is wrong.
    """

    model: str
    quantity: str
    posterior: Estimate | None
    classical: Estimate | None
    difference: float | None
    published: str | None


def compare(*summaries: Summary, published: Iterable[Published] = ()) -> tuple[Compared, ...]:
    """Join the summaries of one model by quantity.

    Parameters
    ----------
    *summaries : Summary
        One an engine: from draws, from REML or OLS, or both.
    published : iterable of Published
        The record's published figures.

    Returns
    -------
    tuple of Compared
        A row for each quantity that any engine gives, in the order they first appear.

    Examples
    --------
    >>> from bayes_mlm.estimates import Estimate, Summary
    >>> from bayes_mlm.verdict import Verdict
    >>> def one(engine, estimate, sd):
    ...     row = Estimate(model="m", engine=engine, quantity="icc", estimate=estimate, sd=sd)
    ...     return Summary(rows=(row,), interval="94% HDI", verdict=Verdict(()))
    >>> (row,) = compare(one("nuts", 0.19, 0.02), one("reml", 0.18, 0.02))
    >>> round(row.difference, 2)
    0.5
    """
    printed = {
        figure.corrects or figure.quantity: f"{figure.value}{'*' if figure.corrects else ''}"
        for figure in published
    }
    posterior: dict[str, Estimate] = {}
    classical: dict[str, Estimate] = {}
    order: dict[str, str] = {}
    for summary in summaries:
        for row in summary:
            side = classical if row.engine in ("reml", "ols") else posterior
            side[row.quantity] = row
            order.setdefault(row.quantity, row.model)
    return tuple(
        Compared(
            model=model,
            quantity=quantity,
            posterior=posterior.get(quantity),
            classical=classical.get(quantity),
            difference=_difference(posterior.get(quantity), classical.get(quantity)),
            published=printed.get(quantity),
        )
        for quantity, model in order.items()
    )


def _difference(posterior: Estimate | None, classical: Estimate | None) -> float | None:
    if posterior is None or classical is None or not posterior.sd:
        return None
    return (posterior.estimate - classical.estimate) / posterior.sd
