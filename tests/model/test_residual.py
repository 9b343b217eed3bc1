"""Residuals that differ in variance, are AR(1) or Student-t: rows, whitening, REML, the model."""

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from bayes_mlm import build_design, fit, fit_reml, load_dataset, load_fit, save_fit, summarise
from bayes_mlm.base.errors import BayesMLMError, DataError, PriorError, SpecError
from bayes_mlm.data.table import as_table, take
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.fitting.derived import correlation_at
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.likelihood.default_priors import model_priors
from bayes_mlm.likelihood.effect_centring import design_transform
from bayes_mlm.likelihood.pymc.models import partial_pooling, pooled
from bayes_mlm.model.priors import parse_prior
from bayes_mlm.model.residual import Residual, as_residual, lay_out_residual, log_spread, whiten
from bayes_mlm.model.residual.whitening import colour
from bayes_mlm.studies.record import dump_record, load_record, record_of
from tests.helpers import REFERENCE

# lme() of nlme 3.1; the calls are in residual.R.
NLME = {c["id"]: c for c in json.loads((REFERENCE / "residual.json").read_text())["cases"]}
GROWTH = "distance ~ I(age - 11) * sex + (1 | subject)"


def table_of(name):
    sleep = load_dataset("sleepstudy")
    subject, days = sleep.columns["subject"], sleep.columns["days"]
    seen = ~((subject == 308) & (days == 4)) & ~((subject == 309) & np.isin(days, [2, 3]))
    return {"sleep": sleep, "gaps": take(sleep, seen)}.get(name) or load_dataset(name)


def design_of(case):
    return build_design(case["formula"], table_of(case["data"]), residual=case["residual"])


def covariance(rows, sds, rho, codes):
    """Write the covariance of the residuals out: a correlation for each pair of one group."""
    n = rows.stratum.size
    sd = np.asarray(sds)[rows.stratum]
    same = codes[:, None] == codes[None]
    if rows.spec.ar is None:
        return np.diag(sd**2)
    steps = np.abs(rows.time[:, None] - rows.time[None]) / rows.step
    steps = np.round(steps) if rows.whole else steps
    power = np.where(same, np.where(steps == 0, 1.0, float(rho) ** np.where(same, steps, 1.0)), 0)
    power[range(n), range(n)] = 1.0
    return sd[:, None] * power * sd


def dense_loglik(design, cov_u, sds, rho):
    """REML log-likelihood from the whole covariance matrix (Searle, Casella & McCulloch 1992)."""
    same = design.codes[:, None] == design.codes[None]
    V = covariance(design.residual, sds, rho, design.codes)
    V = V + np.where(same, design.Z @ cov_u @ design.Z.T, 0.0)
    inverse = np.linalg.inv(V)
    information = design.X.T @ inverse @ design.X
    beta = np.linalg.solve(information, design.X.T @ inverse @ design.y)
    left = design.y - design.X @ beta
    logs = np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1]
    return -0.5 * ((design.n - design.p) * np.log(2 * np.pi) + logs + left @ inverse @ left)


# --- rows -----------------------------------------------------------------------------------------


@st.composite
def panels(draw):
    """Persons with some times each, in any order, and a factor."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    codes = np.repeat(np.arange(4), rng.integers(2, 6, size=4))
    whole = draw(st.booleans())
    times = np.concatenate(
        [
            rng.choice(9, np.count_nonzero(codes == j), replace=False)
            if whole
            else rng.uniform(0, 9, np.count_nonzero(codes == j))
            for j in range(4)
        ]
    ).astype(float)
    order = rng.permutation(codes.size)
    level = np.resize([0, 1, 1], codes.size)
    table = as_table({"t": times[order], "f": level, "g": codes[order]})
    asked = Residual(ar="t", sigma=draw(st.sampled_from([None, "f"])))
    rho = draw(st.floats(0.0, 0.95)) if not whole else draw(st.floats(-0.9, 0.95))
    rows = lay_out_residual(asked, table, codes[order], list(range(4)), "g")
    if not rows.whole:
        rho = abs(rho)
    return rows, codes[order], np.array([1.5, 0.7])[: rows.n_sds], rho


@given(panels())
def test_whitening_makes_residuals_independent_of_sd_one(panel):
    rows, codes, sds, rho = panel
    V = covariance(rows, sds, rho, codes)
    root = whiten(rows, np.eye(len(codes)), sds, rho)
    # Rounding of 1 - rho^2d for rho near 1.
    np.testing.assert_allclose(root @ V @ root.T, np.eye(len(codes)), atol=1e-9)
    assert log_spread(rows, sds, rho) == pytest.approx(0.5 * np.linalg.slogdet(V)[1], abs=1e-9)
    white = np.linspace(-1, 2, len(codes))
    np.testing.assert_allclose(
        whiten(rows, colour(rows, white, sds, rho), sds, rho), white, atol=1e-9
    )


@given(panels(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(panel, random):
    rows, codes, sds, rho = panel
    order = np.array(random.sample(range(len(codes)), len(codes)))
    values = np.linspace(-1, 1, len(codes)) ** 3
    moved = whiten(rows.take(order), values[order], sds, rho)
    np.testing.assert_allclose(moved, whiten(rows, values, sds, rho)[order])


def test_time_is_in_steps_of_the_smallest_gap_where_all_are_whole():
    rows = build_design(GROWTH, load_dataset("orthodont"), residual={"ar": "age"}).residual
    assert (rows.step, rows.whole, rows.least_rho) == (2.0, True, -1.0)
    table = as_table(
        {"y": np.arange(6.0) ** 2, "t": [0, 1, 2.5, 0, 2.2, 3], "g": [1, 1, 1, 2, 2, 2]}
    )
    rows = build_design("y ~ 1 + (1 | g)", table, residual={"ar": "t"}).residual
    assert rows.step == pytest.approx(1.25)  # the median of 1, 1.5, 2.2, 0.8
    assert (rows.whole, rows.least_rho) == (False, 0.0)
    assert "median gap" in rows.notes[0]


@pytest.mark.parametrize(
    ("residual", "error", "says"),
    [
        ({"sigma": "sexx"}, DataError, "did you mean 'sex'"),
        ({"sigma": "distance"}, DataError, "cut it into a few classes"),
        ({"sigma": "sex + age"}, SpecError, "one factor"),
        ({"sigma": "tau ~ sex"}, SpecError, "one factor"),
        ({"sigma": ""}, SpecError, "name of a column"),
        ({"ar": "sex"}, DataError, "time 'sex' is text"),
        ({"family": "student_t"}, SpecError, "give family='student_t' by itself"),
        ({"weights": "sex"}, SpecError, "allowed: sigma, ar"),
        ("sex", SpecError, "mapping"),
    ],
)
def test_what_cannot_be_asked_says_what_can(residual, error, says):
    with pytest.raises(error, match=says):
        build_design(GROWTH, load_dataset("orthodont"), residual=residual)


def test_families_and_structures_that_do_not_go_together_say_so():
    data = load_dataset("orthodont")
    with pytest.raises(SpecError, match="did you mean 'student_t'"):
        build_design(GROWTH, data, family="student")
    with pytest.raises(SpecError, match="not offered"):
        build_design(GROWTH, data, residual={"ar": "age"}, family="student_t")


def test_a_level_of_one_row_or_two_rows_at_one_time_are_named():
    columns = {"y": np.arange(6.0) ** 2, "g": [1, 1, 1, 2, 2, 2]}
    with pytest.raises(DataError, match=r"level 'b' has 1 row.*join it"):
        build_design(
            "y ~ 1 + (1 | g)",
            as_table(columns | {"f": ["a", "a", "a", "a", "a", "b"]}),
            residual={"sigma": "f"},
        )
    with pytest.raises(DataError, match=r"g 2 has two rows at t = 3"):
        build_design(
            "y ~ 1 + (1 | g)", as_table(columns | {"t": [1, 2, 3, 1, 3, 3]}), residual={"ar": "t"}
        )
    with pytest.raises(DataError, match="name the groups"):
        build_design("y ~ 1", as_table(columns | {"t": range(6)}), residual={"ar": "t"})


def test_kinds_without_rows_or_shared_residuals_are_refused():
    design = build_design("distance ~ age", load_dataset("orthodont"), group="subject",
                          residual={"sigma": "sex"})  # fmt: skip
    for kind in ("between", "no_pooling"):
        with pytest.raises(BayesMLMError, match="independent normal residuals of one sd"):
            for_kind(design, kind)
    assert for_kind(design, "within").residual is design.residual


def test_a_record_holds_the_structure(tmp_path):
    record = as_request(GROWTH, "orthodont", residual={"sigma": "sigma ~ sex", "ar": "age"})
    path = tmp_path / "own.toml"
    path.write_text(dump_record(record_of(record)))
    assert load_record(path).model.residual == record.model.residual
    assert "residual" not in dump_record(record_of(as_request(GROWTH, "orthodont")))
    path.write_text(dump_record(record_of(record)).replace('ar = "age"', 'arr = "age"'))
    with pytest.raises(SpecError, match=r"residual.*arr.*ar"):
        load_record(path)
    path.write_text(
        dump_record(record_of(record))
        .replace("partial_pooling", "no_pooling")
        .replace(" + (1 | subject)", "")
        + 'group = "subject"\n'
    )
    with pytest.raises(SpecError):
        load_record(path)
    assert as_residual(record.model.residual) is record.model.residual


# --- REML -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NLME)
def test_reml_is_nlmes(name):
    case = NLME[name]
    design = design_of(case)
    found = fit_reml(design)
    assert found.certificate.ok
    assert found.loglik == pytest.approx(case["loglik"], abs=1e-7)
    # nlme stops where a step gains little; its estimates are good to some 1e-6 of themselves.
    close = {"rel": 2e-5}
    assert found.residual.sigma_e == pytest.approx(np.atleast_1d(case["sigma_e"]), **close)
    sds = [s for s, e in zip(*map(np.atleast_1d, (case["sigma_u"], case["effects"])), strict=True)
           if e.startswith("sd")]  # fmt: skip
    assert found.sigma_u == pytest.approx(sds, **close)
    assert found.beta == pytest.approx(case["beta"], **close)
    assert found.beta_se == pytest.approx(case["beta_se"], **close)
    order = [list(map(str, design.labels)).index(label) for label in case["first"]]
    assert found.u[order, 0] == pytest.approx(case["u"], rel=1e-3, abs=1e-4)
    if case["rho_e"] is not None:
        assert found.residual.rho_e == pytest.approx(case["rho_e"], abs=1e-5)
    # nlme's intervals rest on derivatives by single differences; a hundredth of their width.
    own = found.intervals.sigma_u[0]
    lower, upper = (np.atleast_1d(case[f"sigma_u_{end}"])[0] for end in ("lower", "upper"))
    assert [own.lower, own.upper] == pytest.approx([lower, upper], abs=0.01 * (upper - lower))
    if case["rho_e"] is not None:
        own = found.residual.rho_e_interval
        ends = [case["rho_e_lower"], case["rho_e_upper"]]
        assert [own.lower, own.upper] == pytest.approx(ends, abs=0.01 * (ends[1] - ends[0]))


@pytest.mark.parametrize("name", ["orthodont_both", "orthodont_slopes_sex", "sleep_gaps"])
def test_reml_is_the_optimum_of_the_likelihood_written_out(name):
    design = design_of(NLME[name])
    found = fit_reml(design)
    own, rho = found.residual.sigma_e, found.residual.rho_e or 0.0
    best = dense_loglik(design, found.cov_u, own, rho)
    assert found.loglik == pytest.approx(best, abs=1e-8)
    for moved in (own * 1.02, own * 0.98, own * [1.02, *[1] * (own.size - 1)]):
        assert dense_loglik(design, found.cov_u, moved, rho) < best
    assert dense_loglik(design, found.cov_u * 1.05, own, rho) < best
    if design.residual.spec.ar:
        for moved in (rho - 0.02, rho + 0.02):
            assert dense_loglik(design, found.cov_u, own, moved) < best


def test_errors_are_from_the_information_written_out():
    """The inverse Hessian of the dense likelihood, in logs of sds and Fisher's z."""
    design = design_of(NLME["orthodont_both"])
    found = fit_reml(design)

    def loglik(x):
        return dense_loglik(design, np.exp(2 * x[:1])[:, None], np.exp(x[1:3]), np.tanh(x[3]))

    at = np.array([*np.log([found.sigma_u[0], *found.residual.sigma_e]),
                   np.arctanh(found.residual.rho_e)])  # fmt: skip
    h = 3e-3
    hessian = np.empty((4, 4))
    for a in range(4):
        for b in range(4):
            steps = [(sa, sb) for sa in (1, -1) for sb in (1, -1)]
            corners = [loglik(at + h * (sa * np.eye(4)[a] + sb * np.eye(4)[b])) for sa, sb in steps]
            hessian[a, b] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * h * h)
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    assert found.errors.sigma_u[0] / found.sigma_u[0] == pytest.approx(errors[0], rel=1e-3)
    own = found.residual
    assert own.sigma_e_se / own.sigma_e == pytest.approx(errors[1:3], rel=1e-3)
    assert own.rho_e_se / (1 - own.rho_e**2) == pytest.approx(errors[3], rel=1e-3)


def test_without_group_effects_it_is_generalised_least_squares():
    case = NLME["orthodont_both"]
    design = build_design(
        "distance ~ age * sex",
        load_dataset("orthodont"),
        group="subject",
        residual=case["residual"],
    )
    found = fit_reml(for_kind(design, "pooled"))
    own = found.residual
    V = covariance(design.residual, own.sigma_e, own.rho_e, design.codes)
    inverse = np.linalg.inv(V)
    beta = np.linalg.solve(design.X.T @ inverse @ design.X, design.X.T @ inverse @ design.y)
    assert found.beta == pytest.approx(beta, rel=1e-8)
    # Without an own level of each child the residuals take its part.
    assert own.rho_e > 0.5


def test_units_and_offsets_do_not_matter():
    table = load_dataset("orthodont")
    plain = fit_reml(build_design(GROWTH, table, residual={"sigma": "sex", "ar": "age"}))
    moved = as_table(
        {**table.columns, "distance": 1e6 + 1e3 * table.columns["distance"],
         "age": table.columns["age"]}
    )  # fmt: skip
    other = fit_reml(build_design(GROWTH, moved, residual={"sigma": "sex", "ar": "age"}))
    assert other.icc == pytest.approx(plain.icc, rel=1e-6)
    assert other.residual.rho_e == pytest.approx(plain.residual.rho_e, abs=1e-6)
    assert other.residual.sigma_e == pytest.approx(1e3 * plain.residual.sigma_e, rel=1e-6)


def test_a_variance_of_zero_leaves_the_rest_with_errors():
    rng = np.random.default_rng(3)
    g, t = np.repeat(np.arange(12), 8), np.tile(np.arange(8), 12)
    design = build_design(
        "y ~ 1 + (1 | g)",
        as_table({"y": rng.normal(size=96) - 0.5 * np.tile([1, -1], 48), "g": g, "t": t}),
        residual={"ar": "t"},
    )
    found = fit_reml(design)
    assert found.singular
    assert np.isnan(found.errors.sigma_u).all()
    assert found.residual.rho_e < 0
    assert found.residual.rho_e_se > 0


# --- the PyMC model -------------------------------------------------------------------------------


def logp_at(model, values):
    """Evaluate the model's log-density of the outcomes at values of its named variables."""
    point = {}
    for name, value in values.items():
        variable = model[name]
        transform = model.rvs_to_transforms[variable]
        inside = np.asarray(value, dtype=float)
        if transform is not None:
            inside = transform.forward(inside, *variable.owner.inputs).eval()
        point[model.rvs_to_values[variable].name] = inside
    logp = model.compile_logp(vars=model.observed_RVs, jacobian=False)
    rest = {name: value for name, value in model.initial_point().items() if name not in point}
    return float(logp(point | rest))


def test_the_likelihood_is_that_of_the_covariance_written_out():
    table = load_dataset("orthodont")
    residual = {"sigma": "sex", "ar": "age"}
    design = build_design("distance ~ age * sex + (age | subject)", table, residual=residual)
    model = partial_pooling(design, centred=True)
    rng = np.random.default_rng(1)
    beta, u = rng.normal(size=design.p), rng.normal(size=(design.J, 2))
    free = np.linalg.solve(np.eye(design.p), beta)
    free[0] += design.X.mean(axis=0)[1:] @ beta[1:]  # the intercept where predictors are at means
    sds, rho = np.array([0.8, 1.7]), -0.35
    mean = design.X @ beta + (design.Z * u[design.codes]).sum(axis=1)
    V = covariance(design.residual, sds, rho, design.codes)
    expected = stats.multivariate_normal(mean, V).logpdf(design.y)
    centred = u @ np.linalg.inv(design_transform(design, model_priors(design))).T
    values = {"beta_free_": free, "u_free_": centred, "sigma_e_by": sds, "rho_e": rho}
    assert logp_at(model, values) == pytest.approx(expected, rel=1e-10)


def test_student_t_residuals_have_the_sd_that_is_named():
    design = build_design("distance ~ 1", load_dataset("orthodont"), family="student_t")
    model = pooled(design)
    values = {"beta_free_": np.array([24.0]), "sigma_e": 2.0, "nu": 5.0}
    scale = 2.0 * np.sqrt(3.0 / 5.0)  # sd^2 = scale^2 nu / (nu - 2)
    expected = stats.t(5.0, 24.0, scale).logpdf(design.y).sum()
    assert logp_at(model, values) == pytest.approx(expected, rel=1e-10)
    assert stats.t(5.0, 24.0, scale).std() == pytest.approx(2.0)


def test_priors_of_the_structure_are_named_and_checked():
    design = build_design(GROWTH, load_dataset("orthodont"), residual={"sigma": "sex", "ar": "age"})
    given_one = {"sigma_e[sex=Male]": "HalfNormal(4)", "sigma_e": "HalfNormal(2)", "rho_e":
                 "Normal(0, 0.4)"}  # fmt: skip
    named = model_priors(design, given_one).by_name(design)
    assert [str(named[f"sigma_e[sex={s}]"]) for s in ("Female", "Male")] == [
        "HalfNormal(sigma=2)",
        "HalfNormal(sigma=4)",
    ]
    assert "sigma_e" not in named
    with pytest.raises(PriorError, match=r"did you mean 'sigma_e\[sex=Male\]'"):
        model_priors(design, {"sigma_e[sex=Mal]": "HalfNormal(4)"})
    with pytest.raises(PriorError, match="no parameter 'nu'"):
        model_priors(design, {"nu": "Gamma(2, 0.1)"})
    with pytest.raises(PriorError, match="-1 <= lower < upper <= 1"):
        parse_prior("rho_e", "Uniform(0, 2)")
    plain = build_design(GROWTH, load_dataset("orthodont"))
    with pytest.raises(PriorError, match="another design"):
        model_priors(plain, model_priors(design))


def test_degrees_of_freedom_stay_above_two():
    import pymc as pm

    design = build_design("distance ~ 1", load_dataset("orthodont"), family="student_t")
    with pooled(design):
        drawn = pm.sample_prior_predictive(draws=400, random_seed=1)["prior"]["nu"].to_numpy()
    assert drawn.min() > 2
    # Gamma(2, 0.1) above 2: its mean from the closed form of a truncated gamma.
    gamma = stats.gamma(2, scale=10)
    mean = gamma.expect(lb=2) / gamma.sf(2)
    assert drawn.mean() == pytest.approx(mean, abs=3 * gamma.std() / 20)


# --- a fit ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown():
    return fit(
        GROWTH,
        "orthodont",
        residual={"sigma": "sex", "ar": "age"},
        random_seed=2,
        draws=700,
        tune=700,
    )


def test_the_posterior_is_beside_reml(grown):
    assert grown.engine == "nuts"
    assert "residual sds that differ and AR(1) residuals" in grown.reason
    summary, reml = summarise(grown), fit_reml(grown.design)
    assert summary["sigma_e[sex=Male]"].estimate > 1.5 * summary["sigma_e[sex=Female]"].estimate
    # Posterior means of sds lie above their mode; half a posterior sd or so for 11 girls.
    for k, stratum in enumerate(grown.design.residual.strata):
        row = summary[f"sigma_e[{stratum}]"]
        assert abs(row.estimate - reml.residual.sigma_e[k]) < row.sd
        assert summary[f"icc[{stratum}]"].estimate == pytest.approx(
            reml.residual.icc[k], abs=2 * summary[f"icc[{stratum}]"].sd
        )
    assert abs(summary["rho_e"].estimate - reml.residual.rho_e) < summary["rho_e"].sd
    for term, beta in zip(grown.design.terms, reml.beta, strict=True):
        row = summary[f"beta[{term}]"]
        assert abs(row.estimate - beta) < 0.25 * row.sd
    sds = grown.draws["sigma_e_by"]
    share = grown.design.residual.share
    np.testing.assert_allclose(grown.draws["sigma_e"] ** 2, sds**2 @ share)
    expected = correlation_at(grown.draws["icc"], grown.draws["rho_e"]).mean()
    assert summary["corr_next"].estimate == pytest.approx(expected)


def test_a_saved_fit_comes_back_whole(grown, tmp_path):
    again = load_fit(save_fit(grown, tmp_path / "fit.nc"))
    assert again.request == grown.request
    assert again.priors == grown.priors
    one, other = again.design.residual, grown.design.residual
    assert (one.spec, one.levels, one.step, one.whole) == (
        other.spec,
        other.levels,
        other.step,
        other.whole,
    )
    for name in ("stratum", "time", "previous", "gap"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert str(summarise(again)) == str(summarise(grown))


def test_reml_stands_beside_any_engine(tmp_path):
    record = as_request(GROWTH, "orthodont", residual={"sigma": "sex"})
    found = analyse(record, make_settings(record), engines=["reml"])
    rows = {row.quantity: row for row in found.rows}
    assert rows["sigma_e[sex=Female]"].estimate == pytest.approx(
        NLME["orthodont_sex"]["sigma_e"][0], rel=1e-5
    )
    assert "design_effect" not in rows  # its formula has one residual variance
    with pytest.raises(BayesMLMError, match="use --engine reml"):
        analyse(record, make_settings(record), engines=["ols"])
