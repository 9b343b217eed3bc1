"""Leaving out groups and rows: against dense algebra, real refits, and ArviZ."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

import bayes_mlm
from bayes_mlm.assess import loo as loo_module
from bayes_mlm.assess.loo import leave_one_group_out, leave_one_row_out
from bayes_mlm.assess.loo.conditional import Model, make_model
from bayes_mlm.assess.loo.groups import group_densities
from bayes_mlm.assess.loo.refit import without_group
from bayes_mlm.assess.loo.rows import row_densities
from bayes_mlm.design import INTERCEPT, Design, build_design
from bayes_mlm.engines.direct.initialisation import choose_start
from bayes_mlm.engines.direct.joining import join
from bayes_mlm.engines.direct.posterior import Variances
from bayes_mlm.engines.direct.variances import draw_variances
from bayes_mlm.fitting.entry import fit
from bayes_mlm.fitting.result import Fit
from bayes_mlm.model.spec import KINDS
from tests.helpers.loo import FLAT, MODELS, SIZES, grouped, small_fit

# --- dense algebra: what every closed form must equal -----------------------------------------


@dataclasses.dataclass
class Rows:
    y: np.ndarray
    X: np.ndarray
    Z: np.ndarray
    codes: np.ndarray

    def take(self, rows, codes=None):
        codes = self.codes[rows] if codes is None else codes
        return Rows(self.y[rows], self.X[rows], self.Z[rows], codes)

    def __add__(self, more):
        parts = zip(dataclasses.astuple(self), dataclasses.astuple(more), strict=True)
        return Rows(*(np.concatenate(pair) for pair in parts))


def dense_log_density(rows: Rows, model: Model, at: Variances, s: int) -> float:
    """log p(y | theta) of any rows by an n x n covariance; flat coefficients as a limit."""
    design, priors = model.design, model.priors
    n, sigma_e = len(rows.y), math.exp(at.log_sigma_e[s])
    same = rows.codes[:, None] == rows.codes
    K = sigma_e**2 * np.eye(n)
    mean = np.zeros(n)
    flat = []
    if priors.u is not None:
        if priors.u.family == "Flat":
            flat.append((rows.codes[:, None] == np.unique(rows.codes)).astype(float))
        else:
            K += priors.u["sigma"] ** 2 * same
            mean += priors.u["mu"]
    elif design.q:
        root = np.diag(np.exp(at.log_sigma_u[s])) @ at.factor[s]
        if priors.rho_u is not None and INTERCEPT in design.effects:
            # They are of the effects where the columns of Z are at their means.
            transform = np.eye(design.q)
            transform[0, 1:] = -design.Z.mean(axis=0)[1:]
            root = transform @ root
        K += same * (rows.Z @ root @ root.T @ rows.Z.T)
    # The intercept's prior holds at the predictors' means: gamma = free @ beta has the priors.
    free = np.eye(design.p)
    if INTERCEPT in design.terms:
        free[design.terms.index(INTERCEPT)] = design.X.mean(axis=0)
    columns = rows.X @ np.linalg.inv(free)
    mixed = 0
    for k, prior in enumerate(priors.beta):
        if prior.family == "Flat":
            flat.append(columns[:, [k]])
            continue
        variance = prior["sigma"] ** 2
        if prior.family == "StudentT":
            variance *= math.exp(at.log_scale[s, mixed])
            mixed += 1
        K += variance * np.outer(columns[:, k], columns[:, k])
        mean += prior["mu"] * columns[:, k]
    F = np.concatenate([np.empty((n, 0)), *flat], axis=1)
    inverse = np.linalg.inv(K)
    information = F.T @ inverse @ F
    gls = np.linalg.solve(information, F.T @ inverse @ (rows.y - mean)) if F.size else np.zeros(0)
    e = rows.y - mean - F @ gls
    logdets = np.linalg.slogdet(K)[1] + (np.linalg.slogdet(information)[1] if F.size else 0.0)
    return -0.5 * ((n - F.shape[1]) * math.log(2 * math.pi) + logdets + e @ inverse @ e)


def rows_of(design: Design) -> Rows:
    return Rows(design.y, design.X, design.Z, design.codes)


def test_every_kind_is_tried():
    kinds = {options.get("kind", "partial_pooling") for _, options in MODELS.values()}
    assert kinds == set(KINDS)


@pytest.mark.parametrize("name", MODELS)
def test_densities_are_those_of_dense_algebra(name):
    model = make_model(small_fit(name), None, 3)
    rows, design = rows_of(model.design), model.design
    groups = group_densities(model, model.at)
    by_row = list(row_densities(model, model.at))
    order = np.concatenate([block.places for block in by_row])
    assert sorted(order) == list(range(design.n))
    loo, lpd = np.empty((2, design.n, 3))
    for block in by_row:
        loo[block.places], lpd[block.places] = block.loo, block.lpd
    for s in range(3):
        whole = dense_log_density(rows, model, model.at, s)
        for j in range(design.J):
            inside = np.flatnonzero(design.codes == j)
            others = np.flatnonzero(design.codes != j)
            want = whole - dense_log_density(rows.take(others), model, model.at, s)
            # Both in double precision; the dense inverse of a matrix of condition 1e5 or so.
            assert groups.loo[j, s] == pytest.approx(want, abs=1e-8)
            twice = rows + rows.take(inside, np.full(len(inside), design.J))
            want = dense_log_density(twice, model, model.at, s) - whole
            assert groups.lpd[j, s] == pytest.approx(want, abs=1e-8)
        for i in range(design.n):
            others = np.delete(np.arange(design.n), i)
            want = whole - dense_log_density(rows.take(others), model, model.at, s)
            assert loo[i, s] == pytest.approx(want, abs=1e-8)
            twice = rows + rows.take(np.array([i]))
            want = dense_log_density(twice, model, model.at, s) - whole
            assert lpd[i, s] == pytest.approx(want, abs=1e-8)


def test_rows_of_a_flat_no_pooling_model():
    data = grouped((5, 3, 8, 2, 6))
    fitted = fit(
        "y ~ x", data, kind="no_pooling", group="g", priors={"u": "Flat"} | FLAT_BETA, random_seed=1
    )
    model = make_model(fitted, None, 2)
    rows = rows_of(model.design)
    (block,) = row_densities(model, model.at)
    for s in range(2):
        whole = dense_log_density(rows, model, model.at, s)
        for place, i in enumerate(block.places):
            others = np.delete(np.arange(model.design.n), i)
            want = whole - dense_log_density(rows.take(others), model, model.at, s)
            assert block.loo[place, s] == pytest.approx(want, abs=1e-8)


FLAT_BETA = {"beta": "Flat"}


def test_an_offset_and_small_units_cost_no_digits():
    data = grouped()
    one = make_model(fit("y ~ x + (x | g)", data, random_seed=1), None, 20)
    units = 1e-6
    moved = data | {"y": (data["y"] + 1e6) * units, "x": data["x"] + 2000.0}
    design = build_design("y ~ x + (x | g)", moved)
    at = dataclasses.replace(
        one.at,
        log_sigma_u=one.at.log_sigma_u + math.log(units),
        log_sigma_e=one.at.log_sigma_e + math.log(units),
    )
    fitted = dataclasses.replace(small_fit("slope"), design=design)
    two = make_model(with_priors(fitted, one, units), None, 20)
    levels = math.log(units) * np.array(SIZES)[:, None]
    # y is held to 1e-16 x 1e6 of its spread.
    np.testing.assert_allclose(
        group_densities(two, at).loo + levels,
        group_densities(one, one.at).loo,
        atol=1e-5,
    )
    (new,), (old,) = row_densities(two, at), row_densities(one, one.at)
    np.testing.assert_allclose(new.loo + math.log(units), old.loo, atol=1e-5)


def with_priors(fitted: Fit, model: Model, units: float) -> Fit:
    """Give a fit the priors of a model in other units, its mean outcome moved by 1e6."""
    moved = []
    for term, prior in zip(fitted.design.terms, model.priors.beta, strict=False):
        mu = (prior["mu"] + (1e6 if term == INTERCEPT else 0.0)) * units
        values = (("mu", mu), ("sigma", prior["sigma"] * units))
        moved.append(dataclasses.replace(prior, parameters=values))
    return dataclasses.replace(fitted, priors=dataclasses.replace(model.priors, beta=tuple(moved)))


# --- against fits without the part --------------------------------------------------------------


def log_z(model: Model, group: int | None) -> float:
    """Give log Z of all groups, or of all but one, by the direct engine's own integral."""
    statistics = model.statistics if group is None else without_group(model, group)
    problem = join(statistics, model.priors, means=model.joined.means, aliased=True).problem
    rng = np.random.default_rng(5)
    return draw_variances(problem, choose_start(problem), 4000, rng).report.log_marginal_likelihood


def dense_log_z(model: Model, rows: Rows) -> float:
    """Give log Z of a random-intercept model by a sum over a grid and dense matrices."""
    priors = model.priors
    grid_u, grid_e = np.linspace(-8.0, 6.5, 88), np.linspace(-1.6, 4.4, 90)
    log_u, log_e = (m.ravel() for m in np.meshgrid(grid_u, grid_e, indexing="ij"))
    at = Variances(
        log_sigma_u=log_u[:, None],
        factor=np.ones((len(log_u), 1, 1)),
        log_sigma_e=log_e,
        log_scale=np.empty((len(log_u), 0)),
    )
    value = np.array([dense_log_density(rows, model, at, s) for s in range(len(log_u))])
    for prior, log_sd in ((priors.sigma_u[0], log_u), (priors.sigma_e, log_e)):
        # Half a Student's t on the sd, and the derivative of the sd by its log.
        half_t = stats.t(prior["nu"], scale=prior["sigma"])
        value += math.log(2) + half_t.logpdf(np.exp(log_sd)) + log_sd
    cell = (grid_u[1] - grid_u[0]) * (grid_e[1] - grid_e[0])
    return float(np.logaddexp.reduce(value)) + math.log(cell)


@pytest.mark.parametrize(
    ("formula", "options", "tolerance"),
    [
        # Monte Carlo error of 4,000 draws, weighted: 0.02 for the group that matters most.
        ("reaction ~ days + (1 | subject)", {}, 0.1),
        # Here Z itself has an error of some 0.01, twice, and the weights have longer tails.
        ("reaction ~ days + (days | subject)", {}, 0.2),
        ("reaction ~ days + (days || subject)", {}, 0.2),
        ("reaction ~ days + (1 | subject)", {"priors": {"beta": "StudentT(3, 0, 5)"}}, 0.2),
    ],
    ids=["intercept", "slope", "independent", "student"],
)
def test_groups_against_real_refits_by_the_marginal_likelihood(formula, options, tolerance):
    fitted = fit(formula, "sleepstudy", random_seed=1, **options)
    found = leave_one_group_out(fitted)
    model = make_model(fitted, None, 100)
    whole = log_z(model, None)
    assert whole == pytest.approx(fitted.report.log_marginal_likelihood, abs=0.1)
    want = np.array([whole - log_z(model, j) for j in range(18)])
    np.testing.assert_allclose(found.pointwise, want, atol=tolerance)
    # The stated error is right: four of them, and that of the 19 integrals of the slope model.
    assert abs(found.elpd - want.sum()) < 4 * found.mcse + (0.3 if "(days |" in formula else 0)
    assert found.verdict.ok


def test_a_few_schools_against_real_refits():
    fitted = bayes_mlm.fit("hsb_sector_ses", random_seed=1)
    found = leave_one_group_out(fitted)
    model = make_model(fitted, None, 100)
    whole = log_z(model, None)
    for j in (0, 7, 80, 159):
        # One school of 160 hardly moves the posterior: the weights are all but equal.
        assert found.pointwise[j] == pytest.approx(whole - log_z(model, j), abs=0.01)


@pytest.fixture(scope="module")
def unlike():
    """Fit three groups of which one is unlike the others."""
    data = grouped((6, 6, 6), sd=0.2)
    data["y"] = data["y"] + np.where(data["g"] == 2, 30.0, 0.0)
    return fit("y ~ x + (1 | g)", data, random_seed=1)


def test_three_groups_are_fitted_without_where_weights_cannot_tell(unlike):
    found = leave_one_group_out(unlike)
    assert found.refitted[2]
    assert found.k_hat[2] > 0.7
    assert "by a fit without" in str(found.verdict)
    assert found.verdict.findings[0].ok
    model = make_model(unlike, None, 100)
    rows = rows_of(unlike.design)
    whole = dense_log_z(model, rows)
    # A grid of steps of a sixth of a log over a smooth density that vanishes at its ends.
    assert whole == pytest.approx(unlike.report.log_marginal_likelihood, abs=1e-3)
    others = dense_log_z(model, rows.take(np.flatnonzero(rows.codes != 2)))
    assert found.pointwise[2] == pytest.approx(whole - others, abs=2e-3)
    # The weights alone would have been far off.
    assert abs(raw_weights(unlike)[2] - found.pointwise[2]) > 0.02


def raw_weights(fitted):
    model = make_model(fitted, None, 4000)
    loo = group_densities(model, model.at).loo
    return -np.log(np.exp(-loo).mean(axis=1))


def test_a_row_that_moves_the_posterior_too_far_is_fitted_without():
    data = grouped((6, 6, 6))
    data["y"] = data["y"] + np.where(np.arange(18) == 3, 60.0, 0.0)
    fitted = fit("y ~ x + (1 | g)", data, random_seed=1)
    found = leave_one_row_out(fitted)
    assert list(np.flatnonzero(found.refitted)) == [3]
    model = make_model(fitted, None, 100)
    rows = rows_of(fitted.design)
    want = dense_log_z(model, rows) - dense_log_z(model, rows.take(np.delete(np.arange(18), 3)))
    assert found.pointwise[3] == pytest.approx(want, abs=2e-3)


def test_flat_priors_leave_what_a_fit_without_gives_defined():
    # log Z has no meaning with flat coefficients; the difference has: the dense one, whose flat
    # priors are a limit.
    data = grouped((6, 6, 6), sd=0.2)
    data["y"] = data["y"] + np.where(data["g"] == 2, 30.0, 0.0)
    fitted = fit("y ~ x + (1 | g)", data, priors=FLAT, random_seed=1)
    found = leave_one_group_out(fitted)
    assert found.refitted[2]
    model, rows = make_model(fitted, None, 100), rows_of(fitted.design)
    others = rows.take(np.flatnonzero(rows.codes != 2))
    want = dense_log_z(model, rows) - dense_log_z(model, others)
    assert found.pointwise[2] == pytest.approx(want, abs=2e-3)


def test_weights_that_fail_are_not_believed_in_silence(unlike, monkeypatch):
    monkeypatch.setattr(loo_module, "MAX_REFITTED", 0)
    found = leave_one_group_out(unlike)
    assert found.n_refitted == 0
    assert not found.verdict.ok
    assert "g 2" in str(found.verdict)


# --- against ArviZ ------------------------------------------------------------------------------


def test_rows_are_what_arviz_estimates():
    import arviz as az

    fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    draws, design = fitted.draws, fitted.design
    mean = draws["beta"] @ design.X.T + draws["u"][..., 0][..., design.codes]
    log_lik = stats.norm.logpdf(design.y, mean, draws["sigma_e"][..., None])
    tree = az.from_dict({"posterior": {"b": draws["beta"]}, "log_likelihood": {"y": log_lik}})
    theirs = az.loo(tree, pointwise=True)
    ours = leave_one_row_out(fitted)
    # Of 180 rows: theirs misses by 0.2 on average over seeds 1-3 (their k-hat reaches 0.6); the
    # largest difference of a row was 0.14.
    assert ours.elpd == pytest.approx(theirs.elpd, abs=0.6)
    assert ours.p == pytest.approx(theirs.p, abs=0.6)
    assert ours.se == pytest.approx(theirs.se, abs=0.2)
    np.testing.assert_allclose(ours.pointwise, np.ravel(theirs.elpd_i), atol=0.25)
    # What integrating buys: weights that hardly vary.
    assert ours.k_hat.max() < np.max(theirs.pareto_k)


def test_each_of_few_groups_is_left_out_by_a_fit_without_it():
    """Importance weights miss the tail that the sd of three groups has without one of them."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(3), 8)
    y = np.array([0.0, 0.3, 6.0])[g] + rng.normal(size=24)
    fitted = fit("y ~ 1 + (1 | g)", {"g": g, "y": y}, random_seed=1)
    found = leave_one_group_out(fitted)
    assert found.refitted.all()
    assert found.mcse < 1e-3
    model = make_model(fitted, None, 100)
    want = [log_z(model, None) - log_z(model, j) for j in range(3)]
    np.testing.assert_allclose(found.pointwise, want, atol=1e-3)
