"""Commands of other programs, and what does the same here."""

import sys
from collections.abc import Sequence

EXIT_COMMAND = 2
_MODEL = '"y ~ x + (1 | g)" --data FILE'
_FIT = f"fit {_MODEL}"
_FOUND = {
    **dict.fromkeys(("mixed", "xtmixed", "xtreg", "lmer", "lme", "brm", "regress", "lm"), _FIT),
    **dict.fromkeys(("estat", "icc", "VarCorr", "r2"), f"variance {_MODEL}"),
    **dict.fromkeys(
        ("margins", "contrast", "contrasts", "pwcompare", "emmeans", "emtrends", "slopes"),
        f"effects {_MODEL} --slope x (--contrast x, --at z=0,1)",
    ),
    **dict.fromkeys(
        ("anova", "lrtest", "loo", "compare", "aic", "bic"),
        f'loo-compare "y ~ 1 + (1 | g)" {_MODEL}',
    ),
    **dict.fromkeys(("ranef", "coef", "reffects", "blup"), f"lines {_MODEL}"),
    **dict.fromkeys(("fixef", "summary", "confint"), _FIT),
    **dict.fromkeys(("summarize", "codebook", "tabulate", "str", "head"), "describe --data FILE"),
    **dict.fromkeys(("hausman", "mundlak", "between"), f"contextual {_MODEL}"),
    **dict.fromkeys(("simulate", "pp_check", "residuals", "rvfplot"), f"check {_MODEL}"),
    **dict.fromkeys(("marginsplot", "graph"), "plot --list"),
    **dict.fromkeys(("esttab", "outreg2", "modelsummary", "stargazer"), f"table {_MODEL}"),
    **dict.fromkeys(
        ("use", "reshape"), "describe --data FILE: a table with one row an occasion, as it is"
    ),
}


def refuse_foreign(words: Sequence[str]) -> None:
    """End the command line if its command is one of Stata's or R's, with the one here."""
    found = _FOUND.get(words[0]) if words else None
    if found is not None:
        print(f"Error: there is no command {words[0]!r}; use bayes-mlm {found}", file=sys.stderr)
        sys.exit(EXIT_COMMAND)
