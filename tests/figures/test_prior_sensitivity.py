"""Prior sensitivity as drawn."""

from dataclasses import replace
from itertools import pairwise

import pytest

from bayes_mlm.figures.prior_sensitivity import plot_prior_shifts, prior_sensitivity_of


def test_prior_sensitivity_is_measured_from_the_own_prior(hsb):
    picture = prior_sensitivity_of([hsb["hsb_ses"], hsb["hsb_pooled"]])
    assert picture.models == ("hsb_ses",)
    assert picture.sds[0, 0] == 0.0
    # HalfNormal(s / 4) draws sigma_u towards zero, Gamma(2, 1 / (10 s)) off it.
    shifts = dict(zip(picture.labels, picture.sds[0], strict=True))
    tight = next(value for label, value in shifts.items() if label.startswith("HalfNormal(sigma=1"))
    wide = next(value for label, value in shifts.items() if label.startswith("Gamma"))
    assert tight < 0 < wide


@pytest.mark.parametrize("panels", [1, 2])
def test_names_of_priors_do_not_cover_each_other_in_a_column_of_print(hsb, panels):
    picture = prior_sensitivity_of([hsb["hsb_ses"]])
    assert len(picture.labels) > 5
    if panels == 2:  # sigma_u, and coefficients of groups
        picture = replace(picture, coefficients=picture.sds)
    figure = plot_prior_shifts(picture, figsize=3.3)
    figure.draw_without_rendering()
    assert len(figure.axes) == panels
    for ax in figure.axes:
        names = [name for name in ax.get_yticklabels() if name.get_text()]
        assert len(names) == len(picture.labels)
        boxes = [name.get_window_extent() for name in names]
        assert max(box.y1 - box.y0 for box in boxes) > 1.5 * names[0].get_fontsize() * 100 / 72
        assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))
