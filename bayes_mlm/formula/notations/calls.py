"""Calls of the functions that fit models elsewhere, rewritten as formulas for a message."""

import re
from collections.abc import Iterator

from bayes_mlm.formula.notations.offer import Offer, split_arguments
from bayes_mlm.formula.notations.pieces import cleaned

_CALL = re.compile(
    r"\s*(?:[\w.]+\s*(?:<-|=)\s*)?(?:[\w.]+(?:::|\.))?(?P<name>\w+)\((?P<inside>.*)\)\s*;?\s*"
)
_FITTERS = frozenset(
    (
        *("lmer", "glmer", "blmer", "nlmer", "lme", "gls", "lm", "glm", "aov", "brm", "glmmTMB"),
        *("stan_lmer", "stan_glmer", "stan_lm", "stan_glm", "gam", "gamm", "gamm4", "bam", "HLfit"),
        *("Model", "Lmer", "lmm", "mixedlm", "ols", "glmmPQL", "lmerTest", "rlmer", "fitme"),
        *("MixedModel", "MixedLM", "from_formula", "feols", "hlm", "fit", "as_formula"),
    )
)
_WRAPPERS = frozenset({"bf", "brmsformula", "formula", "as_formula", "lf"})
_NAMED = re.compile(r"(?P<name>[\w.]+)\s*=(?!=)\s*(?P<value>.*)")
_RANDOM = re.compile(r"(?:(?P<group>\w+)\s*=\s*)?~\s*(?P<effects>[^|]*)(?:\|(?P<bar>.*))?")
_FALSE = ("F", "FALSE", "False", "0")


def offer_call(text: str) -> Iterator[Offer]:
    """Yield the formula in a call, or in the arguments of one.

    Examples
    --------
    >>> next(offer_call("lmer(y ~ factor(x) + (1|g), data = d)")).formula
    'y ~ C(x) + (1|g)'
    >>> next(offer_call("y ~ x, random = ~ 1 | school/class")).formula
    'y ~ x + (1 | school/class)'
    """
    call = _CALL.fullmatch(text)
    name = call["name"] if call else ""
    if call and name in (_FITTERS | _WRAPPERS):
        inside = call["inside"]
        place = call.start("name")
        of = f"a call of {name}"
    elif not call or "~" not in call["inside"]:
        inside, place, of = text, max(text.find(","), 0), "a formula with arguments"
        if len(split_arguments(text)) < 2:
            return
    else:
        return
    formula, notes = _read(split_arguments(inside))
    if formula:
        yield Offer(formula=cleaned(formula), of=of, place=place, notes=tuple(notes))


def _read(arguments: list[str]) -> tuple[str, list[str]]:
    """Return the formula of arguments, and what the others of them are here."""
    named = {one["name"]: one["value"] for one in map(_NAMED.fullmatch, arguments) if one}
    plain = [one for one in arguments if not _NAMED.fullmatch(one)]
    first = next((named[one] for one in ("formula", "fixed", "model") if one in named), "")
    first = first or next((one for one in plain if "~" in one), "")
    first = _unquoted(first)
    wrapped = _CALL.fullmatch(first)
    notes: list[str] = []
    if wrapped and wrapped["name"] in _WRAPPERS:
        parts = split_arguments(wrapped["inside"])
        first = _unquoted(parts[0])
        plain += parts[1:]
    if not first.partition("~")[0].strip():
        return "", notes
    random = named.get("random") or next((one for one in plain if one.startswith("~")), "")
    if random:
        first += "".join(f" + {one}" for one in _random(random))
    if groups := named.get("groups", named.get("group", "")):
        slopes = _unquoted(named.get("re_formula", "")).lstrip("~ ") or "1"
        first += f" + ({slopes} | {cleaned(_unquoted(groups))})"
    if "data" in named or [one for one in plain if "~" not in one]:
        notes.append("the data are another argument (--data)")
    if named.get("REML", "") in _FALSE or named.get("method", "").strip("\"'") == "ML":
        notes.append('maximum likelihood is engine="ml" (--engine ml)')
    family = re.match(r"\w*", _unquoted(named.get("family", "")).split("::")[-1])
    if family and family[0] and family[0] not in ("gaussian", "student"):
        notes.append(f"the family {family[0]} is not available: this model is linear")
    if "weights" in named:
        notes.append("weights are not available")
    if "correlation" in named:
        notes.append("AR(1) residuals along a column are an option (--ar TIME)")
    if sigma := next((one for one in plain if re.match(r"sigma\s*~", one)), ""):
        notes.append(f'the residual sd is an option (--sigma "{sigma}")')
    return first, notes


def _random(text: str) -> Iterator[str]:
    """Yield the group terms of nlme's ``random``: ``~ x | g``, or ``list(g = ~ x)``."""
    listed = re.fullmatch(r"list\((.*)\)", text)
    for part in split_arguments(listed[1]) if listed else [text]:
        found = _RANDOM.fullmatch(part)
        if found and (group := found["bar"] or found["group"]):
            yield f"({found['effects'].strip()} | {group.strip()})"


def _unquoted(text: str) -> str:
    found = re.fullmatch(r"\s*(['\"])(.*)\1\s*", text)
    return found[2] if found else text.strip()
