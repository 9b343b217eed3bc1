"""Survey weights of a model: the columns, what they are, and how they are scaled."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from bayes_mlm.base import Registry, SpecError, check_choice, suggest
from bayes_mlm.model.replicates import (
    Replicates,
    as_replicates,
    check_replicates,
    expand,
)

type Scaling = Literal["size", "effective", "none"]
type StandardErrors = Literal["sandwich", "jackknife", "fixed"]
SCALINGS: tuple[str, ...] = get_args(Scaling.__value__)
STANDARD_ERRORS: tuple[str, ...] = get_args(StandardErrors.__value__)
_ROWS = ("level1", "overall")
_GROUP = "level2"
_KINDS = ("partial_pooling", "mundlak")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Columns of survey weights of a model with one grouping factor.

    Parameters
    ----------
    level1 : str, optional
        Of the rows, conditional on their group: one over the probability that a row was drawn
        within its group.
    overall : str, optional
        Of the rows, unconditional: the product of the conditional weight and the group's.
    level2 : str, optional
        Of the groups: one over the probability that the group was drawn.
    factor : str, optional
        The factor that `level2` was given for.
    scaling : {"size", "effective", "none"}
        What the conditional weights of a group sum to: its number of rows, its effective number,
        (sum w)^2 / sum w^2, or what they sum to as they are.
    standard_errors : {"sandwich", "jackknife", "fixed"}, optional
        Of the sandwich over all parameters; of the jackknife over groups; or of the sandwich with
        the variances held at their estimates. By default the jackknife where there are few groups,
        else the sandwich; of replicate weights where there are any, and then none is chosen.
    replicates : Replicates, optional
        Replicate weights of the rows, unconditional ones.
    """

    level1: str | None = None
    overall: str | None = None
    level2: str | None = None
    factor: str | None = None
    scaling: Scaling = "size"
    standard_errors: StandardErrors | None = None
    replicates: Replicates | None = None

    def __bool__(self) -> bool:
        """Return whether there are weights at any level."""
        return bool(self.rows or self.level2)

    @property
    def rows(self) -> str | None:
        """Column of the weights of rows."""
        return self.level1 or self.overall

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        found = tuple(name for name in (self.rows, self.level2) if name is not None)
        return found if self.replicates is None else (*found, *self.replicates.read)

    def __str__(self) -> str:
        """Return the levels with their columns: ``level1=w1, school=w2``."""
        rows = "level1" if self.level1 else "overall"
        found = [*([f"{rows}={self.rows}"] if self.rows else [])]
        found += [f"{self.factor or _GROUP}={self.level2}"] if self.level2 else []
        return ", ".join(found)


UNWEIGHTED = Weights()

# Weights and replicates of surveys, by the names that their public files have.
SURVEYS: Registry[Weights] = Registry("survey", SpecError)
# OECD (2017), PISA 2015 Technical Report, ch. 8: 80 replicates, Fay's factor 1/2; the sampling
# variance is the mean over the plausible values (PISA Data Analysis Manual 2009, ch. 8).
SURVEYS.register(
    "pisa",
    Weights(
        overall="W_FSTUWT",
        level2="W_SCHGRNRABWT",
        replicates=Replicates(columns=expand("W_FSTURWT1..W_FSTURWT80"), method="fay"),
    ),
)
# Martin, Mullis & Hooper (2016), Methods and Procedures in TIMSS 2015, ch. 4; PIRLS 2016 alike: a
# replicate for either unit of a zone at a multiplier of 1/2, the mean over the plausible values.
for _survey in ("timss", "pirls"):
    SURVEYS.register(
        _survey,
        Weights(
            overall="TOTWGT",
            level2="SCHWGT",
            replicates=Replicates(zone="JKZONE", unit="JKREP", method="jk2-full"),
        ),
    )
# Martin & Mullis (2012), Methods and Procedures in TIMSS and PIRLS 2011: a replicate a zone, and
# the sampling variance of the first plausible value.
SURVEYS.register(
    "timss-2011",
    Weights(
        overall="TOTWGT",
        level2="SCHWGT",
        replicates=Replicates(zone="JKZONE", unit="JKREP", method="jk2", within="first"),
    ),
)
# NAEP Technical Documentation (NCES), Estimation of the standard errors: 62 replicates of pairs,
# the sampling variance of the first plausible value; school weights are of the user's file.
SURVEYS.register(
    "naep",
    Weights(
        overall="ORIGWT",
        replicates=Replicates(columns=expand("SRWT01..SRWT62"), method="jk2", within="first"),
    ),
)


def as_weights(
    value: "Weights | Mapping[str, Any] | str | None",
    *,
    scaling: str | None = None,
    standard_errors: str | None = None,
    replicates: "Replicates | Mapping[str, Any] | str | None" = None,
) -> Weights:
    """Read the weights of a model.

    Parameters
    ----------
    value : mapping or str, optional
        Columns by level, ``{"level1": "w1", "school": "w2"}``, or "level1=w1,school=w2": of the
        rows "level1" (conditional on the group) or "overall" (unconditional); of the groups
        the name of the factor, or "level2". A survey in `SURVEYS` names its columns itself:
        "pisa", or ``{"survey": "naep", "school": "w2"}`` with those that differ.
    scaling, standard_errors : str, optional
        As of `Weights`.
    replicates : mapping or str, optional
        As of `bayes_mlm.model.replicates.as_replicates`.

    Raises
    ------
    SpecError
        If a level has no column or there are two of one, or an option is none of those allowed.

    Examples
    --------
    >>> print(as_weights("overall=W_FSTUWT, CNTSCHID=W_SCHGRNRABWT"))
    overall=W_FSTUWT, CNTSCHID=W_SCHGRNRABWT
    >>> as_weights("pisa").replicates.method
    'fay'
    """
    if isinstance(value, Weights):
        found = value
    elif value is None:
        found = UNWEIGHTED
    else:
        found = _read(_mapping(value))
    made = as_replicates(replicates)
    if made is not None:
        found = replace(found, replicates=made)
    if scaling is not None:
        found = replace(found, scaling=cast("Scaling", scaling))
    if standard_errors is not None:
        found = replace(found, standard_errors=cast("StandardErrors", standard_errors))
    _check_consistent(found)
    if not found.rows and not found.level2 and (scaling or standard_errors or made):
        raise SpecError(
            "scaling, standard_errors and replicates are of weights, and no weights are given; add "
            "weights, such as level1=w1,school=w2"
        )
    return found


def _check_consistent(weights: Weights) -> None:
    """Refuse weights that contradict themselves."""
    check_choice("scaling", weights.scaling, SCALINGS, SpecError)
    if weights.level1 is not None and weights.overall is not None:
        raise SpecError(
            "weights give level1 (conditional on the group) and overall (unconditional) ones of "
            "the rows; give one of the two"
        )
    if weights.replicates is not None:
        check_replicates(weights.replicates)
    if weights.standard_errors is None:
        return
    check_choice("standard_errors", weights.standard_errors, STANDARD_ERRORS, SpecError)
    if weights.replicates is not None:
        raise SpecError(
            f"standard_errors = {weights.standard_errors!r} is given, and replicate weights, which "
            "have standard errors of their own; omit one of the two (the columns of a survey "
            "without its replicates are given by level: level1 or overall, and the factor)"
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str):
        raise SpecError(
            "weights are columns by level, such as {'level1': 'w1', 'school': 'w2'}, found "
            f"{value!r}"
        )
    if value.strip() in SURVEYS:
        return {"survey": value.strip()}
    parts = [part.partition("=") for part in value.split(",") if part.strip()]
    wrong = next((name for name, mark, _ in parts if not mark), None)
    if wrong is not None:
        near = suggest(wrong.strip(), tuple(SURVEYS)) if len(parts) == 1 else ""
        survey = f", or a survey{near}" if "did you mean" in near else ""
        raise SpecError(
            f"weights {wrong.strip()!r} names no level; write level1={wrong.strip()} for weights "
            f"of rows within their group, overall={wrong.strip()} for unconditional ones, or "
            f"FACTOR={wrong.strip()} for weights of groups{survey}"
        )
    names = [name.strip() for name, _, _ in parts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SpecError(f"weights give {twice!r} twice; one column a level")
    return {name.strip(): column.strip() for name, _, column in parts}


def _read(value: Mapping[str, Any]) -> Weights:
    for level, column in value.items():
        if not isinstance(column, str) or not column.strip():
            raise SpecError(f"weights of {level!r} = {column!r} must be the name of a column")
    survey = value.get("survey")
    base = UNWEIGHTED if survey is None else SURVEYS[survey]
    value = {name: column for name, column in value.items() if name != "survey"}
    groups = [name for name in value if name not in _ROWS]
    if len(groups) > 1:
        raise SpecError(
            f"weights name several levels of groups ({', '.join(groups)}); they are of one factor"
        )
    factor = groups[0] if groups else None
    rows = any(name in value for name in _ROWS)
    return replace(
        base,
        level1=value.get("level1"),
        overall=value.get("overall") if rows else base.overall,
        level2=base.level2 if factor is None else value[factor],
        factor=None if factor == _GROUP else factor,
    )


def check_weights(
    weights: Weights, factors: tuple[str, ...], kind: str, errors: str, at: str
) -> None:
    """Refuse weights of a model that takes none.

    Parameters
    ----------
    weights : Weights
    factors : tuple of str
        Grouping factors of the formula.
    kind : str
    errors : str
        The family and the residual structure in words, where they are not the plain ones.
    at : str
        Where the model is from, for the message.

    Raises
    ------
    SpecError
        With the reason.
    """
    if not weights:
        return
    try:
        _check_consistent(weights)
    except SpecError as error:
        raise SpecError(f"{at}: {error}") from error
    if len(factors) > 1:
        raise SpecError(
            f"{at}: weights are of models with one grouping factor, and the formula has "
            f"{len(factors)} ({', '.join(factors)}): the integral over crossed or nested effects "
            "has no form in weighted sums; keep one factor, or omit the weights"
        )
    if errors:
        raise SpecError(
            f"{at}: weights are of Gaussian outcomes with independent residuals of one sd, and the "
            f"model has {errors}: of others the pseudo-likelihood has no form in weighted sums, "
            "and is not offered; omit one of the two"
        )
    if not factors or kind not in _KINDS:
        raise SpecError(
            f"{at}: weights need group effects, and the model is {kind}; add a term such "
            "as (1 | school)"
        )
    if weights.factor is not None and weights.factor != factors[0]:
        raise SpecError(
            f"{at}: weights are given for {weights.factor!r}, and the grouping factor is "
            f"{factors[0]!r}{suggest(weights.factor, ('level1', 'overall', 'level2', *factors))}; "
            "levels are level1 or overall, and the factor"
        )
    if weights.overall is not None and weights.level2 is None:
        raise SpecError(
            f"{at}: overall weights are products of two levels, and those of {factors[0]!r} are "
            f"not given; add {factors[0]}=COLUMN, or give conditional ones as level1={weights.rows}"
        )
