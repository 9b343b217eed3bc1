"""Multiple imputation of missing values, from a table to completed tables."""

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import (
    DataError,
    Finding,
    FormulaError,
    Stream,
    Verdict,
    check_whole,
    count,
    describe_value,
    expect_text,
    percent,
    scaled,
    stream,
)
from bayes_mlm.data import Table, check_group, explain_absent, is_missing
from bayes_mlm.design import read_data
from bayes_mlm.engines import ImputedDraws, MissingValues, TwoLevelRows, convergence
from bayes_mlm.fitting.imputation.columns import ModelColumns, lay_out
from bayes_mlm.fitting.imputation.result import (
    Imputations,
    ImputationTable,
    ImputedColumn,
    describe_column,
    describe_group_column,
)
from bayes_mlm.formula import Formula, Term, label_term, parse_formula

if TYPE_CHECKING:
    import pandas as pd

# Imputations need chains that have met and values that are nearly independent, not quantiles.
_MAX_R_HAT = 1.05
_ESS_PER_IMPUTATION = 2
_MUCH = 0.5
_THIN, _MOST_DOUBLINGS = 25, 5


def impute(
    model: str | Sequence[str],
    data: Any,
    *,
    group: str | None = None,
    m: int = 20,
    auxiliary: Sequence[str] = (),
    as_numbers: Sequence[str] = (),
    tune: int = 200,
    thin: int | None = None,
    chains: int = 4,
    random_seed: int | None = None,
) -> Imputations:
    """Impute missing values of individuals and groups several times, by a two-level normal model.

    Parameters
    ----------
    model : str or sequence of str
        A formula, whose columns, the outcome among them, are the imputation model; or names of
        columns. Whatever is later fitted has to be among them.
    data : data frame, mapping, str or Path
        As of `fit`, rows in memory. All columns are in the completed frames.
    group : str, optional
        The grouping column; by default the formula's.
    m : int
        Number of imputations: about the per cent of incomplete rows, 20 at least.
    auxiliary : sequence of str
        Further columns of the imputation model: those that predict the missing values, or that they
        are missing.
    as_numbers : sequence of str
        Incomplete columns of two values that are imputed as numbers, unrounded.
    tune, chains : int
        Cycles that each chain discards, and chains.
    thin : int, optional
        Cycles from one imputation of a chain to the next. By default 25, and doubled, up to 800,
        until the chains agree; what was drawn before is then discarded.
    random_seed : int, optional
        By default a fresh one, which the result records.

    Returns
    -------
    Imputations
        A sequence of data frames: ``fit(formula, imputations)`` pools their fits.

    Raises
    ------
    DataError
        If a label of a group, or every value of a column, is missing, a column with missing values
        is of categories or constant, the groups are too few, or columns determine one another.

    Notes
    -----
    All columns that vary within groups are normal given the group, with means that are normal over
    the groups jointly with the incomplete group-level columns; complete group-level columns are
    regressors. Each column so has its slopes within and between groups on the others. By Gibbs
    sampling (`bayes_mlm.engines.joint_normal.gibbs`), parameters drawn too. Values are supposed to
    be missing at random given the columns of the model.

    It agrees with every Gaussian random-intercept model of these columns, with group means too. It
    has linear relations with slopes common to all groups: after it, random slopes, products and
    squares of incomplete columns are biased towards zero, and a caution says so where the formula
    has them. For those an imputation model made from the model of interest is needed (R's mdmb and
    jomo's ``jomo.smc``, Blimp).

    References
    ----------
    Schafer & Yucel (2002), J. Computational and Graphical Statistics 11(2), 437-457; Enders,
    Mistler & Keller (2016), Psychological Methods 21(2), 222-240; Grund, Lüdtke & Robitzsch (2018),
    Organizational Research Methods 21(1), 111-149.

    Examples
    --------
    >>> from bayes_mlm import load_hsb
    >>> gaps = load_hsb()
    >>> gaps.loc[gaps.index[::7], "ses"] = None
    >>> found = impute("mathach ~ ses + (1 | schoolid)", gaps, m=2, thin=5, tune=20, random_seed=1)
    >>> found
    <Imputations: 2 of 7,185 rows, missing: ses 1,027>
    >>> found[0]["ses"].isna().sum(), (found[0]["ses"] == found[1]["ses"]).sum() == 7185 - 1027
    (np.int64(0), np.True_)
    """
    for name, value, least in (
        ("m", m, 2),
        ("tune", tune, 0),
        ("thin", _THIN if thin is None else thin, 1),
        ("chains", chains, 1),
    ):
        check_whole(name, value, least)
    seed = secrets.randbits(31) if random_seed is None else random_seed
    check_whole("random_seed", seed, 0)
    formula, names = _names(model)
    table = read_data(data)
    group = _group(formula, group)
    others = [] if formula is None else [one for one in formula.grouping_columns if one != group]
    named = dict.fromkeys((*names, *_texts(auxiliary, "names of columns")))
    names = tuple(one for one in named if one not in (group, *others))
    absent = [
        one
        for one in (*names, group, *others, *_texts(as_numbers, "as_numbers"))
        if one not in table.names
    ]
    if absent:
        raise DataError(explain_absent(absent, table.names, table.source))
    for one in others:
        if is_missing(table.columns[one]).any():
            raise DataError(f"group {one!r} has missing labels, which are not imputed; drop them")
    groups = check_group(table, group, names)
    J = len(groups.labels)
    columns = lay_out(table, names, groups.codes, J, group, as_numbers)
    generators = [stream(seed, Stream.MISSING_VALUES, k) for k in range(min(chains, m))]
    draws, verdict = _draws(columns.rows, m, tune, thin, generators)
    values, rows = _imputed(columns, draws, table, m, J)
    return Imputations(
        frame=_frame(data, table),
        values=values,
        m=m,
        group=group,
        diagnostics=ImputationTable(
            rows=rows,
            title=f"{m} imputations by a normal model of {len(columns.rows.names)} columns in "
            f"{J:,} groups of {group}",
            notes=_notes(columns, group, others, seed),
            cautions=_cautions(formula, columns, rows),
            verdict=verdict,
        ),
        model_columns=columns.rows.names,
        parameters=draws.parameters,
        parameter_names=draws.names,
        seed=seed,
    )


def _texts(names: Sequence[str], what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,)
    if not isinstance(names, (list, tuple, set, frozenset)):
        found = describe_value(names)
        raise DataError(f"impute expects {what}: names of columns, found {found}")
    for name in names:
        expect_text("impute", name, f"{what}: names of columns")
    return tuple(names)


def _names(model: str | Sequence[str]) -> tuple[Formula | None, tuple[str, ...]]:
    """Return the formula, if it is one, and the columns of the model."""
    if isinstance(model, str) and "~" in model:
        formula = parse_formula(model)
        if formula.imputed:
            raise FormulaError(
                f"{', '.join(one.name for one in formula.imputed)}: a set of plausible values is "
                "imputed already; write one of its columns, and impute for each"
            )
        return formula, tuple(one for one in formula.columns if one not in formula.interactions)
    names = _texts(model, "a formula or the columns of the model")
    if not names:
        raise DataError("the imputation model has no columns; give a formula, or their names")
    return None, names


def _group(formula: Formula | None, group: str | None) -> str:
    if group is not None:
        expect_text("impute", group, "the name of the grouping column")
        return group
    factors = () if formula is None else formula.grouping_factors
    if not factors:
        raise DataError(
            "imputation at two levels needs the grouping column: group='school' (--group school), "
            "or (1 | school) in the formula"
        )
    if formula is not None and (len(factors) > 1 or factors[0] in formula.interactions):
        raise FormulaError(
            f"the imputation model has the groups of one column, and the formula has "
            f"{' and '.join(factors)}; choose by group={formula.grouping_columns[0]!r} (--group), "
            "knowing that the groups of the others are then not in it"
        )
    return factors[0]


def _draws(
    rows: TwoLevelRows,
    m: int,
    tune: int,
    thin: int | None,
    generators: Sequence[np.random.Generator],
) -> tuple[ImputedDraws, Verdict]:
    """Draw the missing values and judge the chains; with no `thin`, until they agree."""
    if not np.isnan(rows.z).any() and not np.isnan(rows.v).any():
        none = np.empty((m, 0))
        draws = ImputedDraws(z=none, v=none, parameters=np.empty((0, 0, 0)), names=())
        return draws, Verdict(())
    chains = MissingValues(rows, generators)
    cycles, tries = (_THIN, _MOST_DOUBLINGS) if thin is None else (thin, 0)
    draws = chains.draw(m, tune=tune, thin=cycles)
    verdict = _verdict(draws, m)
    while not verdict.ok and tries:
        cycles, tries = 2 * cycles, tries - 1
        draws = chains.draw(m, tune=0, thin=cycles)
        verdict = _verdict(draws, m)
    return draws, verdict


def _imputed(
    columns: ModelColumns, draws: ImputedDraws, table: Table, m: int, J: int
) -> tuple[dict[str, Any], tuple[ImputedColumn, ...]]:
    """Return the imputed values of each column, and its comparison with the observed."""
    rows: TwoLevelRows = columns.rows
    codes = rows.codes
    values: dict[str, Any] = {}
    described = []
    z, v = _completed(rows.z, draws.z, m), _completed(rows.v, draws.v, m)
    for name in columns.missing:
        gone = is_missing(table.columns[name])
        if name in columns.filled:
            values[name] = np.tile(columns.filled[name][codes[gone]], (m, 1))
        elif name in columns.group_level:
            at = columns.group_level.index(name)
            each = [one[:, at] for one in v]
            values[name] = np.array([one[codes[gone]] for one in each])
            described.append(describe_group_column(name, rows.v[:, at], each))
        else:
            at = columns.individual.index(name)
            each = [one[:, at] for one in z]
            values[name] = np.array([one[gone] for one in each])
            described.append(describe_column(name, rows.z[:, at], each, codes, J))
    return values, tuple(described)


def _completed(columns: Any, drawn: Any, m: int) -> list[Any]:
    gone = np.isnan(columns)
    found = []
    for k in range(m):
        one = columns.copy()
        one[gone] = drawn[k]
        found.append(one)
    return found


def _frame(data: Any, table: Table) -> "pd.DataFrame":
    """Return the data as a data frame of pandas: itself, or the columns of the table."""
    import pandas as pd

    return data if isinstance(data, pd.DataFrame) else pd.DataFrame(dict(table.columns))


def _verdict(draws: ImputedDraws, m: int) -> Verdict:
    found = convergence(draws.parameters)
    r_hats = np.where(np.isfinite(found.r_hat), found.r_hat, np.inf)
    sizes = np.where(np.isfinite(found.ess_bulk), found.ess_bulk, 0.0)  # too few draws have none
    worst, rarest = int(np.argmax(r_hats)), int(np.argmin(sizes))
    r_hat, ess = float(r_hats[worst]), float(sizes[rarest])
    wanted = _ESS_PER_IMPUTATION * m
    met, enough = r_hat <= _MAX_R_HAT, ess >= wanted
    remedy = ": raise tune and thin (--tune, --thin), or omit columns"
    return Verdict(
        (
            Finding(
                "R-hat",
                met,
                f"largest R-hat {scaled(r_hat, 3)} ({draws.names[worst]})"
                + ("" if met else remedy),
            ),
            Finding(
                "ESS",
                enough,
                f"smallest effective sample size {count(ess)} ({draws.names[rarest]}), "
                f"{wanted} wanted of {m} imputations" + ("" if enough else remedy),
            ),
        )
    )


def _notes(columns: ModelColumns, group: str, others: Sequence[str], seed: int) -> tuple[str, ...]:
    notes = [
        f"columns of the imputation model: {', '.join(columns.rows.names)}"
        + (
            f", and {columns.rows.w.shape[1] - 1} complete of groups"
            if columns.rows.w.shape[1] > 1
            else ""
        )
        + f"; missing at random given them; seed {seed}",
    ]
    if not columns.missing:
        notes.append("nothing is missing: the frames are the data")
    notes += [f"{name} is filled in from other rows of the same {group}" for name in columns.filled]
    notes += [f"the groups of {name} are not in the imputation model" for name in others]
    return tuple(notes)


def _cautions(
    formula: Formula | None, columns: ModelColumns, rows: Sequence[ImputedColumn]
) -> tuple[str, ...]:
    texts = []
    gone = set(columns.missing)
    if formula is not None:
        nonlinear = [
            label_term(term)
            for term in (*formula.terms, (formula.outcome,))
            if gone & {name for factor in term for name in factor.columns} and not _is_linear(term)
        ]
        slopes = {name for term in formula.effects for one in term for name in one.columns}
        nonlinear += [f"the random slope of {name}" for name in sorted(slopes & {*formula.columns})]
        if nonlinear and gone:
            texts.append(
                f"the imputation model is linear with slopes common to all groups, so "
                f"{', '.join(nonlinear)} will be biased towards zero where values are imputed; an "
                "imputation model made from the model of interest has them (R's mdmb and jomo.smc, "
                "Blimp)"
            )
    texts += [
        f"{row.column}: {percent(row.share)} of values are missing, and results depend on the "
        "imputation model; compare with another, or with a sensitivity analysis"
        for row in rows
        if row.share > _MUCH
    ]
    return tuple(texts)


def _is_linear(term: Term) -> bool:
    """Return whether a term is a column as it is, or its mean or deviations by group."""
    written = label_term(term)
    found = [name for factor in term for name in factor.columns]
    return written in found or written.startswith(("within(", "between("))
