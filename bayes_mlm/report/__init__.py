"""Write a report: one HTML page with everything in it, which asks nothing of anybody.

The page has no links out, no fonts, scripts or images of elsewhere, and a content security policy
that allows none; its own style and script are allowed by their checksums. Every name in it is
escaped.
"""

from bayes_mlm.report.images import drawing_pool
from bayes_mlm.report.page import Origin
from bayes_mlm.report.rendering import render_report

__all__ = ["Origin", "drawing_pool", "render_report"]
