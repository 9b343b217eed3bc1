"""Pseudo-maximum likelihood under survey weights: by definition, by R, by brute force."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

from bayes_mlm import build_design, fit_reml, load_hsb
from bayes_mlm.base import DesignError
from bayes_mlm.engines.pseudo import fit_pseudo
from bayes_mlm.engines.pseudo.scores import joint_scores
from bayes_mlm.engines.reml import optimum_of
from bayes_mlm.model import SCALINGS, as_weights
from bayes_mlm.moments import rotate_moments

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/weights.json").read_text())
SES = "mathach ~ ses + (1 | schoolid)"
SLOPE = "mathach ~ ses + (1 + ses | schoolid)"


@pytest.fixture(scope="module")
def students():
    """HSB with the weights of the reference, conditional, unconditional and of whole numbers."""
    found = load_hsb()
    place = found.groupby("schoolid").cumcount() + 1
    found["w1"] = 1.0 + (place % 4) / 2 + 0.5 * found["female"]
    found["w2"] = 1.0 + (found["schoolid"] % 7) / 3 + found["sector"]
    found["both"] = found["w1"] * found["w2"]
    found["one"] = 1.0
    found["k1"] = 1 + place % 3
    found["k2"] = 1 + found["schoolid"] % 2
    return found


def fitted(table, weights, formula=SES, **options):
    return fit_pseudo(build_design(formula, table, weights=as_weights(weights, **options)))


def numbers(fit):
    return np.concatenate([fit.beta, fit.cov_u.ravel(), [fit.sigma_e**2]])


@pytest.mark.parametrize("case", REFERENCE["fits"], ids=lambda case: case["id"])
def test_wemix(students, case):
    names = {"one": "one", "w1_size": "w1", "w1_effective": "w1"}
    weights = {
        "level1": names.get(case["student_weight"], case["student_weight"]),
        "schoolid": case["school_weight"],
    }
    options = {"scaling": case["scaling"] or "none", "standard_errors": "fixed"}
    found = fitted(students, weights, case["formula"], **options)
    assert found.log_pseudo_likelihood == pytest.approx(case["loglik"], abs=1e-6)
    assert found.beta == pytest.approx(list(case["fixef"].values()), abs=1e-6)
    variances = [one["vcov"] for one in case["varcomp"]]
    assert [found.cov_u[0, 0], found.sigma_e**2] == pytest.approx(variances, abs=1e-5)
    assert found.beta_se == pytest.approx(list(case["se_robust"].values()), rel=1e-6)


@pytest.mark.parametrize("formula", [SES, SLOPE])
def test_whole_weights_are_repeated_rows_and_groups(students, formula):
    rows = students.loc[students.index.repeat(students["k1"])]
    groups = pd.concat(
        [one.assign(schoolid=f"{label}.{copy}")
         for label, one in students.groupby("schoolid") for copy in range(one["k2"].iloc[0])]
    )  # fmt: skip
    for weights, repeated in (({"level1": "k1"}, rows), ({"schoolid": "k2"}, groups)):
        found = fitted(students, weights, formula, scaling="none")
        plain = fit_reml(build_design(formula, repeated), method="ML", profile=False)
        expected = np.concatenate([plain.beta, plain.cov_u.ravel(), [plain.sigma_e**2]])
        assert numbers(found) == pytest.approx(expected, rel=1e-7)
        assert found.log_pseudo_likelihood == pytest.approx(plain.loglik, abs=1e-7)


def test_weights_of_one_are_no_weights(students):
    found = fitted(students, {"level1": "one", "schoolid": "one"})
    plain = fit_reml(build_design(SES, students), method="ML", profile=False)
    assert numbers(found) == pytest.approx(
        np.concatenate([plain.beta, plain.cov_u.ravel(), [plain.sigma_e**2]]), rel=1e-10
    )
    assert found.loglik == pytest.approx(plain.loglik, rel=1e-12)
    assert found.u == pytest.approx(plain.u, abs=1e-9)


@pytest.mark.parametrize("errors", ["sandwich", "jackknife", "fixed"])
def test_the_unit_of_level_two_weights_is_free(students, errors):
    seven = students.assign(w2=7.0 * students["w2"])
    weights = {"level1": "w1", "schoolid": "w2"}
    one, other = (
        fitted(table, weights, SLOPE, standard_errors=errors) for table in (students, seven)
    )
    assert numbers(other) == pytest.approx(numbers(one), rel=1e-9)
    assert other.covariance == pytest.approx(one.covariance, rel=1e-6, abs=1e-12)
    assert other.u == pytest.approx(one.u, abs=1e-9)


def test_unconditional_weights_are_the_product(students):
    one = fitted(students, {"level1": "w1", "schoolid": "w2"}, scaling="none")
    other = fitted(students, {"overall": "both", "schoolid": "w2"}, scaling="none")
    assert numbers(other) == pytest.approx(numbers(one), rel=1e-10)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_scaling_after_the_sums_is_scaling_of_the_rows(students, scaling):
    by = students.groupby("schoolid")["w1"]
    total, n = by.transform("sum"), by.transform("size")
    square = students.assign(q=students["w1"] ** 2).groupby("schoolid")["q"].transform("sum")
    factor = {"size": n / total, "effective": total / square, "none": 1.0}[scaling]
    by_hand = students.assign(w1=students["w1"] * factor)
    weights = {"level1": "w1", "schoolid": "w2"}
    one = fitted(students, weights, scaling=scaling)
    other = fitted(by_hand, weights, scaling="none")
    assert numbers(other) == pytest.approx(numbers(one), rel=1e-10)
    others = {each.scaling: each.sigma_e for each in one.others}
    assert set(others) == {"size", "effective"} - {scaling}
    for name, sigma_e in others.items():
        assert fitted(students, weights, scaling=name).sigma_e == pytest.approx(sigma_e, rel=1e-8)


def log_integral(r, w, tau2, s2):
    """One group's log pseudo-likelihood by quadrature over its effect."""

    def exponent(u):
        rows = -0.5 * np.log(2 * np.pi * s2) - (r - u) ** 2 / (2 * s2)
        return (w * rows).sum() - 0.5 * np.log(2 * np.pi * tau2) - u**2 / (2 * tau2)

    top = exponent(np.average(r, weights=w))
    value, _ = quad(lambda u: np.exp(exponent(u) - top), -15, 15, epsabs=1e-13, epsrel=1e-12)
    return top + np.log(value)


def test_the_pseudo_likelihood_is_the_integral(students):
    """At the maximum, as its scaled definition has it: summed over groups by quadrature."""
    some = students[students["schoolid"].isin(students["schoolid"].unique()[:12])]
    found = fitted(some, {"level1": "w1", "schoolid": "w2"})
    total = 0.0
    for _, one in some.groupby("schoolid"):
        w = (one["w1"] * len(one) / one["w1"].sum()).to_numpy()
        r = (one["mathach"] - found.beta[0] - found.beta[1] * one["ses"]).to_numpy()
        value = log_integral(r, w, found.cov_u[0, 0], found.sigma_e**2)
        total += one["w2"].iloc[0] * value
    assert found.log_pseudo_likelihood == pytest.approx(total, rel=1e-11)


@pytest.mark.parametrize("formula", [SES, SLOPE, "mathach ~ ses + (1 + ses || schoolid)"])
def test_scores_and_information_are_derivatives(students, formula):
    """By central differences of a pseudo-likelihood that is written apart, at other parameters."""
    design = build_design(formula, students, weights={"level1": "w1", "schoolid": "w2"})
    s = design.moments()
    reduced = rotate_moments(s)
    optimum = optimum_of(reduced, "ML", correlated=design.group_term.correlated)
    joint = joint_scores(s, reduced, optimum)
    centred = s.products() * 1.0
    p, q, m = s.p, s.q, len(optimum.theta)
    back = np.linalg.inv(reduced.z_centring)

    def logliks(at):
        lam = back @ optimum.factor.lam(at[:m])
        s2, beta = np.exp(at[m]), reduced.original_beta(at[m + 1 :])
        v = np.r_[-beta, 1.0]
        kept = [*range(p), p + q]
        zz, zr = centred[:, p:-1, p:-1], centred[:, p:-1][:, :, kept] @ v
        rr = np.einsum("a,jab,b->j", v, centred[:, kept][:, :, kept], v)
        n = np.eye(q) + lam.T @ zz @ lam
        b = np.einsum("ab,ja->jb", lam, zr)
        explained = np.einsum("ja,jab,jb->j", b, np.linalg.inv(n), b)
        return (
            s.weights
            * -0.5
            * (s.counts * np.log(2 * np.pi * s2) + np.linalg.slogdet(n)[1] + (rr - explained) / s2)
        )

    at = np.r_[optimum.theta, np.log(optimum.point.sigma_e2), optimum.point.beta]
    step = 1e-4 * np.eye(len(at))
    slopes = np.stack([(logliks(at + d) - logliks(at - d)) / 2e-4 for d in step], axis=1)
    assert np.abs(slopes - joint.scores).max() < 1e-6 * np.abs(joint.scores).max()
    assert logliks(at).sum() == pytest.approx(optimum.loglik, rel=1e-11)
    hessian = np.array(
        [[(logliks(at + a + c) - logliks(at + a - c) - logliks(at - a + c)
           + logliks(at - a - c)).sum() / 4e-8 for a in step] for c in step]
    )  # fmt: skip
    size = np.sqrt(np.diagonal(joint.information))
    assert np.abs((hessian + joint.information) / np.outer(size, size)).max() < 1e-5


@pytest.mark.parametrize("formula", [SES, SLOPE])
def test_the_jackknife_is_of_fits_without_each_group(students, formula):
    some = students[students["schoolid"].isin(students["schoolid"].unique()[:15])]
    weights = {"level1": "w1", "schoolid": "w2"}
    found = fitted(some, weights, formula, standard_errors="jackknife")
    whole = np.r_[found.beta, found.sigma_e]
    apart = []
    for label in some["schoolid"].unique():
        one = fitted(some[some["schoolid"] != label], weights, formula, standard_errors="fixed")
        apart.append(np.r_[one.beta, one.sigma_e] - whole)
    expected = 14 / 15 * np.square(apart).sum(axis=0)
    errors = np.r_[found.beta_se, found.errors.sigma_e]
    assert errors == pytest.approx(np.sqrt(expected), rel=1e-6)


def test_few_groups_have_the_jackknife(students):
    some = students[students["schoolid"].isin(students["schoolid"].unique()[:15])]
    assert fitted(some, {"level1": "w1"}).standard_errors == "jackknife"
    assert fitted(students, {"level1": "w1"}).standard_errors == "sandwich"


def test_the_joint_sandwich_agrees_with_a_cluster_bootstrap(students):
    """The coefficient of ses moves with the variances: WeMix's error leaves that out."""
    design = build_design(SES, students, weights={"level1": "one"})
    found = fit_pseudo(design)
    s, rng, slopes = design.moments(), np.random.default_rng(5), []
    for _ in range(400):
        drawn = rng.multinomial(s.J, np.full(s.J, 1 / s.J)).astype(float)
        some = drawn > 0
        kept = replace(
            s, labels=s.labels[some], counts=s.counts[some], means=s.means[some],
            scatter=s.scatter[some], weights=drawn[some],
        )  # fmt: skip
        reduced = rotate_moments(kept)
        at = optimum_of(reduced, "ML", correlated=True)
        slopes.append(reduced.original_beta(at.point.beta)[1])
    fixed = fitted(students, {"level1": "one"}, standard_errors="fixed")
    assert np.std(slopes) == pytest.approx(found.beta_se[1], rel=0.08)
    assert found.beta_se[1] / fixed.beta_se[1] > 1.05


def test_a_variance_that_the_scaling_moves_is_reported(students):
    found = fitted(students, {"level1": "w1", "schoolid": "w2"}, SLOPE)
    assert "sigma_u[ses] 0.745 against 0.634" in found.moved
    assert found.moved in str(found.verdict)
    same = fitted(students, {"level1": "w1", "schoolid": "w2"})
    assert not same.moved
    assert "no variance differs by more than 10 %" in " ".join(same.summary_notes)


def test_a_singular_fit_has_no_errors_of_its_variances(students):
    by_school = students.groupby("schoolid")["mathach"]
    flat = students.assign(mathach=students["mathach"] - by_school.transform("mean"))
    found = fitted(flat, {"level1": "one"}, "mathach ~ 1 + (1 | schoolid)")
    assert found.singular
    assert np.isnan(found.errors.sigma_u).all()
    assert np.isfinite(found.beta_se).all()
    assert found.intervals is None


def test_what_a_design_must_have(students):
    with pytest.raises(DesignError, match="the design has no weights"):
        fit_pseudo(build_design(SES, students))
    with pytest.raises(DesignError, match="expects the result of build_design"):
        fit_pseudo("mathach ~ ses")


def test_many_groups_by_compiled_sums(students, monkeypatch):
    """What runs over groups by compiled code is what runs over classes of them."""
    from bayes_mlm.moments import rotated

    weights = {"level1": "w1", "schoolid": "w2"}
    by_class = fitted(students, weights, SLOPE)
    monkeypatch.setattr(rotated, "_MANY_CLASSES", {2: 10})
    by_group = fitted(students, weights, SLOPE)
    assert numbers(by_group) == pytest.approx(numbers(by_class), rel=1e-8)
    assert by_group.loglik == pytest.approx(by_class.loglik, rel=1e-12)
    assert by_group.covariance == pytest.approx(by_class.covariance, rel=1e-5, abs=1e-10)
