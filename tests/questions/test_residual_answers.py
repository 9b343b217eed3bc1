"""What is asked of a fit whose residuals have a structure: leave-one-out, predictions, figures."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import logsumexp

from bayes_mlm import (
    build_design,
    comparisons,
    contextual_effects,
    fit,
    group_lines,
    hausman,
    leave_one_group_out,
    leave_one_row_out,
    load_dataset,
    loo_compare,
    predict,
    prior_sensitivity,
    summarise,
    variance_by_level,
)
from bayes_mlm.base.errors import BayesMLMError, DataError
from bayes_mlm.figures import ladder_figures, model_figures
from bayes_mlm.figures.residuals import standardised_residuals
from bayes_mlm.fitting import Estimate, estimate_design
from bayes_mlm.fitting.request import as_request
from bayes_mlm.fitting.residuals import make_outcomes, residual_draws
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.fitting.structured_densities import (
    conditional_model,
    group_log_densities,
    row_log_densities,
)
from bayes_mlm.report.equations import equations
from bayes_mlm.report.page import Origin
from bayes_mlm.report.rendering import render_report
from tests.helpers.residuals import covariance

GROWTH = "distance ~ I(age - 11) * sex + (1 | subject)"
SLOPES = "distance ~ I(age - 11) * sex + (I(age - 11) | subject)"
BOTH, STUDENT = {"sigma": "sex", "ar": "age"}, {"family": "student_t"}


@pytest.fixture(scope="module")
def made(mock_fit):
    """Fits about the REML estimates; their draws need not be a posterior to be computed with."""

    def make(formula=GROWTH, residual=BOTH, draws=60, data="orthodont", **changes):
        structure = {key: one for key, one in residual.items() if key != "family"}
        request = as_request(formula, data, residual=structure, family=residual.get("family"))
        return mock_fit(request, draws=draws, **changes)

    return make


def dense(fit, s):
    """Give mean given beta, cov(u) and residual covariance of one draw, written out."""
    design, draws = fit.design, fit.draws
    flat = {k: v.values.reshape(-1, *v.values.shape[2:]) for k, v in draws.posterior.items()}
    sds = flat["sigma_e_by"][s] if "sigma_e_by" in flat else flat["sigma_e"][[s]]
    rho = flat["rho_e"][s] if "rho_e" in flat else 0.0
    sigma_u = np.atleast_1d(flat["sigma_u"][s])
    same = design.codes[:, None] == design.codes[None]
    spread = np.where(same, design.Z @ np.diag(sigma_u**2) @ design.Z.T, 0.0)
    noise = covariance(design.residual, sds, rho, design.codes)
    return design.X @ flat["beta"][s], spread, noise, flat


# --- leave-one-out --------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", [GROWTH, SLOPES])
@pytest.mark.parametrize("residual", [BOTH, {"sigma": "sex"}, {"ar": "age"}])
def test_densities_of_groups_and_rows_are_those_of_the_covariance_written_out(
    made, formula, residual
):
    own = made(formula, residual, draws=4)
    model = conditional_model(own, None, 4)
    groups = group_log_densities(model)
    rows = [np.array(pair) for pair in row_log_densities(model)]
    chosen = np.linspace(0, 15, 4).astype(int)
    for k, s in enumerate(chosen):
        mean, spread, noise, flat = dense(own, s)
        y, codes = own.design.y, own.design.codes
        for j in (0, 5, 26):
            part = codes == j
            V = (spread + noise)[np.ix_(part, part)]
            expected = stats.multivariate_normal(mean[part], V).logpdf(y[part])
            assert groups[j, k] == pytest.approx(expected, abs=1e-8)
        u = flat["u"][s]
        given_u = mean + (own.design.Z * u[codes]).sum(axis=1)
        for row in (0, 3, 17):
            part = np.flatnonzero(codes == codes[row])
            i = int(np.flatnonzero(part == row)[0])
            others = np.delete(np.arange(part.size), i)
            place = int(np.flatnonzero(model.order == row)[0])
            for which, (m, whole) in enumerate([(mean, spread + noise), (given_u, noise)]):
                V = whole[np.ix_(part, part)]
                weight = np.linalg.solve(V[np.ix_(others, others)], V[others, i])
                left = (y - m)[part]
                centre = weight @ left[others]
                sd = np.sqrt(V[i, i] - weight @ V[others, i])
                expected = stats.norm(centre, sd).logpdf(left[i])
                assert rows[k][which, place] == pytest.approx(expected, abs=1e-8)


def test_groups_of_student_t_residuals_are_integrated_over_their_effects(made):
    own = made(GROWTH, STUDENT, draws=4)
    found = group_log_densities(conditional_model(own, None, 16))
    for s in (0, 5):
        mean, _, _, flat = dense(own, s)
        nu, sd, sigma_u = flat["nu"][s], flat["sigma_e"][s], flat["sigma_u"][s]
        scale = sd * np.sqrt((nu - 2) / nu)
        for j in (0, 12, 24):
            part = own.design.codes == j
            left = (own.design.y - mean)[part]

            def density(u, left=left, nu=nu, scale=scale, sigma_u=sigma_u):
                return np.exp(
                    stats.t(nu, u, scale).logpdf(left).sum() + stats.norm(0, sigma_u).logpdf(u)
                )

            total, _ = integrate.quad(density, -15, 15, points=[left.mean()], limit=400)
            # 15 points; a hundredth of a percent of the density is far below Monte Carlo error.
            assert found[j, s] == pytest.approx(np.log(total), abs=1e-4)


def test_two_effects_of_student_t_residuals_are_integrated_too(made):
    own = made(SLOPES, STUDENT, draws=4)
    found = group_log_densities(conditional_model(own, None, 16))
    mean, _, _, flat = dense(own, 0)
    nu, scale = flat["nu"][0], flat["sigma_e"][0] * np.sqrt((flat["nu"][0] - 2) / flat["nu"][0])
    grids = [np.linspace(-8 * sd, 8 * sd, 401) for sd in flat["sigma_u"][0]]
    area = np.prod([grid[1] - grid[0] for grid in grids])
    a, b = np.meshgrid(*grids, indexing="ij")
    prior = sum(
        stats.norm(0, sd).logpdf(x) for sd, x in zip(flat["sigma_u"][0], (a, b), strict=True)
    )
    for j in (0, 20):
        part = own.design.codes == j
        left, Z = (own.design.y - mean)[part], own.design.Z[part]
        logs = prior.copy()
        for row, z in zip(left, Z, strict=True):
            logs += stats.t(nu, 0, scale).logpdf(row - z[0] * a - z[1] * b)
        assert found[j, 0] == pytest.approx(logsumexp(logs) + np.log(area), abs=2e-3)


def test_a_structure_that_says_nothing_leaves_out_as_the_plain_model(made):
    """One sd a stratum and the draws of a plain fit: the two ways must agree."""
    plain = fit(GROWTH, "orthodont", random_seed=1, draws=500)
    design = build_design(GROWTH, load_dataset("orthodont"), residual={"sigma": "sex"})
    sigma = plain.draws.posterior["sigma_e"]
    both = replace(
        sigma, dims=(*sigma.dims, "stratum"), values=np.repeat(sigma.values[..., None], 2, axis=2)
    )
    own = replace(
        plain,
        design=design,
        draws=replace(plain.draws, posterior={**plain.draws.posterior, "sigma_e_by": both}),
    )
    for measure in (leave_one_group_out, leave_one_row_out):
        one, other = measure(plain), measure(own)
        # Weights over the coefficients too: a Monte Carlo error of some 0.1 in all.
        assert other.elpd == pytest.approx(one.elpd, abs=4 * np.hypot(one.mcse, other.mcse))
        np.testing.assert_allclose(other.pointwise, one.pointwise, atol=0.25)


def test_models_are_compared_with_the_gaussian_at_both_levels(made):
    plain = fit(GROWTH, "orthodont", random_seed=1)
    found = loo_compare([plain, made(residual=STUDENT, draws=250), made(draws=250)])
    for criterion in ("group", "row"):
        rows = found.by(criterion)
        assert len(rows) == 3
        assert all(np.isfinite(row.value) for row in rows)
        assert any("Student-t" in row.model for row in rows)
    notes = [row.note for row in found.by("marginal_likelihood")]
    assert any("Student-t outcomes" in note for note in notes)


# --- predictions ----------------------------------------------------------------------------------


def joint(own, s, new, u_known=True):
    """Mean and covariance of new outcomes given u and all outcomes of the group, written out."""
    design, rows = own.design, own.design.residual
    mean, _, _, flat = dense(own, s)
    given_u = mean + (design.Z * flat["u"][s][design.codes]).sum(axis=1)
    table = {"I(age - 11)": new["age"] - 11.0, "male": np.array(new["sex"]) == "Male"}
    X = np.column_stack(
        [np.ones(len(new["age"])), table["I(age - 11)"], table["male"],
         table["I(age - 11)"] * table["male"]]
    )  # fmt: skip
    j = [list(map(str, design.labels)).index(label) for label in new["subject"]]
    centre = X @ flat["beta"][s] + flat["u"][s][j, 0]
    part = design.codes == j[0]
    times = np.concatenate([rows.time[part], new["age"]]) / rows.step
    levels = [rows.levels.index(sex) for sex in new["sex"]]
    sd = flat["sigma_e_by"][s][np.concatenate([rows.stratum[part], levels])]
    V = sd[:, None] * float(flat["rho_e"][s]) ** np.abs(times[:, None] - times[None]) * sd
    old, fresh = np.arange(part.sum()), np.arange(part.sum(), len(times))
    weight = np.linalg.solve(V[np.ix_(old, old)], V[np.ix_(old, fresh)]).T
    left = (design.y - given_u)[part]
    return centre + weight @ left, V[np.ix_(fresh, fresh)] - weight @ V[np.ix_(old, fresh)]


def test_an_outcome_near_in_time_takes_its_share_of_the_residuals(made):
    own = made(draws=25)
    own = replace(
        own,
        draws=replace(
            own.draws,
            posterior={
                **own.draws.posterior,
                "rho_e": replace(
                    own.draws.posterior["rho_e"],
                    values=np.abs(own.draws["rho_e"]) + 0.3,  # so that it is seen
                ),
            },
        ),
    )
    new = {"age": np.array([9.0, 13.0, 16.0]), "sex": ["Male"] * 3, "subject": ["M01"] * 3}
    found = predict(own, new, kind="observation", draws=True, likelihood=False)
    parts = [joint(own, s, new) for s in range(100)]
    mean = np.mean([one[0] for one in parts], axis=0)
    within = np.mean([np.diag(one[1]) for one in parts], axis=0)
    sd = np.sqrt(np.var([one[0] for one in parts], axis=0, ddof=1) + within)
    assert found.mean == pytest.approx(mean, rel=1e-9)
    assert found.sd == pytest.approx(sd, rel=1e-9)


def test_draws_of_rows_near_in_time_are_alike(made):
    own = made(draws=4)
    s = 2
    one = {
        name: replace(v, values=np.repeat(v.values.reshape(-1, *v.values.shape[2:])[[s]], 40_000, 0)
                      .reshape(4, 10_000, *v.values.shape[2:]))
        for name, v in own.draws.posterior.items()
    }  # fmt: skip
    many = replace(own, draws=replace(own.draws, posterior=one))
    new = {"age": np.array([13.0, 16.0, 18.0]), "sex": ["Male"] * 3, "subject": ["M01"] * 3}
    drawn = predict(many, new, kind="observation", draws=True, likelihood=False).draws
    mean, V = joint(own, s, new)
    # 40,000 draws: an error of an sd's hundredth or so.
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=4 * np.sqrt(V.max() / 40_000))
    np.testing.assert_allclose(np.cov(drawn.T), V, atol=5 * V.max() * np.sqrt(2 / 40_000))


def test_reml_predicts_an_outcome_with_all_that_its_group_tells(made):
    """BLUP and its error from the covariance of old and new outcomes, written out (Henderson)."""
    own = made(draws=4)
    design, rows = own.design, own.design.residual
    reml = estimate_design(design).solution
    new = {"age": np.array([9.0, 16.0]), "sex": ["Male"] * 2, "subject": ["M01", "M02"]}
    found = predict(own, new, kind="observation").plug_in
    sds, rho = reml.residual.sigma_e, reml.residual.rho_e
    for k in range(2):
        X = np.array([1.0, new["age"][k] - 11, 1.0, new["age"][k] - 11])
        j = list(map(str, design.labels)).index(new["subject"][k])
        same = design.codes == j
        V = covariance(rows, sds, rho, design.codes) + np.where(
            design.codes[:, None] == design.codes[None], reml.cov_u[0, 0], 0.0
        )
        steps = np.abs(rows.time - new["age"][k]) / rows.step
        # Half a step from both neighbours, a correlation is defined for positive ones only.
        power = np.where(steps == np.round(steps), rho ** np.round(steps), rho**steps)
        c = np.where(same, reml.cov_u[0, 0] + sds[1] ** 2 * power, 0.0)
        weight = np.linalg.solve(V, c)
        d = X - design.X.T @ weight
        estimate = X @ reml.beta + weight @ (design.y - design.X @ reml.beta)
        variance = reml.cov_u[0, 0] + sds[1] ** 2 - c @ weight + d @ reml.beta_cov @ d
        assert found.estimate[k] == pytest.approx(estimate, rel=1e-7)
        assert found.se[k] == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_an_own_sd_for_each_level_and_heavy_tails_reach_the_predictions(made):
    own = made(residual={"sigma": "sex"}, draws=50)
    new = {"age": [10, 10], "sex": ["Female", "Male"]}
    found = predict(own, new, question="new_group", kind="observation", likelihood=False)
    draws = residual_draws(own.draws)
    sigma_u = own.draws["sigma_u"].ravel()
    between = sigma_u**2
    expected = np.sqrt(between[:, None] + draws.sds**2)
    assert found.sd == pytest.approx(
        np.sqrt(np.square(expected).mean(axis=0) + _var_of_mean(own, new)), rel=1e-9
    )
    with pytest.raises(DataError, match=r"'Boy'.*known: 'Female', 'Male'|Boy"):
        predict(own, {"age": [10], "sex": ["Boy"]}, question="new_group", kind="observation")
    heavy = made(residual=STUDENT, draws=4000)
    one = predict(heavy, new, question="population", kind="observation", prob=0.5, likelihood=False)
    drawn = predict(
        heavy, new, question="population", kind="observation", draws=True, likelihood=False
    ).draws
    assert one.lower == pytest.approx(np.quantile(drawn, 0.25, axis=0), abs=0.1)


def _var_of_mean(own, new):
    beta = own.draws["beta"].reshape(-1, 4)
    X = np.column_stack([np.ones(2), [-1, -1], [0, 1], [0, -1]])
    return (beta @ X.T).var(axis=0, ddof=1)


def test_residuals_made_from_draws_have_their_structure(made):
    own = made(draws=4)
    one = residual_draws(own.draws)
    rng = np.random.default_rng(1)
    drawn = np.array([make_outcomes(own.design, one, 0, 0.0, rng) for _ in range(20_000)])
    V = covariance(own.design.residual, one.sds[0], one.rho[0], own.design.codes)
    part = own.design.codes == 3
    np.testing.assert_allclose(np.cov(drawn[:, part].T), V[np.ix_(part, part)], atol=0.15)
    heavy = made(residual=STUDENT, draws=4)
    one = residual_draws(heavy.draws)
    drawn = np.array([make_outcomes(heavy.design, one, 0, 0.0, rng) for _ in range(2_000)]).ravel()
    scale = one.sds[0, 0] * np.sqrt((one.others["nu"][0] - 2) / one.others["nu"][0])
    assert stats.kstest(drawn / scale, stats.t(one.others["nu"][0]).cdf).pvalue > 1e-3


# --- the rest of the package ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def analysed(made):
    def make(residual):
        own = made(residual=residual, draws=100)
        found = analyse(own.request, None, engines=["reml"])
        summaries = (summarise(own), *found.summaries)
        return replace(found, fits=(own,), summaries=summaries)

    return make


@pytest.mark.parametrize("residual", [BOTH, {"sigma": "sex"}, {"ar": "age"}, STUDENT])
def test_every_figure_and_the_report_can_be_made(analysed, residual, request):
    analysis = analysed(residual)
    if residual not in (BOTH, STUDENT):  # their figures are drawn as those of BOTH are
        request.getfixturevalue("undrawn")
    names = {entry.name for entry, _ in model_figures(analysis)}
    assert {"densities", "prior-posterior", "predictive", "row-residuals", "group-residuals",
            "loo-groups", "traces"} <= names  # fmt: skip
    assert [entry.name for entry, _ in ladder_figures([analysis])]
    page = render_report([analysis], Origin(title="Growth"))
    if "sigma" in residual:
        assert "sigma_e[sex=Male]" in page
    assert len(equations(analysis.design)) == 5


@pytest.mark.parametrize("residual", [BOTH, STUDENT])
def test_every_question_has_an_answer(made, residual):
    own = made(residual=residual, draws=100)
    assert len(variance_by_level(own).rows) > 5
    assert group_lines(own)
    assert comparisons(own, "sex", at={"age": [8, 14]}).rows
    with pytest.raises(BayesMLMError):
        prior_sensitivity([own.request])
    classical = Estimate(solution=estimate_design(own.design).solution, design=own.design).summary()
    assert (
        "REML takes them as normal" in str([f.message for f in classical.verdict.findings])
    ) == (residual is STUDENT)


def test_levels_are_told_apart_with_a_structure(made):
    own = made(
        "mathach ~ ses + between(ses) + (1 | schoolid)", {"sigma": "sector"}, data="hsb", draws=20
    )
    assert any("independent, with one sd" in note for note in hausman(own.design).notes)
    assert contextual_effects(own).rows


def test_whitened_residuals_are_standard_normal_if_the_structure_is_right(made):
    own = made(draws=30)
    rng = np.random.default_rng(2)
    one = residual_draws(own.draws).mean
    fitted = 0.0
    drawn = []
    for _ in range(300):
        y = make_outcomes(own.design, one, 0, 0.0, rng)
        again = replace(own, design=own.design.with_arrays(y=y))
        drawn.append(standardised_residuals(again, fitted))
    assert stats.kstest(np.ravel(drawn), stats.norm.cdf).pvalue > 1e-3
    heavy = made(residual=STUDENT, draws=30)
    one = residual_draws(heavy.draws).mean
    drawn = [
        standardised_residuals(
            replace(
                heavy,
                design=heavy.design.with_arrays(y=make_outcomes(heavy.design, one, 0, 0.0, rng)),
            ),
            fitted,
        )
        for _ in range(300)
    ]
    assert stats.kstest(np.ravel(drawn), stats.norm.cdf).pvalue > 1e-3
