"""Formulas in Stata's notation, rewritten for a message."""

import re

_LEVEL = re.compile(r"\s*(?P<group>\w+)\s*:(?P<slopes>[^,]*)")
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
    """
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
    plain = _PRODUCT.sub(_as_product, fixed.partition(",")[0])
    outcome, tilde, right = plain.partition("~")
    if not tilde:
        outcome, *predictors = outcome.split() or [""]
        right = " + ".join(predictors)
    right = re.sub(r"\bib(\d+)\.(\w+)", r"C(\2, ref=\1)", right)
    right = re.sub(r"\bi\.(\w+)", r"C(\1)", re.sub(r"\bc\.(?=\w)", "", right))
    right = re.sub(r"(?<=[\w)])([*:])(?=\w)", r" \1 ", right)
    return f"{outcome.strip()} ~ {' + '.join([right.strip() or '1', *terms])}"


def _as_product(found: re.Match[str]) -> str:
    return f"{found['left']}{'*' if found['sign'] == '##' else ':'}{found['right']}"
