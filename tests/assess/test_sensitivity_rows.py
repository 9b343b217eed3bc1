"""What is concluded from the rows of a sensitivity analysis."""

from dataclasses import replace

import pytest

from bayes_mlm.assess.sensitivity.rows import SensitivityRow, conclude


def rows_of(*shifts, ok=True, lower=1.0):
    made = {"model": "m", "outcome": "y", "quantity": "beta[w]", "verdict": ""}
    own = SensitivityRow(
        **made,
        label="own",
        prior="own",
        baseline=True,
        method="refitted",
        ok=True,
        estimate=2.0,
        sd=1.0,
        lower=lower,
        upper=3.0,
        shift=0.0,
    )
    others = [
        replace(own, label=f"p{k}", baseline=False, ok=ok, shift=shift, lower=lower + shift)
        for k, shift in enumerate(shifts)
    ]
    return [own, *others]


@pytest.mark.parametrize(
    ("shifts", "depends"),
    [((0.05, -0.09), "no"), ((0.05, -0.3), "little"), ((0.6, 0.1), "yes")],
)
def test_the_largest_shift_decides(shifts, depends):
    found = conclude(rows_of(*shifts), "95% HDI")
    assert found.depends == depends
    assert found.shift == max(shifts, key=abs)


def test_a_sign_that_hangs_on_the_prior_is_told():
    text = conclude(rows_of(-0.3, lower=0.2), "95% HDI").text
    assert "holds 0 under p0, and excludes it otherwise for beta[w]" in text


def test_rows_that_are_not_clean_do_not_decide():
    found = conclude(rows_of(9.0, ok=False), "95% HDI")
    assert found.depends == "no"
    assert "Not counted: p0" in found.text
