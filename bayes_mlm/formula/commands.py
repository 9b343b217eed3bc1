"""Formulas in the notation of Stata's and R's commands, rewritten for a message."""

import re

_LEVEL = re.compile(r"\s*(?P<group>\w+)\s*:(?P<slopes>[^,]*)")
_PANEL = re.compile(
    r"\s*xtreg\s+(?P<fixed>[^,|~]+?)\s*,(?=.*\b(re|mle)\b).*\bi\(\s*(?P<group>\w+)\s*\)"
)
_CALL = re.compile(
    r"\s*(\w+::)?(lmer|lme|glmer|glmmTMB|brm|brmsformula|bf|lm|fit|Model)\(\s*(formula\s*=\s*)?"
    r"(?P<inside>.*~.*)\)\s*$"
)
_PRODUCT = re.compile(r"(?P<left>[\w.()]+)\s*(?P<sign>##?)\s*(?P<right>[\w.()]+)")


def rewrite_stata(text: str) -> str:
    """Return a text in the notation of Stata's ``mixed`` as a formula; "" of any other text.

    Examples
    --------
    >>> rewrite_stata("y x1 c.x2##i.z || school: x1, covariance(unstructured)")
    'y ~ x1 + x2 * C(z) + (1 + x1 | school)'
    >>> rewrite_stata("mixed y ib2.sex || _all: R.rater || item:")
    'y ~ C(sex, ref=2) + (1 | rater) + (1 | item)'
    >>> rewrite_stata("y ~ x || school:"), rewrite_stata("y ~ x + (x || school)")
    ('y ~ x + (1 | school)', '')
    >>> rewrite_stata("y ~ c.age##i.sex + c.age#c.age + (1 | g)")
    'y ~ age * C(sex) + I(age ** 2) + (1 | g)'
    >>> rewrite_stata("xtreg y x i.sex, i(school) mle")
    'y ~ x + C(sex) + (1 | school)'
    """
    panel = _PANEL.match(text)
    if panel is not None:
        text = f"{panel['fixed']} || {panel['group']}:"
    elif "~" in text and "#" in text and "||" not in text:
        return _as_formula(text).strip()
    fixed, *levels = re.sub(r"^\s*(xt)?mixed\s", "", text).split("||")
    found = [_LEVEL.match(level) for level in levels]
    if (
        "(" in fixed
        or re.search(r"\s(if|in)\s", fixed)
        or not all(found)
        or not (levels or "#" in text)
    ):
        return ""
    bar = "|" if re.search(r"cov\w*\(un", text) else "||"
    terms = []
    for level in filter(None, found):
        slopes, group = level["slopes"].split(), level["group"]
        if group == "_all":  # all rows in one group, and crossed effects by an indicator's factor
            terms += [f"(1 | {one.removeprefix('R.')})" for one in slopes]
            continue
        terms.append(f"({' + '.join(['1', *slopes])} {bar if slopes else '|'} {group})")
    outcome, tilde, right = fixed.partition(",")[0].partition("~")
    if not tilde:
        outcome, *predictors = outcome.split() or [""]
        right = " + ".join(predictors)
    return f"{outcome.strip()} ~ {' + '.join([_as_formula(right).strip() or '1', *terms])}"


def rewrite_r(text: str) -> str:
    """Return a call of R's ``lmer`` and its like, or of a package's function, as a formula.

    Examples
    --------
    >>> rewrite_r("lmer(y ~ x + (1 | g), data = d, REML = FALSE)")
    'y ~ x + (1 | g)'
    >>> rewrite_r("y ~ splines::ns(x, df=3) + (1 | g)"), rewrite_r("y ~ log(x)")
    ('y ~ ns(x, df=3) + (1 | g)', '')
    """
    plain, call = re.sub(r"\b[A-Za-z]\w*::(?=\w+\()", "", text), _CALL.match(text)
    if call is None:
        return plain if plain != text else ""
    depth = 0
    for place, sign in enumerate(call["inside"]):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth < 0 or (depth == 0 and sign == ","):
            return call["inside"][:place].strip()
    return call["inside"].strip()


def _as_formula(text: str) -> str:
    """Return terms of Stata as those of a formula."""
    right = _PRODUCT.sub(_as_product, text)
    right = re.sub(r"\bib(\d+)\.(\w+)", r"C(\2, ref=\1)", right)
    right = re.sub(r"\bi\.(\w+)", r"C(\1)", re.sub(r"\bc\.(?=\w)", "", right))
    return re.sub(r"(?<=[\w)])([*:])(?=\w)", r" \1 ", right)


def _as_product(found: re.Match[str]) -> str:
    if found["left"] == found["right"] and found["left"].startswith("c."):
        name = found["left"].removeprefix("c.")
        square = f"I({name} ** 2)"
        return f"{name} + {square}" if found["sign"] == "##" else square
    return f"{found['left']}{'*' if found['sign'] == '##' else ':'}{found['right']}"
