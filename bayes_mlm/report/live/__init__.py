"""A report that refits itself: the sums of a model, and the script that fits them in the page."""

from bayes_mlm.report.live.model import live_model, why_not_live

__all__ = ["live_model", "why_not_live"]
