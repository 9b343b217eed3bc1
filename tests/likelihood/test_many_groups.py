"""Sums over many groups of different designs: against dense matrices, classes, and lme4."""

import numpy as np
import pytest

from bayes_mlm import build_design
from bayes_mlm.engines import fit_reml, sample_direct
from bayes_mlm.engines.direct import effects
from bayes_mlm.engines.reml import profile_sd, search
from bayes_mlm.engines.reml.derivatives import derivatives
from bayes_mlm.likelihood import (
    curvature_sums,
    derivative_sums,
    model_priors,
    profiled_loglik,
    sums_by_group,
    unidentified,
)
from bayes_mlm.moments import BLOCK, RotatedMoments, rotate_moments
from tests.helpers.many_groups import unbalanced

# R 4.2.2, lme4 1.1-31, of `unbalanced` written with 17 digits (x1 - 1000 in the first):
# lmer(f, d, REML = r, control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10,
# maxfun = 1e6), calc.derivs = FALSE)); logLik, fixef, VarCorr (sds, correlations by column,
# residual sd), ranef of the first two groups, and condVar of the first.
LME4 = {
    ("slope", "REML"): (
        -14869.8532782855,
        [1.993716095545, 0.308395596086],
        [1.007650028261, 0.509679222341, 0.344006904425, 0.804527012251],
        [[-0.9832207219, -0.1064216899], [-0.7097694965, 0.2273468884]],
        [[0.4260499814, 0.1128889839], [0.1128889839, 0.2528689057]],
    ),
    ("slope", "ML"): (
        -14863.8073618805,
        [1.99371614748, 0.30839821579],
        [1.007340722363, 0.509438923348, 0.344086093099, 0.804527468244],
        [[-0.9829780404, -0.1064316952], [-0.7096762407, 0.2272252183]],
        [[0.4259355414, 0.1128254641], [0.1128254641, 0.2526252693]],
    ),
    ("two", "REML"): (
        -8493.46006600428,
        [2.061231814681, 0.326705302057, 0.319176235219],
        [
            *(1.000119878894, 0.538218023762, 0.542589289477),
            *(0.377180711247, 0.382668816994, 0.120749008090, 0.804172798759),
        ],
        [
            [-0.8801815095, -0.12134475281, -0.39581614036],
            [-0.8819710083, 0.08910231425, 0.08729473901],
        ],
        [
            [0.41639997934, 0.1225396957853, -0.0548948779411],
            [0.12253969579, 0.2785820083586, -0.0009337669577],
            [-0.05489487794, -0.0009337669577, 0.1763340488245],
        ],
    ),
    ("two", "ML"): (
        -8485.45300990977,
        [2.061240591376, 0.326691567738, 0.319173233075],
        [
            *(0.999362307642, 0.537659226761, 0.542033229622),
            *(0.377329900924, 0.382812776797, 0.120820710090, 0.804174029896),
        ],
        [
            [-0.8799014568, -0.12135661945, -0.39556771523],
            [-0.8817652825, 0.08885675614, 0.08713224865],
        ],
        [
            [0.41594851083, 0.1223685902082, -0.0546275629460],
            [0.12236859021, 0.2779918006781, -0.0009235069986],
            [-0.05462756295, -0.0009235069986, 0.1760189118731],
        ],
    ),
}
DATA = {"slope": ((2000, 1), {"offset": 1000.0}), "two": ((800, 2), {"largest": 13})}


def reduced_of(groups, slopes, **options):
    formula, table = unbalanced(groups, slopes, **options)
    return rotate_moments(build_design(formula, table).moments())


def by_group(monkeypatch, *, whether):
    """Sum over groups, or over classes, whatever their number."""
    wanted = property(lambda self: whether and self.q > 0)
    monkeypatch.setattr(RotatedMoments, "many_designs", wanted)


def covariance(q, seed=0):
    root = 0.6 * np.tril(np.random.default_rng(seed).normal(size=(q, q)))
    return root @ root.T


@pytest.mark.parametrize(("slopes", "offset"), [(1, 0.0), (2, 0.0), (3, 0.0), (1, 1e7)])
def test_sums_are_those_of_dense_matrices(slopes, offset):
    """20 groups, some of one row, one without variation in x; V = I + Z S Z' is written out."""
    formula, table = unbalanced(20, slopes, offset=offset)
    table["x1"][table["g"] == 7] = offset + 0.25
    design = build_design(formula, table)
    reduced = rotate_moments(design.moments())
    q, p = reduced.q, reduced.p
    s = np.array(
        [covariance(q), np.zeros((q, q)), np.outer(np.arange(1, q + 1), np.arange(1, q + 1))]
    )
    logdet, a = sums_by_group(reduced, s)
    z = np.column_stack([np.ones(design.n), design.Z[:, 1:] - design.Z[:, 1:].mean(axis=0)])
    w = np.column_stack([design.X - reduced.x_mean, design.y - reduced.y_mean])
    same = design.group_term.codes[:, None] == design.group_term.codes
    for k in range(len(s)):
        v = np.eye(design.n) + same * (z @ s[k] @ z.T)
        assert logdet[k] == pytest.approx(np.linalg.slogdet(v)[1], rel=1e-9, abs=1e-9)
        dense = w.T @ np.linalg.solve(v, w)
        # At an offset of 1e7 the columns themselves have 9 digits.
        assert np.allclose(reduced.rest + a[k], dense, rtol=1e-9 if offset == 0 else 1e-6)
    assert a.shape == (3, p + 1, p + 1)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("slopes", [1, 2, 3])
def test_derivatives_are_those_of_differences(slopes, method, monkeypatch):
    by_group(monkeypatch, whether=True)
    reduced = reduced_of(3 * BLOCK // 2, slopes)
    q = reduced.q
    s, sigma_e2 = covariance(q) + 0.1 * np.eye(q), 0.7
    directions = np.array([covariance(q, seed) for seed in range(1, 4)])
    point = derivatives(reduced, s, directions, method, sigma_e2=sigma_e2)

    def value(step):
        at = s + np.tensordot(step[:-1], directions, 1)
        level = np.array([np.log(sigma_e2) + step[-1]])
        return float(profiled_loglik(reduced, at[None], method, log_sigma_e2=level)[0])

    def gradient(step):
        at = s + np.tensordot(step[:-1], directions, 1)
        level = sigma_e2 * float(np.exp(step[-1]))
        return derivatives(reduced, at, directions, method, sigma_e2=level).gradient

    h = 1e-5 * np.eye(4)
    slopes_ = [(value(one) - value(-one)) / 2e-5 for one in h]
    curves = [(gradient(one) - gradient(-one)) / 2e-5 for one in h]
    size = np.abs(point.hessian).max()
    assert np.allclose(point.gradient, slopes_, atol=1e-8 * size)  # rounding of a value, over h
    assert np.allclose(point.hessian, curves, atol=1e-8 * size)


@pytest.mark.parametrize("slopes", [1, 2, 3])
def test_both_ways_of_summing_agree(slopes, monkeypatch):
    reduced = reduced_of(300, slopes)
    s = covariance(reduced.q)
    directions = np.array([covariance(reduced.q, seed) for seed in range(1, 5)])
    found = []
    for whether in (True, False):
        by_group(monkeypatch, whether=whether)
        found.append(derivatives(reduced, s, directions, "REML"))
        assert unidentified(reduced) == ()
    one, other = found
    for name in ("gradient", "hessian", "slope", "beta", "beta_cov", "d_beta"):
        a, b = getattr(one, name), getattr(other, name)
        assert np.abs(a - b).max() <= 1e-11 * np.abs(b).max()
    assert one.loglik == pytest.approx(other.loglik, rel=1e-13)


def test_sums_of_a_weight_are_symmetric_and_positive():
    reduced = reduced_of(200, 2)
    k = reduced.p + 1
    directions = np.array([covariance(3, seed) for seed in (1, 2)])
    sums = curvature_sums(reduced, covariance(3), directions, np.eye(k))
    assert np.allclose(sums.plain, sums.plain.T)
    assert (np.linalg.eigvalsh(sums.plain) > 0).all()
    assert (np.linalg.eigvalsh(sums.inside) > 0).all()
    first = derivative_sums(reduced, covariance(3), directions)
    assert np.allclose(first.a, sums_by_group(reduced, covariance(3)[None])[1][0])


@pytest.mark.parametrize("covariance_", [np.full((2, 2), np.nan), np.full((2, 2), np.inf)])
def test_what_is_not_finite_shows(covariance_):
    logdet, _ = sums_by_group(reduced_of(200, 1), covariance_[None])
    assert not np.isfinite(logdet).any()


def test_large_covariances_have_their_logs():
    """Determinants too large for their product over a block are logged one by one."""
    reduced = reduced_of(200, 1)
    logdet, _ = sums_by_group(reduced, 1e12 * np.eye(2)[None])
    inner = np.eye(2) + 1e12 * reduced.r[reduced.of_group] @ reduced.r[reduced.of_group].swapaxes(
        1, 2
    )
    assert logdet[0] == pytest.approx(np.linalg.slogdet(inner)[1].sum(), rel=1e-9)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("name", ["slope", "two"])
def test_fits_are_those_of_lme4(name, method):
    sizes, options = DATA[name]
    formula, table = unbalanced(*sizes, **options)
    design = build_design(formula, table)
    assert rotate_moments(design.moments()).many_designs
    fit = fit_reml(design, method=method)
    loglik, beta, spread, u, condvar = LME4[name, method]
    assert fit.certificate.ok
    assert fit.loglik == pytest.approx(loglik, abs=2e-8)  # and no lower than lme4's
    q = len(fit.effects)
    lower, upper = np.triu_indices(q, 1)
    if name == "slope":  # lme4's are about x = 1000
        shift = np.array([[1.0, 1000.0], [0.0, 1.0]])
        cov = shift @ fit.cov_u @ shift.T
        sds = np.sqrt(np.diagonal(cov))
        rho = (cov / np.outer(sds, sds))[lower, upper]
        ours = shift @ fit.beta
        effects_, within = fit.u[:2] @ shift.T, shift @ fit.u_cov[fit.u_class[0]] @ shift.T
    else:
        sds, rho, ours = fit.sigma_u, fit.rho_u[lower, upper], fit.beta
        effects_, within = fit.u[:2], fit.u_cov[fit.u_class[0]]
    # lme4 stops within 1e-6 of the optimum.
    assert np.allclose([*sds, *rho, fit.sigma_e], spread, atol=3e-6)
    assert np.allclose(ours, beta, atol=1e-6)
    assert np.allclose(effects_, u, atol=5e-6)
    assert np.allclose(within, condvar, atol=5e-6)


@pytest.mark.parametrize("bar", ["|", "||"])
@pytest.mark.parametrize("method", ["REML", "ML"])
def test_fits_and_intervals_are_those_by_classes(bar, method, monkeypatch):
    formula, table = unbalanced(400, 1)
    design = build_design(formula.replace("|", bar), table)
    searched = []
    monkeypatch.setattr(profile_sd, "solve", lambda *_: searched.append(1) or (np.nan, ""))
    by_group(monkeypatch, whether=True)
    fast = fit_reml(design, method=method)
    assert not searched  # Newton's method found every end
    monkeypatch.undo()
    slow = fit_reml(design, method=method)
    assert not rotate_moments(design.moments()).many_designs
    for name in ("loglik", "beta", "beta_cov", "cov_u", "sigma_e", "theta", "u", "u_sd"):
        a, b = np.asarray(getattr(fast, name)), np.asarray(getattr(slow, name))
        assert np.abs(a - b).max() <= 1e-9 * np.abs(b).max(), name
    assert np.allclose(fast.errors.covariance, slow.errors.covariance, rtol=1e-8, atol=1e-14)
    one, other = fast.intervals, slow.intervals
    for a, b in zip((*one.sigma_u, one.sigma_e), (*other.sigma_u, other.sigma_e), strict=True):
        assert (a.lower, a.upper) == pytest.approx((b.lower, b.upper), rel=1e-9)


def test_a_singular_fit_is_that_by_classes(monkeypatch):
    """The groups' own slopes are taken out: the ends of intervals are searched for."""
    formula, table = unbalanced(120, 1)
    g = table["g"]
    slope = np.array(
        [
            np.polyfit(table["x1"][g == j], table["y"][g == j], 1)[0] if (g == j).sum() > 1 else 0.3
            for j in range(120)
        ]
    )
    table["y"] = table["y"] - (slope[g] - 0.3) * table["x1"]
    design = build_design(formula, table)
    found = []
    for whether in (True, False):
        by_group(monkeypatch, whether=whether)
        found.append(fit_reml(design))
    fast, slow = found
    assert fast.singular
    assert slow.singular
    assert fast.loglik == pytest.approx(slow.loglik, abs=1e-9)
    for a, b in zip(fast.intervals.sigma_u, slow.intervals.sigma_u, strict=True):
        assert (a.lower, a.upper) == pytest.approx((b.lower, b.upper), rel=1e-6)


def test_a_search_that_begins_on_a_part_ends_where_others_do(monkeypatch):
    formula, table = unbalanced(900, 2)
    design = build_design(formula, table)
    whole = fit_reml(design, profile=False)
    monkeypatch.setattr(search, "_PART", 100)
    part = fit_reml(design, profile=False)
    assert len(part.certificate.starts) > 1
    assert part.certificate.ok
    assert part.loglik == pytest.approx(whole.loglik, rel=1e-13)
    assert np.allclose(part.theta, whole.theta, rtol=1e-9)


@pytest.mark.parametrize("slopes", [1, 2])
def test_direct_draws_are_those_by_classes(slopes, monkeypatch):
    """Draw by draw, to the rounding of the differences by which the mode is found."""
    formula, table = unbalanced(150, slopes)
    design = build_design(formula, table)
    found = []
    for whether in (True, False):
        by_group(monkeypatch, whether=whether)
        drawn = sample_direct(
            design, model_priors(design), random_seed=1, draws=100, chains=2, max_effects=100
        )
        found.append(drawn.draws)
    for name in found[0].posterior:
        a, b = found[0][name], found[1][name]
        assert np.abs(a - b).max() <= 1e-6 * np.abs(b).max(), name


def test_summaries_are_those_by_classes(monkeypatch):
    """From the same draws, with an offset of x and a group without variation in it."""
    formula, table = unbalanced(150, 1, offset=50.0)
    table["x1"][table["g"] == 7] = 50.25
    reduced = rotate_moments(build_design(formula, table).moments())
    rng = np.random.default_rng(3)
    root = np.array([[1.0, 0.0], [0.2, 0.5]]) + 0.02 * rng.normal(size=(60, 2, 2))
    conditions = effects.Conditions(
        beta=np.array([2.0, 0.3]) + 0.01 * rng.normal(size=(60, 2)),
        root=root,
        sigma_e=0.8 + 0.01 * rng.normal(size=60),
    )
    found = []
    for whether in (True, False):
        by_group(monkeypatch, whether=whether)
        found.append(
            effects.summarise_effects(reduced, effects.Kernel(reduced=reduced), conditions)
        )
    fast, slow = found
    assert np.abs(fast.mean - slow.mean).max() < 1e-10 * np.abs(slow.mean).max()
    assert np.abs(fast.sd / slow.sd - 1.0).max() < 1e-8
