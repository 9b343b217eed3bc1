"""Predictions: against lme4, closed forms, the draws by hand, and their coverage in simulation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.special import ndtr

from bayes_mlm import fit, load_hsb, predict
from bayes_mlm.base.errors import DataError, DesignError, EngineError
from bayes_mlm.design import build_design
from bayes_mlm.design.build import design_of
from bayes_mlm.engines import fit_ols
from bayes_mlm.engines.draws import Variable
from bayes_mlm.engines.recovery import effects_root
from bayes_mlm.fitting.entry import fit_design
from bayes_mlm.fitting.request import make_settings
from bayes_mlm.model.request import ModelRequest
from bayes_mlm.model.spec import ModelSpec
from bayes_mlm.questions.prediction.mixtures import mixture_quantile
from bayes_mlm.studies.record import load_record

# lme4 1.1-31: s <- lmer(Reaction ~ Days + (Days|Subject), sleepstudy);
# predict(s, new); predict(s, new, re.form=NA)
NEW = {"subject": [308, 309, 372], "days": [10, 12, 0]}
EXISTING = (450.326248987, 233.177521243, 263.719644201)
POPULATION = (356.077964444, 377.012536364, 251.405104848)
# Of the same: x'Vx, x'(V + G)x and that with sigma^2, where V = vcov(s), G = VarCorr(s).
POPULATION_SE = (16.0155858888, 18.863483228, 6.82455577628)
NEW_GROUP_SE = (67.5858097795, 79.0489985814, 25.6644561567)
OBSERVATION_SE = (72.2688226294, 83.0884180702, 36.2436939412)
# Of the BLUP's own error, with the dense V of the 180 rows: C = G - GZ'V^-1 ZG,
# d = x - X'V^-1 ZG z, sqrt(z'Cz + d' solve(X'V^-1 X) d).
EXISTING_SE = (15.8506679627, 20.0612277716, 12.2547926164)
# m <- lmer(mathach ~ ses*sector + (1|schoolid), hsb)
HSB_NEW = {"schoolid": [1224, 1224, 1308], "ses": [0.0, 1.0, 0.5], "sector": [0, 0, 1]}
HSB_EXISTING = (11.1375229085, 14.0886972701, 15.7257570692)
# lme4's optimiser stops within 1e-5 of the optimum, in these units.
LME4 = {"rel": 2e-5}


@pytest.fixture(scope="module")
def sleep():
    return fit("reaction ~ days + (days | subject)", "sleepstudy", random_seed=1)


@pytest.fixture(scope="module")
def ladder():
    return fit("hsb_sector_ses", random_seed=1)


def flat(fitted, name):
    values = fitted.draws[name]
    return values.reshape(-1, *values.shape[2:])


def moments(fitted):
    """Sigma_u and sigma_e^2 averaged over the draws."""
    root = effects_root(fitted.draws)
    return (root @ root.swapaxes(1, 2)).mean(axis=0), np.square(flat(fitted, "sigma_e")).mean()


@pytest.mark.parametrize(
    ("question", "kind", "estimate", "se"),
    [
        ("existing_group", "mean", EXISTING, EXISTING_SE),
        ("population", "mean", POPULATION, POPULATION_SE),
        ("new_group", "mean", POPULATION, NEW_GROUP_SE),
        ("new_group", "observation", POPULATION, OBSERVATION_SE),
    ],
)
def test_plug_in_is_lme4s(sleep, question, kind, estimate, se):
    found = predict(sleep, NEW, question=question, kind=kind, prob=0.95).plug_in
    assert found.engine == "reml"
    assert found.estimate == pytest.approx(estimate, **LME4)
    assert found.se == pytest.approx(se, **LME4)
    # R's qnorm at 0.975
    assert (found.upper - found.estimate) / found.se == pytest.approx([1.959964] * 3, abs=1e-6)


def test_plug_in_of_one_effect_is_lme4s(ladder):
    assert predict(ladder, HSB_NEW).plug_in.estimate == pytest.approx(HSB_EXISTING, **LME4)


def test_posterior_is_near_the_plug_in_and_wider(sleep):
    for question in ("existing_group", "new_group", "population"):
        found = predict(sleep, NEW, question=question)
        assert np.all(np.abs(found.mean - found.plug_in.estimate) < 0.3 * found.sd)
    # Of a new group the plug-in forgets how little 18 subjects say of Sigma_u.
    found = predict(sleep, NEW, question="new_group")
    assert np.all(found.sd > found.plug_in.se)


def test_existing_groups_are_the_draws_by_hand(sleep):
    beta, u, sigma_e = (flat(sleep, name) for name in ("beta", "u", "sigma_e"))
    labels = sleep.design.labels.tolist()
    for k, (subject, days) in enumerate(zip(*NEW.values(), strict=True)):
        x = np.array([1.0, days])
        values = beta @ x + u[:, labels.index(subject)] @ x
        found = predict(sleep, NEW, prob=0.8)
        assert found.mean[k] == pytest.approx(values.mean())
        assert found.sd[k] == pytest.approx(values.std(ddof=1))
        ends = np.quantile(values, [0.1, 0.9])
        assert (found.lower[k], found.upper[k]) == pytest.approx(ends)
        found = predict(sleep, NEW, kind="observation")
        assert found.mean[k] == pytest.approx(values.mean())
        both = np.sqrt(values.var(ddof=1) + np.square(sigma_e).mean())
        assert found.sd[k] == pytest.approx(both)


def test_new_groups_have_the_variance_of_their_effects(sleep):
    covariance, residual = moments(sleep)
    X = np.array([[1.0, days] for days in NEW["days"]])
    fixed = flat(sleep, "beta") @ X.T
    between = np.einsum("mq,qr,mr->m", X, covariance, X)
    found = predict(sleep, NEW, question="new_group")
    assert found.mean == pytest.approx(fixed.mean(axis=0))
    assert found.sd == pytest.approx(np.sqrt(fixed.var(axis=0, ddof=1) + between))
    found = predict(sleep, NEW, question="new_group", kind="observation")
    assert found.sd == pytest.approx(np.sqrt(fixed.var(axis=0, ddof=1) + between + residual))
    found = predict(sleep, NEW, question="population", kind="observation")
    assert found.sd == pytest.approx(np.sqrt(fixed.var(axis=0, ddof=1) + residual))


@pytest.mark.parametrize("question", ["existing_group", "new_group", "population"])
@pytest.mark.parametrize("kind", ["mean", "observation"])
def test_draws_have_the_distribution_that_is_summarised(sleep, question, kind):
    found = predict(sleep, NEW, question=question, kind=kind, draws=True, prob=0.8)
    assert found.draws.shape == (4000, 3)
    # Monte Carlo error of a mean of 4,000 independent draws; of an sd it is sd / sqrt(2 n), and
    # Sigma_u's own posterior has a heavy tail.
    error = found.sd / np.sqrt(4000)
    assert np.all(np.abs(found.draws.mean(axis=0) - found.mean) < 4 * error)
    assert found.draws.std(axis=0) == pytest.approx(found.sd, rel=0.08)
    inside = ((found.draws > found.lower) & (found.draws < found.upper)).mean(axis=0)
    assert inside == pytest.approx([0.8] * 3, abs=4 * np.sqrt(0.8 * 0.2 / 4000))


def test_rows_of_a_group_share_its_effects(sleep):
    new = {"subject": ["a", "a", "b"], "days": [0, 0, 0]}
    found = predict(sleep, new, question="new_group", draws=True)
    assert np.array_equal(found.draws[:, 0], found.draws[:, 1])
    apart = np.corrcoef(found.draws[:, 0], found.draws[:, 2])[0, 1]
    # They share beta alone: its variance is about a fifteenth of that of a group's intercept.
    assert apart < 0.3
    alone = predict(sleep, {"days": [0, 0]}, question="new_group", draws=True)
    assert np.corrcoef(alone.draws.T)[0, 1] < 0.3
    seen = {"subject": [308, 308], "days": [3, 3]}
    found = predict(sleep, seen, draws=True)
    assert np.array_equal(found.draws[:, 0], found.draws[:, 1])
    # Residuals are each row's own.
    found = predict(sleep, seen, kind="observation", draws=True)
    assert not np.array_equal(found.draws[:, 0], found.draws[:, 1])


def test_the_seed_makes_the_same_draws_again(sleep):
    def drawn(seed):
        found = predict(
            sleep, NEW, question="new_group", kind="observation", draws=True, random_seed=seed
        )
        return found.draws

    assert np.array_equal(drawn(3), drawn(3))
    assert not np.array_equal(drawn(3), drawn(4))
    assert np.array_equal(drawn(None), drawn(sleep.settings.random_seed))


def test_the_order_of_rows_does_not_matter(ladder):
    hsb = load_hsb()[["schoolid", "ses", "sector"]]
    order = np.random.default_rng(1).permutation(len(hsb))
    once, again = predict(ladder, hsb), predict(ladder, hsb.iloc[order])
    assert again.mean == pytest.approx(once.mean[order], rel=1e-12)
    assert again.plug_in.se == pytest.approx(once.plug_in.se[order], rel=1e-12)


@pytest.mark.parametrize("name", ["ladder", "sleep"])
def test_summarised_effects_are_drawn_anew(name, request):
    fitted = request.getfixturevalue(name)
    u = flat(fitted, "u")
    stored = {key: value for key, value in fitted.draws.posterior.items() if key != "u"}
    dims = (fitted.design.group, "effect")
    stored |= {"u_mean": Variable(dims, u.mean(axis=0)), "u_sd": Variable(dims, u.std(axis=0))}
    bare = replace(fitted, draws=replace(fitted.draws, posterior=stored))
    new = HSB_NEW if name == "ladder" else NEW
    drawn, again = predict(fitted, new), predict(bare, new, draws=True)
    # Two sets of 4,000 draws of u given the same other parameters.
    assert np.all(np.abs(again.mean - drawn.mean) < 5 * drawn.sd / np.sqrt(4000))
    assert again.sd == pytest.approx(drawn.sd, rel=0.06)
    if name == "ladder":  # two rows of one school, one unit of ses apart, share its effect
        slope = flat(fitted, "beta")[:, fitted.design.terms.index("ses")]
        assert again.draws[:, 1] - again.draws[:, 0] == pytest.approx(slope)


def test_rows_replay_the_design():
    hsb = load_hsb()
    hsb = hsb.assign(sex=np.where(hsb.female, "f", "m"))
    fitted = fit("mathach ~ center(ses) * sex + (1 | schoolid)", hsb, random_seed=1, draws=100)
    found = predict(fitted, {"ses": [1.0], "sex": ["m"]}, question="population")
    x = np.array([1.0, 1.0 - hsb.ses.mean(), 1.0, 1.0 - hsb.ses.mean()])
    assert found.mean[0] == pytest.approx((flat(fitted, "beta") @ x).mean())
    with pytest.raises(DataError, match=r"categories 'x', 'y' \(rows 1, 2\).*known: 'f', 'm'"):
        predict(fitted, {"ses": [1.0, 1.0], "sex": ["x", "y"]}, question="population")


@pytest.mark.parametrize(
    ("rows", "asked", "message"),
    [
        ({"subject": [380], "days": [1]}, {}, r"380 \(near: 370, 350, 330\)"),
        ({"subject": [1, 2, 3, 4], "days": [1] * 4}, {}, "and 1 more"),
        ({"subject": [380], "days": [1]}, {}, 'question="new_group" \\(--question new_group\\)'),
        ({"subject": ["s308"], "days": [1]}, {}, "numbers in the other"),
        (
            {"subject": [308, 309], "days": [1, None]},
            {},
            r"'days' of dict has 1 missing value .row 2",
        ),
        ({"subject": [None, 309], "days": [1, 1]}, {}, "'subject' of dict has 1 missing"),
        ({"subject": [None, 309], "days": [1, 1]}, {"question": "new_group"}, "'subject' of dict"),
        ({"days": [1]}, {}, "no column 'subject'.*for a new subject use .*--question new_group"),
        ({"subject": [308]}, {}, "no column 'days'"),
        ({"subject": [308], "days": ["one"]}, {}, "is text where a number is needed"),
        ({"subject": [308], "days": [np.inf]}, {}, "infinite"),
    ],
)
def test_wrong_rows(sleep, rows, asked, message):
    with pytest.raises(DataError, match=message):
        predict(sleep, rows, **asked)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"question": "new"}, "did you mean 'new_group'"),
        ({"kind": "median"}, "allowed: mean, observation"),
        ({"prob": 90}, "between 0 and 1"),
        ({"random_seed": -1}, "0 or more"),
        ({"random_seed": "one"}, "0 or more"),
    ],
)
def test_wrong_questions(sleep, asked, message):
    with pytest.raises(EngineError, match=message):
        predict(sleep, NEW, **asked)


def test_only_fits_predict(sleep):
    with pytest.raises(EngineError, match="found Design"):
        predict(sleep.design, NEW)


@pytest.mark.parametrize("name", ["hsb_pooled", "hsb_between", "hsb_within", "hsb_mundlak"])
def test_models_without_group_effects_know_the_population_only(name, mock_fit):
    fitted = mock_fit(name)
    found = predict(fitted, HSB_NEW)
    assert found.question == "population"
    assert found.plug_in.engine == "ols"
    for question in ("existing_group", "new_group"):
        with pytest.raises(DesignError, match="question='population' only"):
            predict(fitted, HSB_NEW, question=question)


def test_own_intercepts_that_were_not_drawn_cannot_be_predicted_from(mock_fit):
    with pytest.raises(EngineError, match="summarised, not drawn"):  # the mock has no u here
        predict(mock_fit("hsb_no_pooling"), HSB_NEW)


def test_no_pooling_knows_each_group_by_itself():
    fitted = fit("hsb_no_pooling", random_seed=1)
    with pytest.raises(DesignError, match="question='existing_group' only"):
        predict(fitted, HSB_NEW, question="population")
    drawn = predict(fitted, HSB_NEW)
    found = drawn.plug_in
    assert np.all(np.abs(drawn.mean - found.estimate) < 0.1 * found.se)  # the priors are wide
    # Least squares with a dummy a school: the textbook x'(X'X)^-1 x of the whole matrix.
    design = design_of(load_record("hsb_no_pooling"))
    X = np.column_stack([design.X, np.eye(design.J)[design.codes]])
    places = [design.labels.tolist().index(school) for school in HSB_NEW["schoolid"]]
    new = np.column_stack([HSB_NEW["ses"], np.eye(design.J)[places]])
    estimate = np.linalg.lstsq(X, design.y, rcond=None)[0]
    assert found.estimate == pytest.approx(new @ estimate)
    unscaled = np.einsum("mp,pm->m", new, np.linalg.solve(X.T @ X, new.T))
    assert found.se == pytest.approx(fit_ols(design).sigma_e * np.sqrt(unscaled))


def test_mundlak_takes_the_means_it_learned():
    fitted = fit("hsb_mundlak_random", random_seed=1, draws=100)
    hsb, terms = load_hsb(), fitted.design.terms
    found = predict(fitted, HSB_NEW, question="population")
    means = hsb.groupby("schoolid").ses.mean()[HSB_NEW["schoolid"]].to_numpy()
    row = {"Intercept": np.ones(3), "ses": np.array(HSB_NEW["ses"]), "between(ses)": means}
    wanted = np.array([row[term] for term in terms]).T @ flat(fitted, "beta").mean(axis=0)
    assert found.mean == pytest.approx(wanted)
    assert not found.notes
    # Of a school that was not there, the mean of its own new rows; and a note says so.
    new = {"schoolid": [1, 1], "ses": [0.0, 1.0]}
    found = predict(fitted, new, question="new_group")
    assert "those of its rows" in found.notes[0]
    row = {"Intercept": np.ones(2), "ses": np.array([0.0, 1.0]), "between(ses)": np.full(2, 0.5)}
    wanted = np.array([row[term] for term in terms]).T @ flat(fitted, "beta").mean(axis=0)
    assert found.mean == pytest.approx(wanted)
    with pytest.raises(DataError, match="no column 'schoolid'"):
        predict(fitted, {"ses": [0.0]}, question="new_group")


def test_tidy_rows(sleep):
    new = {"mean": [1.0, None], "subject": [308, 309], "days": [0, 1]}
    found = predict(sleep, new)
    frame = found.to_frame()
    assert frame.columns.tolist()[:5] == ["mean", "subject", "days", "predicted_mean", "sd"]
    assert frame.predicted_mean.tolist() == found.mean.tolist()
    assert frame.columns.tolist()[-4:] == ["reml", "reml_se", "reml_lower", "reml_upper"]
    assert found.to_csv().splitlines()[2].startswith(",309,1,")  # what is missing stays empty
    assert "for a new member of a group" in str(found)
    assert "1 rows more" in predict(sleep, NEW).view(2).legend[0]
    assert predict(sleep, new, likelihood=False).plug_in is None


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 20)), min_size=1, max_size=30),
    st.floats(0.01, 0.99),
)
def test_mixture_quantile_splits_the_mixture(parts, probability):
    centre, sd = np.array(parts).T[:, :, None]
    if not sd.any():  # then it is numpy's quantile of the draws
        return
    found = mixture_quantile(centre, sd, probability)[0]
    scale = np.maximum(sd, 1e-300)
    step = 2e-4 * (1.0 + abs(found) + np.sqrt(centre.var() + np.square(sd).mean()))
    with np.errstate(over="ignore"):
        below = ndtr((found - step - centre) / scale).mean()
        above = ndtr((found + step - centre) / scale).mean()
    assert below <= probability + 1e-9
    assert above >= probability - 1e-9


def test_mixture_quantile_of_nothing_but_draws():
    values = np.arange(101.0)[:, None]
    assert mixture_quantile(values, np.zeros_like(values), 0.25) == pytest.approx([25.0])


def simulate(rng, n_groups, size):
    """Draw one data set, and one new member of each old group and of as many new ones.

    y = 2 + x + u0 + u1 x + e; sds 1 and 0.5 with correlation -0.3, residual sd 1.
    """
    covariance = np.array([[1.0, -0.15], [-0.15, 0.25]])
    u = rng.multivariate_normal(np.zeros(2), covariance, 2 * n_groups)

    def outcome(groups, x):
        return 2.0 + x + u[groups, 0] + u[groups, 1] * x + rng.standard_normal(x.size)

    groups = np.repeat(np.arange(n_groups), size)
    x = rng.standard_normal(groups.size)
    table = {"y": outcome(groups, x), "x": x, "g": groups}
    everyone = np.arange(2 * n_groups)
    x_new = rng.standard_normal(everyone.size)
    old = {"x": x_new[:n_groups], "g": everyone[:n_groups]}
    new = {"x": x_new[n_groups:], "g": everyone[n_groups:]}
    y_new = outcome(everyone, x_new)
    return table, (old, y_new[:n_groups]), (new, y_new[n_groups:])


@pytest.mark.slow
def test_intervals_of_90_percent_cover_as_much():
    # 600 data sets of 30 groups: 18,000 new members each of old and of new groups. The share that
    # is covered varies between data sets with an sd of 0.05, so its mean has a standard error of
    # 0.2 %; the band of 88 to 92 % is nine of them wide on either side of 90.
    rng = np.random.default_rng(20261123)
    formula = "y ~ x + (x | g)"
    request = ModelRequest(model=ModelSpec(formula=formula, kind="partial_pooling"))
    covered = {"existing_group": [], "new_group": []}
    for seed in range(600):
        table, old, new = simulate(rng, 30, 8)
        settings = make_settings(request, draws=250, random_seed=seed)
        fitted = fit_design(request, build_design(formula, table), settings, engine="direct")
        for question, (rows, y) in zip(covered, (old, new), strict=True):
            found = predict(
                fitted, rows, question=question, kind="observation", prob=0.9, likelihood=False
            )
            covered[question].append(((y > found.lower) & (y < found.upper)).mean())
    for question, shares in covered.items():
        assert 0.88 < np.mean(shares) < 0.92, (question, np.mean(shares))
        assert np.std(shares) / np.sqrt(len(shares)) < 0.004  # else the band says nothing
