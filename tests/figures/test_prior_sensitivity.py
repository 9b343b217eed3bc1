"""Prior sensitivity as drawn."""

from bayes_mlm.figures.prior_sensitivity import prior_sensitivity_of


def test_prior_sensitivity_is_measured_from_the_own_prior(hsb):
    picture = prior_sensitivity_of([hsb["hsb_ses"], hsb["hsb_pooled"]])
    assert picture.models == ("hsb_ses",)
    assert picture.sds[0, 0] == 0.0
    # HalfNormal(s / 4) draws sigma_u towards zero, Gamma(2, 1 / (10 s)) off it.
    shifts = dict(zip(picture.labels, picture.sds[0], strict=True))
    tight = next(value for label, value in shifts.items() if label.startswith("HalfNormal(sigma=1"))
    wide = next(value for label, value in shifts.items() if label.startswith("Gamma"))
    assert tight < 0 < wide
