"""Texts that mark a missing value, and characters that are blanks around a value."""

MISSING_TEXTS = (
    *("", "NA", "N/A", "#N/A", "n/a", "<NA>", "NaN", "nan", "NAN", "-nan", "null", "NULL", "Null"),
    *("None", "NONE", "."),
)
"""Marks of missing values in CSV files ("." is that of Stata and SAS)."""
TRUE_TEXTS, FALSE_TEXTS = ("true", "True", "TRUE"), ("false", "False", "FALSE")
# Unicode's White_Space, the separators that Python strips too, and what has no width.
_CODES = (
    *(*range(9, 14), *range(28, 33), 133, 160, 5760, 6158, *range(8192, 8208), 8232, 8233, 8239),
    *(8287, 8288, 12288, 65279),
)
BLANKS = "".join(map(chr, _CODES))
