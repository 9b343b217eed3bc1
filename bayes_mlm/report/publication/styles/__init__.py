"""Styles of tables for papers; each is a file here and a line below."""

from bayes_mlm.report.publication.styles.apa import MOST_WIDE, apa_view
from bayes_mlm.report.publication.styles.econometrics import econometrics_view
from bayes_mlm.report.publication.styles.plain import plain_view
from bayes_mlm.report.publication.table import STYLES, TableStyle

_CUSTOMARY = (0.05, 0.01, 0.001)

for _name, _style in (
    ("plain", TableStyle(view=plain_view, levels=_CUSTOMARY)),
    ("apa", TableStyle(view=apa_view, levels=_CUSTOMARY, wide=MOST_WIDE)),
    ("econometrics", TableStyle(view=econometrics_view, levels=(0.1, 0.05, 0.01))),
):
    STYLES.register(_name, _style)

__all__ = ["STYLES"]
