"""Commands of Stata, rewritten as formulas for a message."""

import re
from collections.abc import Iterator

from bayes_mlm.formula.notations.offer import Offer, split_arguments

_LINEAR = ("mixed", "xtmixed", "regress", "reg", "xtreg")
_OTHERS = (
    *("melogit", "meqrlogit", "xtmelogit", "meprobit", "mepoisson", "meqrpoisson", "xtmepoisson"),
    *("menbreg", "meologit", "meoprobit", "mecloglog", "mestreg", "metobit", "meintreg", "meglm"),
    *("logit", "logistic", "probit", "poisson", "xtlogit", "xtpoisson"),
)
_PREFIX = re.compile(r"\s*(?:bayes|svy|quietly|qui|xi|bootstrap|by\w*\s[^:]*)\s*[^:|]{0,40}:\s*")
_COMMAND = re.compile(rf"\s*(?P<name>{'|'.join(sorted((*_LINEAR, *_OTHERS), key=len)[::-1])})\s+")
_LEVEL = re.compile(r"\s*(?P<group>\w+)\s*:(?P<slopes>[^,]*)")
_CONDITION = re.compile(r"\s+(?:if\s.*|in\s+[\w/]+.*)$")
_WEIGHT = re.compile(r"\[\s*(?:[pfai]?w\w*)\s*=[^\]]*\]")
_LAG = re.compile(r"\b[LDFSldfs]\d*\.\(?\w")
_MANY = re.compile(r"\w[*?]|\b\w+-\w+\b|\b_all\b(?!\s*:)")
_INDICATOR = re.compile(r"(?:(?P<kind>ib\(?(?P<base>\w+)\)?|i|c|o)\.)(?P<name>\w+|\([\w\s]+\))")


def offer_stata(text: str) -> Iterator[Offer]:
    """Yield the formula of a command of Stata, or of what follows its name.

    Examples
    --------
    >>> [one.formula for one in offer_stata("mixed y x c.w##i.z || school: x, cov(un) reml")]
    ['y ~ x + w * C(z) + (1 + x | school)']
    >>> next(offer_stata("y ~ c.x##i.z + c.x#c.x + (1 | g)")).formula
    'y ~ x * C(z) + I(x ** 2) + (1 | g)'
    >>> next(offer_stata("y ~ x || school:")).formula, list(offer_stata("y ~ x + (x || school)"))
    ('y ~ x + (1 | school)', [])
    """
    bare = _PREFIX.sub("", text, count=1) if _PREFIX.match(text) else text
    command = _COMMAND.match(bare)
    name = command["name"] if command else ""
    place = max(text.find("||"), 0) or max(text.find("#"), 0)
    fixed, *levels = (bare[command.end() :] if command else bare).split("||")
    found = [_LEVEL.match(level) for level in levels]
    whole = fixed.count("(") == fixed.count(")")  # else the bar is of a group term
    if not (whole and all(found)) or not (levels or command or "#" in fixed):
        return
    if not command and not (levels or "~" in fixed or " " in fixed.strip()):
        return
    if not command and "(" in fixed and "#" not in fixed and not levels:
        return
    of = f"a command of Stata ({name})" if name else "the notation of Stata's mixed"
    notes = [*_notes(text, name)]
    if _LAG.search(fixed):
        notes.append("there are no lag operators; make the columns in the data")
        yield Offer(formula="", of=of, place=place, notes=tuple(notes))
        return
    if _MANY.search(_WEIGHT.sub("", split_arguments(fixed)[0])) and "~" not in fixed:
        notes.append("write out the columns of a list such as x1-x5 or x*")
        yield Offer(formula="", of=of, place=place, notes=tuple(notes))
        return
    terms = [*_group_terms(levels)]
    if name == "xtreg":
        panel = re.search(r"\bi\((\w+)\)", text)
        terms += [f"(1 | {panel[1] if panel else 'group'})"]
        if not panel:
            notes.append("group is the column that xtset names")
        if re.search(r",.*\bfe\b", text):
            notes.append('of fixed effects, as of fe, add kind="within" (--kind within)')
    formula = _fixed(fixed)
    if formula:
        yield Offer(formula=" + ".join([formula, *terms]), of=of, place=place, notes=tuple(notes))


def _notes(text: str, name: str) -> Iterator[str]:
    if name in _OTHERS:
        yield f"the distribution of the outcome of {name} is not available: this model is linear"
    if _WEIGHT.search(text):
        yield "weights are not available"
    if re.search(r"\s(?:if|in)\s", text):
        yield "select the rows in the data first"
    if re.search(r",.*\bresiduals\(\s*ar\b", text):
        yield "residuals of order 1 along a column are an option (--ar TIME)"
    elif re.search(r",.*\bresiduals\(.*by\(", text):
        yield 'residual sds by category are an option (--sigma "sigma ~ FACTOR")'
    if re.search(r",.*\bmle?\b", text) and name in ("mixed", "xtmixed"):
        yield 'mle is engine="ml" (--engine ml)'
    if re.search(r",.*\breml\b", text):
        yield 'reml is engine="reml" (--engine reml)'


def _group_terms(levels: list[str]) -> Iterator[str]:
    """Yield the terms of the levels, each nested in those before it."""
    nested = ""
    for level in levels:
        found = _LEVEL.match(level)
        assert found is not None  # for mypy: `offer_stata` has matched them
        slopes, group = found["slopes"].split(), found["group"]
        if group == "_all":  # all rows in one group, and crossed effects by an indicator's factor
            yield from (f"(1 | {one.removeprefix('R.')})" for one in slopes)
            continue
        options = level.partition(",")[2]
        bar = "|" if re.search(r"cov\w*\(\s*un", options) else "||"
        intercept = "0" if re.search(r"\bnocons", options) and slopes else "1"
        written = " + ".join([intercept, *map(_term, slopes)])
        nested = f"{group}:{nested}" if nested else group
        yield f"({written} {bar if slopes else '|'} {nested})"


def _fixed(text: str) -> str:
    """Return outcome and predictors of a list of variables, or of a formula with its products."""
    listed, options = (*split_arguments(text, marks=","), "")[:2]
    listed = _CONDITION.sub("", _WEIGHT.sub("", listed))
    outcome, tilde, right = listed.partition("~")
    if tilde:
        parts = [one for one in split_arguments(right, marks="+") if one]
    else:
        outcome, *parts = split_arguments(" ".join(listed.split()), marks=" ") or [""]
        parts = [one for one in parts if one]
    terms = [term for part in parts for term in _expanded(part)]
    if "nocons" in options:
        terms.insert(0, "0")
    return f"{outcome.strip()} ~ {' + '.join(terms) or '1'}" if outcome.strip() else ""


def _expanded(part: str) -> list[str]:
    """Return the terms of a product of Stata, or of one variable."""
    if "#" not in part and "(" in part and not _INDICATOR.fullmatch(part):
        return [part]  # of a formula: a group term, a function
    sign = "##" if "##" in part else "#"
    factors = [_listed(one) for one in re.split(r"##?", part)]
    plain = [one for names in factors for one in names]
    if sign == "##" and len(set(plain)) < len(plain):  # c.x##c.x: a square
        return [plain[0], f"I({plain[0]} ** {len(plain)})"]
    if len(plain) > 1 and len(set(plain)) == 1 and len(factors) > 1:
        return [f"I({plain[0]} ** {len(plain)})"]
    if len(factors) == 1:
        return factors[0]
    groups = [names[0] if len(names) == 1 else f"({' + '.join(names)})" for names in factors]
    return [" * ".join(groups) if sign == "##" else ":".join(groups)]


def _listed(text: str) -> list[str]:
    """Return the variables of a factor of a product: ``i.(a b)``, ``(c.x c.z)``, ``c.x``."""
    text = text.strip()
    found = _INDICATOR.fullmatch(text)
    if found and found["name"].startswith("("):
        kind = text[: -len(found["name"])]
        return [_term(f"{kind}{name}") for name in found["name"][1:-1].split()]
    if text.startswith("(") and text.endswith(")"):
        return [_term(name) for name in text[1:-1].split()]
    return [_term(text)]


def _term(text: str) -> str:
    found = _INDICATOR.fullmatch(text.strip())
    if found is None:
        return text.strip()
    if found["kind"] in ("c", "o"):
        return found["name"]
    base = found["base"]
    return f"C({found['name']}, ref={base})" if base and base.isdigit() else f"C({found['name']})"
