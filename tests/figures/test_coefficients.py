"""Coefficients over a ladder of models."""

from bayes_mlm.figures.coefficients import ladder_coefficients
from tests.helpers.figures import run


def test_coefficients_leave_intercepts_out_where_there_are_slopes(hsb):
    picture = ladder_coefficients(list(hsb.values()))
    assert [row.term for row in picture.terms] == ["ses", "sector", "ses:sector", "between(ses)"]
    assert picture.omitted == ("Intercept",)
    assert "Every 95 % interval of ses, sector, ses:sector, between(ses) excludes 0." in (
        picture.text.caption
    )
    other = run("reaction ~ days + (1 | subject)", "sleepstudy")
    assert len(ladder_coefficients([*hsb.values(), other]).terms) == 4  # of one outcome only
    alone = ladder_coefficients([hsb["hsb_null"]])
    assert [row.term for row in alone.terms] == ["Intercept"]
