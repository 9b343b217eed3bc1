"""What the document's figures show: every number against an independent computation."""

from dataclasses import replace

import numpy as np
import pytest

from bayes_mlm.base.text import estimate
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.studies.hsb.figures.by_group import spread_by_group
from bayes_mlm.studies.hsb.figures.extremes import extreme_groups
from bayes_mlm.studies.hsb.figures.pooled_between import pooled_and_between
from bayes_mlm.studies.hsb.figures.prototypes import prototypes
from bayes_mlm.studies.hsb.figures.slopes import four_slopes
from bayes_mlm.studies.hsb.figures.subgroup_means import subgroup_means
from bayes_mlm.studies.hsb.figures.within_line import within_line
from tests.helpers.figures import EXACT, joined, run, tails


def simulate(n_groups, size, *, seed=5, contextual=0.0):
    """Simulate rows in groups with a predictor at each level."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_groups), size)
    between = rng.normal(size=n_groups)
    x = between[g] + rng.normal(size=g.size)
    w = (np.arange(n_groups) % 2)[g]
    y = 1.0 + x + 2.0 * w + contextual * between[g] + rng.normal(size=n_groups)[g]
    return {"y": y + rng.normal(size=g.size), "x": x, "w": w, "g": g}


def ladder_of(data):
    return [
        run("y ~ x", data, kind="pooled", group="g", name="pooled"),
        run("y ~ x", data, kind="between", group="g", name="between"),
        run("y ~ x", data, kind="within", group="g", name="within"),
        run("y ~ x + (1 | g)", data, name="partial"),
    ]


# --- lines ----------------------------------------------------------------------------------------


def test_pooled_and_between(hsb, ladder):
    found = pooled_and_between(ladder)
    cloud = found.cloud
    slope, intercept = np.polyfit(cloud.x, cloud.y, 1)
    assert found.pooled.likelihood_slope == pytest.approx(slope, rel=1e-9)
    np.testing.assert_allclose(
        found.pooled.likelihood, intercept + slope * found.pooled.x, rtol=1e-9
    )
    slope, intercept = np.polyfit(cloud.group_x, cloud.group_y, 1)
    np.testing.assert_allclose(
        found.between.likelihood, intercept + slope * found.between.x, rtol=1e-9
    )
    beta = joined(hsb["hsb_between"], "beta")
    drawn = beta[:, :1] + beta[:, 1:] * found.between.x
    np.testing.assert_allclose(found.between.centre, drawn.mean(axis=0), rtol=EXACT)
    lower, upper = tails(drawn)
    np.testing.assert_allclose(found.between.lower, lower, rtol=EXACT)
    np.testing.assert_allclose(found.between.upper, upper, rtol=EXACT)
    assert (found.between.x[0], found.between.x[-1]) == (cloud.group_x.min(), cloud.group_x.max())


def test_slopes_are_those_of_the_tables(hsb, ladder):
    found = pooled_and_between(ladder)
    for line in (found.pooled, found.between):
        (row,) = [
            row
            for row in hsb[line.model].summaries[0]
            if row.quantity == "beta[ses]" and row.engine == "direct"
        ]
        assert line.slope == pytest.approx(row.estimate, rel=EXACT)
        assert (line.slope_lower, line.slope_upper) == pytest.approx((row.lower, row.upper))


def test_within_line(hsb):
    found = within_line(hsb["hsb_within"])
    for j in (0, 77):
        rows = found.cloud.term.rows_of(j)
        assert found.deviation[rows].mean() == pytest.approx(0.0, abs=EXACT)
    # Printed in In [49] and In [298], MODEL 3: 2.191172 and 12.747853.
    assert found.line.likelihood_slope == pytest.approx(2.191172, abs=5e-7)
    at_zero = np.interp(0.0, found.line.x, found.line.likelihood)
    assert at_zero == pytest.approx(12.747853, abs=5e-7)
    assert within_line(hsb["hsb_ses"]) is None


def test_extreme_groups(hsb):
    analysis = hsb["hsb_no_pooling"]
    found = extreme_groups(analysis)
    design = analysis.design
    ses = design.X[:, 0]
    means = np.array([ses[design.codes == j].mean() for j in range(design.J)])
    assert found.groups == (means.argmin(), means.argmax())
    for j, line in zip(found.groups, found.lines, strict=True):
        rows = design.codes == j
        assert line.name == str(design.labels[j])
        # Least squares with group intercepts goes through the means of the group.
        through = np.interp(ses[rows].mean(), line.x, line.likelihood)
        assert through == pytest.approx(design.y[rows].mean(), rel=EXACT)
        drawn = joined(analysis, "u")[:, j] + joined(analysis, "beta") * line.x
        np.testing.assert_allclose(line.lower, tails(drawn)[0], rtol=EXACT)
    assert extreme_groups(hsb["hsb_ses"]) is None


def test_balanced_groups_have_no_extremes():
    balanced = run("reaction ~ days", "sleepstudy", kind="no_pooling", group="subject")
    assert extreme_groups(balanced) is None


def test_four_slopes_of_the_document(ladder):
    found = four_slopes(ladder)
    slopes = {line.name: line.likelihood_slope for line in found.lines}
    # In [298], MODEL 4: printed to three decimals; the others in the summaries of MODEL 1 to 3.
    assert slopes.pop("random effects") == pytest.approx(2.390, abs=5e-4)
    assert slopes == pytest.approx(
        {
            "between groups": 5.9093,
            "total (pooled)": 3.1839,
            "within groups": 2.1912,
        },
        abs=5.1e-5,
    )
    assert [line.model for line in found.lines][2] == "hsb_ses"
    within = found.lines[3]
    centre = np.interp(found.cloud.x.mean(), within.x, within.likelihood)
    assert centre == pytest.approx(found.cloud.y.mean(), rel=1e-9)
    for line in found.lines:
        assert estimate(line.slope, line.slope_lower, line.slope_upper) in found.text.caption
    assert "more than the intervals allow for" in found.text.caption


def test_captions_tell_difference_from_none():
    alike = ladder_of(simulate(40, 12))
    assert "their intervals overlap" in four_slopes(alike).text.caption
    assert "the intervals overlap" in pooled_and_between(alike).text.caption
    apart = ladder_of(simulate(40, 12, contextual=-4.0))
    assert "more than the intervals allow for" in four_slopes(apart).text.caption
    assert "intervals do not overlap" in pooled_and_between(apart).text.caption


def test_figures_of_a_ladder_need_their_models(hsb):
    assert pooled_and_between([hsb["hsb_pooled"], hsb["hsb_ses"]]) is None
    assert four_slopes([hsb["hsb_ses"], hsb["hsb_sector"]]) is None
    assert four_slopes([hsb["hsb_null"]]) is None
    assert four_slopes([]) is None
    assert spread_by_group([]) is None


def test_no_figure_of_lines_without_a_posterior(hsb):
    bare = [replace(analysis, fits=()) for analysis in hsb.values()]
    assert four_slopes(bare) is None
    assert pooled_and_between(bare) is None
    assert all(prototypes(item) is None and subgroup_means(item) is None for item in bare)
    assert spread_by_group(bare).fitted is None


# --- prototypes and split -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hsb_sector", "hsb_sector_ses"])
def test_prototypes_are_the_documents_schools(hsb, name):
    # In [400]: p_school = 1946, c_school = 5650.
    found = prototypes(hsb[name])
    assert [(item.subgroup, item.label) for item in found.groups] == [
        ("sector = 0", "1946"),
        ("sector = 1", "5650"),
    ]
    assert "nearest the mean of all rows" in found.text.caption


def test_partially_pooled_line_of_a_prototype(hsb):
    analysis = hsb["hsb_sector_ses"]
    catholic = prototypes(analysis).groups[1]
    terms = analysis.design.terms
    beta = dict(zip(terms, joined(analysis, "beta").T, strict=True))
    u = joined(analysis, "u")[:, catholic.place, 0]
    level = beta["Intercept"] + beta["sector"] + u
    slope = beta["ses"] + beta["ses:sector"]
    drawn = level[:, None] + slope[:, None] * catholic.line.x
    np.testing.assert_allclose(catholic.line.centre, drawn.mean(axis=0), rtol=EXACT)
    np.testing.assert_allclose(catholic.line.upper, tails(drawn)[1], rtol=EXACT)
    reml = dict(zip(terms, analysis.estimate.solution.beta, strict=True))
    expected = reml["ses"] + reml["ses:sector"]
    assert catholic.line.likelihood_slope == pytest.approx(expected, rel=EXACT)
    assert catholic.unpooled_slope == pytest.approx(
        np.polyfit(catholic.x, catholic.y, 1)[0], rel=1e-9
    )


def test_prototype_with_a_slope_of_its_own(hsb):
    analysis = hsb["hsb_random_slope"]
    (one,) = prototypes(analysis).groups
    slope = joined(analysis, "beta")[:, 1] + joined(analysis, "u")[:, one.place, 1]
    assert one.line.slope == pytest.approx(slope.mean(), rel=EXACT)


def test_prototypes_where_all_groups_have_one_mean():
    analysis = run("distance ~ age * sex + (1 | subject)", "orthodont")
    found = prototypes(analysis)
    assert found.tied
    assert "nearest the median of the groups' means" in found.text.caption
    design, side = analysis.design, roles_of(analysis.design).subgroup
    means = np.array([design.y[design.codes == j].mean() for j in range(design.J)])
    for k, item in enumerate(found.groups):
        members = means[side == k]
        gap = np.abs(members - np.median(members)).min()
        assert abs(means[item.place] - np.median(members)) == pytest.approx(gap)
    beta = joined(analysis, "beta")
    girl, boy = (item.line.slope for item in found.groups)
    assert girl == pytest.approx(beta[:, 1].mean(), rel=EXACT)
    assert boy == pytest.approx((beta[:, 1] + beta[:, 3]).mean(), rel=EXACT)


def test_subgroup_means(hsb):
    analysis = hsb["hsb_sector_ses"]
    found = subgroup_means(analysis)
    beta = dict(zip(analysis.design.terms, joined(analysis, "beta").T, strict=True))
    public, catholic = found.subgroups
    expected = (beta["Intercept"] + beta["sector"])[:, None] + (beta["ses"] + beta["ses:sector"])[
        :, None
    ] * catholic.line.x
    np.testing.assert_allclose(catholic.line.centre, expected.mean(axis=0), rtol=EXACT)
    assert public.line.slope == pytest.approx(beta["ses"].mean(), rel=EXACT)
    cloud = found.cloud
    line = np.polyfit(cloud.group_x[public.groups], cloud.group_y[public.groups], 1)
    assert public.unpooled_slope == pytest.approx(line[0], rel=1e-9)
    assert public.groups.size + catholic.groups.size == 160


def test_other_predictors_stand_at_their_means():
    data = simulate(12, 10)
    data["z"] = np.random.default_rng(2).normal(3.0, 1.0, size=data["y"].size)
    analysis = run("y ~ x * w + z + x:z + (1 | g)", data)
    beta = dict(zip(analysis.design.terms, joined(analysis, "beta").T, strict=True))
    for k, side in enumerate(subgroup_means(analysis).subgroups):
        slope = beta["x"] + k * beta["x:w"] + beta["x:z"] * data["z"].mean()
        assert side.line.slope == pytest.approx(slope.mean(), rel=1e-8)
        level = beta["Intercept"] + k * beta["w"] + beta["z"] * data["z"].mean()
        at = side.line.x[0]
        assert side.line.centre[0] == pytest.approx((level + slope * at).mean(), rel=1e-8)


def test_group_means_of_a_mundlak_model_move_with_both_slopes():
    analysis = run("y ~ x + w + (1 | g)", simulate(20, 8, contextual=3.0), kind="mundlak")
    beta = dict(zip(analysis.design.terms, joined(analysis, "beta").T, strict=True))
    line = subgroup_means(analysis).subgroups[0].line
    expected = (beta["x"] + beta["between(x)"]).mean()
    assert line.slope == pytest.approx(expected, rel=EXACT)
    # A member's line has the slope within groups alone.
    member = prototypes(analysis).groups[0].line
    assert member.slope == pytest.approx(beta["x"].mean(), rel=EXACT)


def test_no_subgroup_means_without_differing_means(hsb):
    assert subgroup_means(hsb["hsb_ses"]) is None
    assert subgroup_means(hsb["hsb_slopes_as_outcomes"]) is None
    assert subgroup_means(run("distance ~ age * sex + (1 | subject)", "orthodont")) is None


def test_names_that_are_no_words():
    data = {
        {"y": "the score", "x": "x, scaled ($)", "w": "kind of `g`".replace("`", "'"), "g": "g"}[
            key
        ]: value
        for key, value in simulate(12, 8).items()
    }
    plain = run("y ~ x * w + (1 | g)", simulate(12, 8))
    odd = run("`the score` ~ `x, scaled ($)` * `kind of 'g'` + (1 | g)", data)
    for k in (0, 1):
        mine, theirs = (
            subgroup_means(odd).subgroups[k].line,
            subgroup_means(plain).subgroups[k].line,
        )
        assert mine.slope == pytest.approx(theirs.slope, rel=EXACT)
        one, other = prototypes(odd).groups[k].line, prototypes(plain).groups[k].line
        assert one.slope == pytest.approx(other.slope, rel=EXACT)


def test_singular_fit_and_few_groups():
    from bayes_mlm.engines.reml import RemlFit

    dyestuff = run("yield ~ 1 + (1 | batch)", "dyestuff2")
    assert isinstance(dyestuff.estimate.solution, RemlFit)
    assert dyestuff.estimate.solution.singular
    found = spread_by_group([dyestuff])
    assert found.labels.size == 6
    assert np.isfinite(found.fitted).all()
    three = ladder_of(simulate(3, 5))
    assert len(four_slopes(three).lines) == 4
    sides = subgroup_means(run("y ~ x + w + (1 | g)", simulate(3, 5))).subgroups
    assert all(side.unpooled_slope is None for side in sides)


# --- words ----------------------------------------------------------------------------------------


def pictures(ladder):
    yield from (spread_by_group(ladder), pooled_and_between(ladder), four_slopes(ladder))
    for item in ladder:
        yield from (within_line(item), extreme_groups(item), prototypes(item), subgroup_means(item))


def test_every_picture_says_what_it_is(ladder):
    found = [picture for picture in pictures(ladder) if picture is not None]
    assert len(found) >= 10
    for picture in found:
        for text in (picture.text.title, picture.text.caption, picture.text.alt):
            assert text
            assert "nan" not in text
            assert "  " not in text
        assert picture.text.caption.endswith(".")
        assert picture.text.alt.endswith(".")
