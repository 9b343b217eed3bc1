"""Design of a formula and a table in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from bayes_mlm.base import DataError, DesignError, Floats
from bayes_mlm.data import (
    Groups,
    Table,
    as_table,
    check_footer,
    check_group,
    check_group_level,
    check_predictors,
    count_labels,
    handle_missing,
    levels_of,
    note_on_lost_groups,
    notes_on_columns,
    notes_on_labels,
    notes_on_sentinels,
    refuse_magnitudes,
    require_columns,
    require_finite,
    strip_labels,
    with_interactions,
)
from bayes_mlm.design.design import Design
from bayes_mlm.design.encoding import Encoded, encode, factors_of, inputs_of, learn_encoding
from bayes_mlm.design.encoding.columns import notes_on_independent
from bayes_mlm.design.encoding.levels import label_notes, notes_on_levels
from bayes_mlm.design.estimability import check_estimable
from bayes_mlm.design.group_columns import columns_of_rows
from bayes_mlm.design.group_means import means_of_rows
from bayes_mlm.design.group_structure import check_group_terms
from bayes_mlm.design.outcome import check_coded, learn_outcome, outcome_notes
from bayes_mlm.design.terms import FixedColumns, GroupTerm, Response
from bayes_mlm.design.weights import weights_of
from bayes_mlm.formula import Formula, parse_formula, refuse_sets, refuse_several
from bayes_mlm.model import (
    Family,
    Residual,
    Weights,
    as_residual,
    as_weights,
    check_structure,
    family_of,
    lay_out_residual,
)


def build_design(
    formula: str | Formula,
    table: Any,
    *,
    group: str | None = None,
    missing: Literal["error", "drop"] = "error",
    group_level: Sequence[str] = (),
    residual: Residual | Mapping[str, Any] | None = None,
    family: str | Family = "gaussian",
    strip: bool = False,
    aliased: bool = False,
    weights: Weights | Mapping[str, str] | str | None = None,
) -> Design:
    """Return the design of a formula and a table, after checking that it is estimable.

    Parameters
    ----------
    formula : str or Formula
        For example ``"mathach ~ ses * sector + (1 | schoolid)"``.
    table : data frame, mapping or Table
        Any frame narwhals supports, or what `bayes_mlm.read_table` returns.
    group : str, optional
        The grouping column of a formula without a bar, for the kinds that need groups.
    missing : {"error", "drop"}
        What to do with rows with a missing value in a column of the model.
    group_level : sequence of str
        Columns declared to be properties of the group; an error if one varies within a group.
    residual : Residual or mapping, optional
        How residuals depart from independent ones of one sd: ``{"sigma": "sector"}``,
        ``{"ar": "age"}``; see `bayes_mlm.model.residual`.
    family : str or Family
        Distribution of the outcome given its linear predictor: a name in `FAMILIES`, with its link
        if that is not the usual one: ``"bernoulli(probit)"``.
    strip : bool
        Whether to strip spaces from the ends of labels, as of new data that the design replays.
    aliased : bool
        Whether predictors may be linear combinations of others: those of several models together.
    weights : mapping, str or Weights, optional
        Columns of survey weights by level; see `bayes_mlm.model.as_weights`.

    Returns
    -------
    Design
        With kind "partial_pooling" if the formula has a bar, else "pooled".

    Raises
    ------
    DataError, FormulaError, SpecError, DesignError
        If the table, the formula or the two together cannot make the model.

    Examples
    --------
    >>> from bayes_mlm.data import load_dataset
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> design.n, design.J, design.terms, design.effects
    (7185, 160, ('Intercept', 'ses'), ('Intercept',))
    """
    if not isinstance(formula, (str, Formula)):
        raise DesignError(
            f"the formula must be text, found {type(formula).__name__}; pass it first"
        )
    if isinstance(group_level, str):
        group_level = (group_level,)
    table = strip_labels(as_table(table)) if strip else as_table(table)
    parsed = parse_formula(formula) if isinstance(formula, str) else formula
    refuse_sets(parsed.imputed)
    factors = factors_of(parsed, group)
    table = with_interactions(table, parsed.interactions, new=True)
    grouping = {*factors, *parsed.grouping_columns}
    structure = as_residual(residual)
    family = family_of(family) if isinstance(family, str) else family
    check_structure(structure, family)
    survey = as_weights(weights)
    named = [*parsed.columns, *factors, *group_level, *structure.columns, *survey.columns]
    names = [name for name in dict.fromkeys(named) if name not in parsed.interactions]
    require_columns(table, names)
    if missing == "error":  # named as a footer, and not by its missing values
        check_footer(table)
    whole, kept = table, handle_missing(table, names, missing=missing)
    table = kept.table
    if missing != "error":
        check_footer(table)
    numbers = [name for name in names if name not in grouping]
    require_finite(table, numbers)
    for name in numbers:
        refuse_magnitudes([name], table.columns[name])
    notes = check_coded(parsed, table, family)
    notes = (
        *notes,
        *notes_on_sentinels(table, (*parsed.outcome_columns, *parsed.measured_columns)),
    )
    found = _check_factors(parsed, factors, table)
    if kept.n_dropped:
        for one in found:
            before = count_labels(whole.columns[one.name], as_numbers=one.labels.dtype != object)
            notes = (*notes, *note_on_lost_groups(before, one.labels.size, one.name))
    _check_group_level(table, factors, group_level)
    measured, constant = parsed.measured_columns, set(parsed.offset_columns)
    check_predictors(
        table,
        [
            name
            for name in parsed.predictor_columns
            if (name not in grouping or name in measured) and name not in constant
        ],
        categories=set(parsed.predictor_columns) - set(measured),
    )
    titles = {name: table.labels[name] for name in names if name in table.labels}
    coded_outcome = learn_outcome(parsed, table, family)
    encoding = learn_encoding(
        parsed,
        table,
        group=group,
        outcome=coded_outcome,
        thresholds=family.thresholds is not None,
    )
    encoding = replace(encoding, strip=strip, titles=titles)
    notes = (*notes, *notes_on_levels(encoding.levels, table.n, table.categories))
    notes = (*notes, *notes_on_independent(parsed, {one.factor for one in encoding.levels}))
    for one in found:
        notes = (*notes, *label_notes(encoding.levels, one.name, one.labels))
    strata, coded = structure.sigma_column, {item.column for item in encoding.levels}
    if strata is not None and strata not in {*factors, *coded}:
        notes = (*notes, *notes_on_labels(strata, levels_of(table.columns[strata])[0]))
    if structure.ar is not None:
        refuse_several(factors, "an autoregression of residuals")
    by = found[0] if found else None
    codes = np.zeros(table.n, dtype=np.int64) if by is None else by.codes
    laid_out = lay_out_residual(
        structure,
        table,
        codes,
        [0] if by is None else by.labels.tolist(),
        None if by is None else by.name,
        always=not family.gaussian_moments,
    )
    arrays = encode(encoding, table)
    refuse_magnitudes([encoding.outcome], arrays.y)
    weighted = weights_of(table, survey, found[0]) if found else None
    response = Response(
        name=encoding.outcome,
        y=arrays.y,
        offset=arrays.offset,
        trials=arrays.trials,
        weights=None if weighted is None else weighted.population_weights(found[0].codes),
    )
    notes = (
        *notes,
        *outcome_notes(coded_outcome, arrays.y, table, family),
        *family.check_response(arrays.y, response.known),
    )
    for made, columns in _columns_of(arrays):
        refuse_magnitudes(made, columns)
    group_terms = _group_terms(parsed, found, arrays)
    notes = (
        *notes,
        *check_group_terms(
            columns_of_rows(group_terms),
            residual=laid_out is None,
            made_of=[parsed.columns_of(name) for name in factors],
        ),
    )
    design = Design(
        response=response,
        fixed=FixedColumns(X=arrays.X, terms=arrays.terms),
        group_terms=group_terms,
        kind="partial_pooling" if parsed.group_terms else "pooled",
        formula=parsed,
        encoding=encoding,
        base=None if len(found) != 1 else means_of_rows(arrays.X, arrays.terms, found[0]),
        n_dropped=kept.n_dropped,
        notes=(
            *notes_on_columns(table.notes, names, {*grouping, *coded}),
            *notes,
            *encoding.notes,
            *(() if laid_out is None else laid_out.notes),
        ),
        family=family,
        residual=laid_out,
        weights=weighted,
        inputs=inputs_of(encoding, table),
    )
    check_estimable(design, aliased=aliased)
    return design


def _columns_of(arrays: Encoded) -> list[tuple[tuple[str, ...], Floats]]:
    """Return the columns of predictors with their names: X, each Z, and the offset."""
    found = [(arrays.terms, arrays.X), *zip(arrays.effects, arrays.Z, strict=True)]
    return found if arrays.offset is None else [*found, (("offset",), arrays.offset)]


def _check_factors(formula: Formula, factors: Sequence[str], table: Table) -> list[Groups]:
    """Return the groups of every factor, after checking that they can be groups."""
    if len(factors) > 1 and "residual" in factors:
        raise DesignError(
            "a grouping factor is called 'residual', as the share of residuals in the tables of "
            "several factors is; rename the column"
        )
    grouping = {*factors, *formula.grouping_columns}
    predictors = [name for name in formula.predictor_columns if name not in grouping]
    found = []
    for place, factor in enumerate(factors):
        terms = formula.group_terms[place].terms if formula.group_terms else ()
        effects = [name for term in terms for one in term for name in one.columns]
        found.append(check_group(table, factor, predictors, effects=effects))
    return found


def _check_group_level(table: Table, factors: Sequence[str], group_level: Sequence[str]) -> None:
    """Refuse a column declared a property of groups that varies within those of every factor."""
    for name in group_level if factors else ():
        errors = []
        for factor in factors:
            try:
                check_group_level(table, factor, [name])
            except DataError as error:
                errors.append(error)
        if len(errors) == len(factors):
            raise errors[0]


def _group_terms(
    formula: Formula, found: Sequence[Groups], arrays: Encoded
) -> tuple[GroupTerm, ...]:
    if not formula.group_terms:  # a factor that is known, without effects
        empty = np.empty((len(arrays.X), 0))
        return tuple(
            GroupTerm(factor=one.name, labels=one.labels, codes=one.codes, Z=empty, effects=())
            for one in found
        )
    return tuple(
        GroupTerm(
            factor=one.name,
            labels=one.labels,
            codes=one.codes,
            Z=Z,
            effects=effects,
            correlated=bar.correlated,
        )
        for one, bar, Z, effects in zip(
            found, formula.group_terms, arrays.Z, arrays.effects, strict=True
        )
    )
