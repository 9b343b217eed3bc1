"""Shifts of a fit without each of its groups, against fits without them."""

import numpy as np
import pytest

from bayes_mlm import fit, load_dataset, summarise
from bayes_mlm.assess.loo import shifts_without_groups
from bayes_mlm.data.table import take

SLEEP, GROWTH = "reaction ~ days + (days | subject)", "distance ~ age + (1 | subject)"


def without(table, column, label):
    return take(table, table.columns[column] != label)


def refitted(own, formula, table):
    """Fit again, the priors those of the whole."""
    priors = {k: p.to_text() for k, p in own.priors.by_name(own.design).items()}
    return summarise(fit(formula, table, priors=priors, random_seed=1, draws=4000))


@pytest.mark.parametrize(
    ("formula", "data", "group", "labels"),
    [
        (SLEEP, "sleepstudy", "subject", [308, 332, 335, 372]),
        ("reaction ~ days + (1 | subject)", "sleepstudy", "subject", [309, 332]),
        ("reaction ~ days + (days || subject)", "sleepstudy", "subject", [308, 335]),
        ("mathach ~ ses + (1 | schoolid)", "hsb", "schoolid", [3427, 8367]),
        ("mathach ~ ses * sector + (ses | schoolid)", "hsb", "schoolid", [2277]),
    ],
)
def test_a_shift_is_what_fitting_without_the_group_gives(formula, data, group, labels):
    table = load_dataset(data)
    own = fit(formula, data, random_seed=1, draws=4000)
    found, whole = shifts_without_groups(own), summarise(own)
    places = own.design.labels.tolist()
    for label in labels:
        again = refitted(own, formula, without(table, group, label))
        j = places.index(label)
        assert found.reliable[j]
        for k, name in enumerate(found.quantities):
            expected = (again[name].estimate - whole[name].estimate) / whole[name].sd
            # Two fits of 16,000 draws: an error of 0.011 each; a tenth of large shifts for weights.
            assert found.shift[j, k] == pytest.approx(expected, abs=0.05 + 0.05 * abs(expected)), (
                name
            )


@pytest.mark.slow  # its model is compiled for it alone
def test_a_shift_with_a_residual_structure_is_that_of_the_plain_model_where_it_says_nothing():
    """HSB by NUTS: sigma by sector moves little else, so shifts agree with the plain model's."""
    plain = fit("mathach ~ ses + (1 | schoolid)", "hsb", random_seed=1)
    own = fit(
        "mathach ~ ses + (1 | schoolid)",
        "hsb",
        residual={"sigma": "sector"},
        random_seed=1,
        draws=500,
        tune=500,
    )
    one, other = shifts_without_groups(plain), shifts_without_groups(own)
    k, m = (s.quantities.index("sigma_u") for s in (one, other))
    assert np.corrcoef(one.shift[:, k], other.shift[:, m])[0, 1] > 0.97
