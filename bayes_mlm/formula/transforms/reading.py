"""Functions that say how a column is read or centred; the design knows each of these kinds."""

from bayes_mlm.formula.codings import CODINGS
from bayes_mlm.formula.function import Function, Option, Options, register


def _check_coding(options: Options) -> str:
    if "ref" in options and "levels" in options:
        return "levels= has the order, the reference first; omit ref="
    if "ref" in options and options.get("coding", "Treatment") != "Treatment":
        return f"ref= is the reference of Treatment coding, and {options['coding']} has none"
    return ""


register(Function(name="center", kind="centring", summary="x minus its mean"))
register(
    Function(
        name="scale",
        kind="centring",
        summary="x minus its mean, over its sd (divisor n - 1, as in R)",
    )
)
register(
    Function(
        name="within",
        kind="grouped",
        summary="x minus the mean of its group: within(x) or (x, group)",
    )
)
register(
    Function(
        name="between", kind="grouped", summary="mean of x in its group: between(x) or (x, group)"
    )
)
register(
    Function(
        name="C",
        kind="categorical",
        summary='the column x read as categories; C(x, ref="a") sets the reference, '
        f'C(x, levels=["a", "b"]) the order, and C(x, Sum) another coding ({", ".join(CODINGS)})',
        options=(
            Option(name="coding", kind="coding", positional=True),
            Option(name="ref", kind="label"),
            Option(name="levels", kind="labels"),
        ),
        check=_check_coding,
    )
)
register(
    Function(name="I", kind="identity", summary="arithmetic, + - * / **, in its ordinary meaning")
)
register(
    Function(
        name="offset",
        kind="offset",
        summary="x added to the linear predictor with a coefficient of 1",
    )
)
