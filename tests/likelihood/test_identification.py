"""The verdict says which variance parameters the data do not identify, and cries no wolf."""

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import build_design, fit, fit_reml, load_hsb, load_sleepstudy
from bayes_mlm.base.errors import EngineError
from bayes_mlm.likelihood.gaussian import profiled_loglik
from bayes_mlm.likelihood.identification import unidentified
from bayes_mlm.moments.rotated import rotate_moments


def grouped(groups: int, size: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(groups), size)
    data = pd.DataFrame({f"x{k}": rng.normal(size=g.size) for k in range(4)})
    u = rng.normal(size=(2, groups))
    y = u[0][g] + u[1][g] * data.x0 + rng.normal(size=g.size)
    return data.assign(g=g, w=g % 2, v=np.round(u[0], 2)[g], y=y)


@pytest.mark.parametrize(
    ("formula", "groups", "said"),
    [
        ("y ~ x0 + (x0 + x1 + x2 + x3 | g)", 3, "3 groups are too few for the 15 variance"),
        ("y ~ x0 + (x0 | g)", 3, "3 groups are too few for the 3 variance"),
        ("y ~ x0 + (x0 + x1 || g)", 3, "3 groups are too few for the 3 variance"),
        # Each group has one of two values of w: two sums of variances, of three parameters.
        ("y ~ w + (w | g)", 30, "do not identify rho_u[Intercept,w], sigma_u[w] separately"),
        ("y ~ x0 + w + (x0 + w | g)", 30, "rho_u[Intercept,w], sigma_u[w] separately"),
    ],
)
def test_what_the_data_do_not_tell_is_said(formula, groups, said):
    data = grouped(groups, 12)
    found = fit_reml(build_design(formula, data), profile=False)
    assert not found.certificate.ok
    assert said in found.certificate.message
    assert "drop a group effect" in found.certificate.message
    if formula.count("+") == 1:
        posterior = fit(formula, data, random_seed=1, draws=100)
        assert not posterior.verdict.ok
        assert said in str(posterior.verdict)


@pytest.mark.parametrize(
    ("formula", "groups"),
    [
        ("y ~ x0 + (x0 | g)", 4),
        ("y ~ x0 + (x0 || g)", 3),
        ("y ~ v + (v | g)", 30),  # of the group, but of many values
        ("y ~ w + (w || g)", 30),
        ("y ~ x0 + (x0 + x1 | g)", 30),
        ("y ~ x0 + (1 | g)", 2),
    ],
)
def test_ordinary_models_are_left_alone(formula, groups):
    design = build_design(formula, grouped(groups, 12))
    rotated = rotate_moments(design.moments())
    assert unidentified(rotated, correlated=design.group_term.correlated) == ()


def test_known_studies_are_left_alone():
    for formula, data in (
        ("reaction ~ days + (days | subject)", load_sleepstudy()),
        ("mathach ~ ses + (ses | schoolid)", load_hsb()),
        ("mathach ~ ses * sector + (ses || schoolid)", load_hsb()),
    ):
        assert fit_reml(build_design(formula, data), profile=False).certificate.ok


def test_the_likelihood_is_flat_along_what_is_named():
    reduced = rotate_moments(build_design("y ~ w + (w | g)", grouped(30)).moments())
    assert unidentified(reduced)
    # 2 cov + var = 0: neither the groups of w = 0 nor those of w = 1 see it.
    s = np.array([[[1.0, 0.2], [0.2, 1.0]], [[1.0, 0.0], [0.0, 1.4]]])
    transformed = reduced.z_centring @ s @ reduced.z_centring.T
    one, two = profiled_loglik(reduced, transformed, "REML")
    assert one == pytest.approx(two, abs=1e-9)


def test_two_rows_a_group_do_not_tell_ar_from_groups():
    data = grouped(40, 2).assign(t=lambda d: d.index % 2)
    rng = np.random.default_rng(0)
    data["y"] = data.y + rng.normal(size=len(data))
    design = build_design("y ~ x0 + (1 | g)", data, residual={"ar": "t"})
    with pytest.raises(EngineError, match="does not fall on the way to rho_e = -1"):
        fit_reml(design)
