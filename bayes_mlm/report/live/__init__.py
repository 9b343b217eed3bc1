"""A report that computes: what a page holds of its model, and the scripts that use it."""

from bayes_mlm.fitting import Fit
from bayes_mlm.report.live.draws import draws_of, why_no_draws
from bayes_mlm.report.live.model import LiveModel, sums_of, why_not_refitted

__all__ = ["LiveModel", "live_model", "why_not_live", "why_not_refitted"]


def live_model(fit: Fit, *, least_rows: int) -> LiveModel:
    """Return what a page holds of a model: its sums where the page can refit it, else draws.

    Parameters
    ----------
    fit : Fit
        That `why_not_live` has nothing against.
    least_rows : int
        Groups of fewer rows are refused: their sums or effects would disclose them.

    Raises
    ------
    StorageError
        If a group has fewer rows.
    """
    why = why_not_refitted(fit)
    return draws_of(fit, why, least_rows=least_rows) if why else sums_of(fit, least_rows=least_rows)


def why_not_live(fit: Fit) -> str:
    """Return why a page can neither refit nor predict from a model, in a clause; "" if it can."""
    why = why_not_refitted(fit)
    return why and why_no_draws(fit)
