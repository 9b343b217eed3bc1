"""What people type who come from Stata, lme4, nlme, brms, HLM, bambi or statsmodels.

Each refusal offers the formula that is meant, which is in the language, or says what to do.
"""

import re
import time

import pytest

from bayes_mlm.base.errors import BayesMLMError, FormulaError
from bayes_mlm.formula import meant_by, parse_formula
from bayes_mlm.formula.notations import offers_of
from bayes_mlm.studies import load_record

# Of each text the formula that its refusal offers.
OFFERED = {
    "mixed mathach ses || schoolid:": "mathach ~ ses + (1 | schoolid)",
    "mixed math c.ses##i.sector || id: ses, cov(un)": "math ~ ses * C(sector) + (1 + ses | id)",
    "mixed y x1 x2 || school: x1, covariance(unstructured) reml": "y ~ x1 + x2 + (1 + x1 | school)",
    "mixed y i.treat##c.time || id: time, cov(uns) reml": "y ~ C(treat) * time + (1 + time | id)",
    "mixed y c.x#c.z || school: x": "y ~ x:z + (1 + x || school)",
    "mixed y c.x##c.x || school:": "y ~ x + I(x ** 2) + (1 | school)",
    "mixed y i.a##i.b##c.x || school: x": "y ~ C(a) * C(b) * x + (1 + x || school)",
    "mixed y x || a: || b: x, cov(un)": "y ~ x + (1 | a) + (1 + x | b:a)",
    "mixed y x || a: x || b: x, cov(un)": "y ~ x + (1 + x || a) + (1 + x | b:a)",
    "mixed y || a: || b: || c:": "y ~ 1 + (1 | a) + (1 | b:a) + (1 | c:b:a)",
    "mixed y || school:": "y ~ 1 + (1 | school)",
    "mixed y, || school:": "y ~ 1 + (1 | school)",
    "mixed y x || school:, mle": "y ~ x + (1 | school)",
    "mixed y x || school: x, nocons": "y ~ x + (0 + x || school)",
    "mixed y x, nocons || school:": "y ~ 0 + x + (1 | school)",
    "mixed y x if sex==1 || school:": "y ~ x + (1 | school)",
    "mixed y x in 1/100 || school: x": "y ~ x + (1 + x || school)",
    "mixed y x [pw=w] || school:": "y ~ x + (1 | school)",
    "mixed y ib3.grade i.sex#c.ses || school:": "y ~ C(grade, ref=3) + C(sex):ses + (1 | school)",
    "mixed y ibn.grade, nocons || school:": "y ~ 0 + C(grade) + (1 | school)",
    "mixed y i.(a b) || school:": "y ~ C(a) + C(b) + (1 | school)",
    "mixed y (c.x c.z)##i.t || school: x": "y ~ (x + z) * C(t) + (1 + x || school)",
    "mixed y c.(x z)#i.t || school:": "y ~ (x + z):C(t) + (1 | school)",
    "mixed y x || _all: R.rater || item:": "y ~ x + (1 | rater) + (1 | item)",
    "xtmixed y x || school: x, cov(un) mle": "y ~ x + (1 + x | school)",
    "xtreg y x, re i(school)": "y ~ x + (1 | school)",
    "xtreg y x, fe": "y ~ x + (1 | group)",
    "melogit pass i.sex c.ses || school:, or": "pass ~ C(sex) + ses + (1 | school)",
    "meglm y x || school:, family(binomial) link(logit)": "y ~ x + (1 | school)",
    "mepoisson n x || site:": "n ~ x + (1 | site)",
    "meologit grade x || school:": "grade ~ x + (1 | school)",
    "meqrlogit pass x || school: x": "pass ~ x + (1 + x || school)",
    "reg y x i.school": "y ~ x + C(school)",
    "regress y x, vce(cluster school)": "y ~ x",
    "mixed y i.year, || id: year, residuals(ar 1, t(year))": "y ~ C(year) + (1 + year || id)",
    "mixed y x, residuals(independent, by(sex)) || id:": "y ~ x + (1 | id)",
    "mixed y i.sex || id: ses sex, covariance(un) var": "y ~ C(sex) + (1 + ses + sex | id)",
    "y x || school: x": "y ~ x + (1 + x || school)",
    "y ~ x || school: x": "y ~ x + (1 + x || school)",
    "y ~ c.x##i.z || school:": "y ~ x * C(z) + (1 | school)",
    "lmer(y ~ x + (1|g), data=d)": "y ~ x + (1|g)",
    "lmer(y ~ ses * x + (ses | g), data = hsb, REML = FALSE)": "y ~ ses * x + (ses | g)",
    "m <- lmer(y ~ x + (1|g), d)": "y ~ x + (1|g)",
    "lme(y ~ x, random = ~1|g, data = d)": "y ~ x + (1 | g)",
    "lme(y ~ x, random = ~ x | school/class)": "y ~ x + (x | school/class)",
    "y ~ x, random = ~1|g": "y ~ x + (1 | g)",
    "nlme::lme(fixed = y ~ x, random = ~ 1 + x | g)": "y ~ x + (1 + x | g)",
    "y ~ x + (1|g), data=d": "y ~ x + (1|g)",
    "glmer(y ~ x + (1|g), family = binomial, data = d)": "y ~ x + (1|g)",
    "brm(y ~ x + (1|g), data = d, family = gaussian())": "y ~ x + (1|g)",
    "brms::brm(bf(y ~ x + (1|g)), data=d)": "y ~ x + (1|g)",
    "stan_lmer(y ~ x + (1|g), data=d)": "y ~ x + (1|g)",
    "lm(y ~ x)": "y ~ x",
    'bmb.Model("y ~ x + (1|g)", df)': "y ~ x + (1|g)",
    'smf.mixedlm("y ~ x", df, groups=df["g"])': "y ~ x + (1 | g)",
    "y ~ s(x)": "y ~ cr(x, df=4)",
    "y ~ s(x) + (1|g)": "y ~ cr(x, df=4) + (1|g)",
    'y ~ s(x, k=5) + s(g, bs="re")': "y ~ cr(x, df=4) + (1 | g)",
    "y ~ factor(x)": "y ~ C(x)",
    "y ~ as.factor(x) + (1|g)": "y ~ C(x) + (1|g)",
    "y ~ I(x^2)": "y ~ I(x**2)",
    "y ~ x + I(x^2) + (1|g)": "y ~ x + I(x**2) + (1|g)",
    "y ~ x^2": "y ~ I(x ** 2)",
    "y ~ (a+b+c)^2": "y ~ (a+b+c)**2",
    "y ~ mo(x)": "y ~ C(x, Diff)",
    "y ~ x + (1|gr(g, by=t))": "y ~ x + (1|g)",
    "y | weights(w) ~ x + (1|g)": "y ~ x + (1|g)",
    "y | cens(c) ~ x": "y ~ x",
    "bf(y ~ x, sigma ~ z)": "y ~ x",
    "y ~ x + 1|g": "y ~ x + (1 | g)",
    "y ~ x %in% g": "y ~ x:g",
    "y ~ a %in% b": "y ~ a:b",
    'y ~ relevel(x, ref="b")': 'y ~ C(x, ref="b")',
    "y ~ C(x, contr.sum)": "y ~ C(x, Sum)",
    "y ~ x + Error(g)": "y ~ x + (1 | g)",
    "aov(y ~ x + Error(g/x))": "y ~ x + (1 | g/x)",
    "y ~ np.log(x)": "y ~ log(x)",
    "y ~ np.log1p(x) + (1|g)": "y ~ log1p(x) + (1|g)",
    "y = x + (1|g)": "y ~ x + (1|g)",
    "MATHACH = SES + (1|SCHOOL)": "MATHACH ~ SES + (1|SCHOOL)",
    "y ~ x + re(g)": "y ~ x + (1 | g)",
    "y ~ x | g": "y ~ x + (1 | g)",
    "y ~ x + ranef(g)": "y ~ x + (1 | g)",
    "y ~ x + random(1|g)": "y ~ x + (1| g)",
    "y on x": "y ~ x",
    "y ~ x + z, groups=g": "y ~ x + z + (1 | g)",
    "y ~ log(x, 2)": "y ~ log2(x)",
    "y ~ x$a": "y ~ a",
    "y ~ d$x + (1|d$g)": "y ~ x + (1|g)",
    "d$y ~ x": "y ~ x",
    "df['y'] ~ x": "y ~ x",
    '"y ~ x"': "y ~ x",
    'y ~ x + (1|"g")': "y ~ x + (1|g)",
    "y~x+(1|g);": "y~x+(1|g)",
    "y ~ x1 + x2 +": "y ~ x1 + x2",
    "y ~ te(x,z)": "y ~ cr(x, df=3):cr(z, df=3)",
    "y ~ t2(x,z)": "y ~ cr(x, df=3):cr(z, df=3)",
    "y ~ monotonic(x)": "y ~ C(x, Diff)",
    "y ~ dummy(x)": "y ~ C(x)",
    "y ~ group_mean(x)": "y ~ between(x)",
    "y ~ cwc(x)": "y ~ within(x)",
    "y ~ gmc(x)": "y ~ center(x)",
    "y ~ mean(x, by=g)": "y ~ between(x)",
    "y ~ ave(x, g)": "y ~ between(x)",
    "y ~ x - mean(x)": "y ~ center(x)",
    "y ~ center(x, group=g)": "y ~ within(x)",
    "y ~ center(x, g)": "y ~ within(x)",
    "y ~ scale(x, scale=FALSE)": "y ~ center(x)",
    "y ~ splines::bs(x, 3)": "y ~ bs(x, 3)",
    "y ~ rms::rcs(x, 4)": "y ~ ns(x, df=3)",
    "y ~ diag(x|g)": "y ~ (x|| g)",
    "y ~ x + us(1+x|g)": "y ~ x + (1+x| g)",
}
# What has no formula here: the advice.
ADVISED = {
    "bysort school: egen m = mean(x)": "unexpected",
    "mixed l.y x || id:": "no lag",
    "mixed y L.x D.z || id:": "no lag",
    "mixed y x1-x5 || school:": "write out the columns",
    "mixed y x* || school:": "write out the columns",
    "y ~ .": "write out the columns",
    "y ~ . - z": "write out the columns",
    "y ~ x + (1|mm(g1,g2))": "the group is one column",
    "cbind(s, n-s) ~ x + (1|g)": "successes and failures are written",
    "cbind(y1,y2) ~ x": "successes and failures are written",
    "mvbind(y1,y2) ~ x": "one outcome",
    "y ~ x + (1|g) + ar(time, gr=id)": "--ar TIME",
    "y ~ ifelse(x>0,1,0)": "truth values",
    "y ~ x > 3": "truth values",
    "y ~ x == 'a'": "truth values",
    "y ~ (x > 3)": "truth values",
    "y ~ lag(x, 1)": "earlier values",
    "y ~ cut(x, 3)": "column of categories",
    "y ~ x + (1 | g, id)": "more than one argument",
    "MATHACHij = B0j + B1j*SESij + rij": "equations of all levels",
    "MATHACH = b0 + b1*SES + u0 + e": "equations of all levels",
    "LEVEL 1: Y = B0 + B1*X + R": "equations of all levels",
    "~ x + (1|g)": "the outcome stands before",
    "y ~ gp(x)": "Gaussian processes",
    "y ~ me(x, sdx)": "measurement errors",
    "y ~ cs(x)": "write cr\\(",
    "y ~ grandmean(x)": "center\\(x\\)",
    "y ~ x + ar1(time+0|g)": "a group term is written",
    "y ~ x + cs(x|g)": "a group term is written",
}


@pytest.mark.parametrize(("text", "formula"), OFFERED.items())
def test_a_refusal_offers_the_formula(text: str, formula: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    message, shown, mark = str(caught.value).split("\n")
    assert shown == f"  {text}"
    assert mark.strip() == "^"
    assert f"here it is written '{formula}'" in message or message.endswith(f"; write: {formula}")
    parse_formula(formula)


@pytest.mark.parametrize(("text", "says"), ADVISED.items())
def test_a_refusal_says_what_to_do_where_there_is_no_formula(text: str, says: str) -> None:
    with pytest.raises(FormulaError, match=says) as caught:
        parse_formula(text)
    assert "here it is written" not in str(caught.value)
    assert "; write: " not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("mixed y x [pw=w] if sex==1 || g: x, cov(un) mle", ("weights", "select", "--engine ml")),
        ("mixed y x || g:, reml", ("--engine reml",)),
        ("mixed y t || g:, residuals(ar 1, t(t))", ("--ar TIME",)),
        ("melogit y x || g:", ("distribution of the outcome of melogit is not available",)),
        ("xtreg y x, fe", ("xtset", "--kind within")),
        ("glmer(y ~ x + (1|g), d, family = binomial)", ("binomial is not available", "--data")),
        ("lmer(y ~ x + (1|g), d, REML = FALSE, weights = w)", ("--engine ml", "weights")),
        ("lme(y ~ x, random = ~1|g, correlation = corAR1())", ("--ar TIME",)),
        ("brm(bf(y ~ x + (1|g), sigma ~ z), data = d)", ('--sigma "sigma ~ z"',)),
        ("y | weights(w) ~ x", ("weights(...) is no part",)),
    ],
)
def test_what_a_formula_does_not_say_is_noted(text: str, notes: tuple[str, ...]) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    for note in notes:
        assert note in str(caught.value)


def test_several_levels_of_stata_have_their_own_covariances() -> None:
    text = "mixed y x || a: x, cov(un) || b: x"
    found = next(iter(offers_of(text))).formula
    assert found == "y ~ x + (1 + x | a) + (1 + x || b:a)"


@pytest.mark.parametrize("text", ["y ~ x", "y ~ x + (1 + x || g)", "y ~ C(x, Sum) / z + offset(w)"])
def test_formulas_of_the_language_are_not_rewritten(text: str) -> None:
    parse_formula(text)
    assert [one.formula for one in offers_of(text) if one.formula != text] == []


@pytest.mark.parametrize(
    "text", ["hsb_ses", "study", "y ~ ~", "lmer(", "mixed", "mixed y || ", "y ~ x ||", "((", "| |"]
)
def test_other_texts_are_offered_nothing_that_is_no_formula(text: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    offered = re.search(r"here it is written '(.*?)'|; write: (.*)$", str(caught.value), re.M)
    if offered:
        parse_formula(offered[1] or offered[2])


def test_a_text_without_a_tilde_is_answered_on_the_command_line_too() -> None:
    with pytest.raises(BayesMLMError, match=r"here it is written 'y ~ x \+ C\(g\)'"):
        load_record("regress y x i.g")
    with pytest.raises(BayesMLMError, match=r"write: y ~ x \+ \(1 \| g\)"):
        load_record("y = x + (1 | g)")
    assert meant_by("my_study") == ""


HOSTILE = ["(", "a(", "||", "##", "^", "x^2", "['a']", "$a", "s(x,", "i.(a b)#", "a a ", "x - "]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_text_is_answered_at_once(piece: str) -> None:
    """Patterns that take turns would need minutes for a thousand characters."""
    started = time.perf_counter()
    with pytest.raises(FormulaError):
        parse_formula(f"y ~ {piece * (990 // len(piece))}")
    assert time.perf_counter() - started < 2
