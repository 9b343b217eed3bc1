"""REML of residuals that differ in variance or are AR(1), as nlme's and as written out."""

import numpy as np
import pytest

from bayes_mlm import build_design, fit_reml, load_dataset
from bayes_mlm.data.table import as_table, take
from bayes_mlm.design.layouts import for_kind
from tests.helpers.residuals import GROWTH, NLME, covariance


def table_of(name):
    sleep = load_dataset("sleepstudy")
    subject, days = sleep.columns["subject"], sleep.columns["days"]
    seen = ~((subject == 308) & (days == 4)) & ~((subject == 309) & np.isin(days, [2, 3]))
    return {"sleep": sleep, "gaps": take(sleep, seen)}.get(name) or load_dataset(name)


def design_of(case):
    return build_design(case["formula"], table_of(case["data"]), residual=case["residual"])


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
