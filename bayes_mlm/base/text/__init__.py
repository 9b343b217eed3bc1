"""Format numbers and labels: how many digits are shown, and what of a long label."""

from bayes_mlm.base.text.columns import align, split
from bayes_mlm.base.text.labels import shorten, shorten_all
from bayes_mlm.base.text.numbers import (
    LOGLIK_ERROR,
    MINUS,
    SUPERSCRIPTS,
    TIMES,
    Digits,
    Style,
    Texts,
    digits,
    estimate,
    interval,
    number,
    share_digits,
    texts,
)
from bayes_mlm.base.text.scales import (
    count,
    level,
    p_value,
    percent,
    probability,
    rounded,
    scaled,
    signed,
    tiny,
)

__all__ = [
    "LOGLIK_ERROR",
    "MINUS",
    "SUPERSCRIPTS",
    "TIMES",
    "Digits",
    "Style",
    "Texts",
    "align",
    "count",
    "digits",
    "estimate",
    "interval",
    "level",
    "number",
    "p_value",
    "percent",
    "probability",
    "rounded",
    "scaled",
    "share_digits",
    "shorten",
    "shorten_all",
    "signed",
    "split",
    "texts",
    "tiny",
]
