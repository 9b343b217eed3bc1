"""Groups left out as drawn."""

import numpy as np

from bayes_mlm.assess.loo import leave_one_group_out
from bayes_mlm.figures.loo import loo_groups


def test_groups_left_out_are_those_of_leave_one_group_out(growth):
    picture = loo_groups(growth)
    found = leave_one_group_out(growth.fits[0])
    np.testing.assert_array_equal(picture.k_hat, found.k_hat)
    np.testing.assert_allclose(picture.per_row * picture.sizes, found.pointwise)
    worst = picture.labels[np.argmin(picture.per_row)]
    assert f"subject {worst} is predicted worst" in picture.text.caption
