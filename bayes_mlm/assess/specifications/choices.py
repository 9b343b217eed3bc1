"""Choices of an analysis, and the models that their combinations make."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, product

from bayes_mlm.base import EngineError, FormulaError, describe_value
from bayes_mlm.formula import (
    Call,
    Factor,
    Formula,
    GroupFormula,
    Name,
    Number,
    Operation,
    Term,
    label_term,
    parse_formula,
    refuse_sets,
)

WITHOUT, WITH = "without", "with"
MAX_MODELS = 20_000
# Combinations of options, of which those are kept that respect the hierarchy.
_MAX_COMBINATIONS = 300_000


@dataclass(frozen=True, kw_only=True)
class Option:
    """One of the ways in which a choice can be made.

    Parameters
    ----------
    label : str
    terms : tuple of Term
        Fixed effects that it adds.
    group_term : GroupFormula or None
        Group effects that it states.
    """

    label: str
    terms: tuple[Term, ...]
    group_term: GroupFormula | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A decision of the analyst, with its options; exactly one is taken."""

    name: str
    options: tuple[Option, ...]


@dataclass(frozen=True, kw_only=True)
class Specification:
    """One model.

    Parameters
    ----------
    options : tuple of str
        What each choice takes.
    terms : frozenset of frozenset of Factor
        Its fixed effects.
    group_term : GroupFormula
    """

    options: tuple[str, ...]
    terms: frozenset[frozenset[Factor]]
    group_term: GroupFormula


@dataclass(frozen=True, kw_only=True)
class Choices:
    """A formula that all models share, and choices that tell them apart."""

    base: Formula
    choices: tuple[Choice, ...]

    @cached_property
    def union(self) -> Formula:
        """The formula with the columns of all models."""
        terms = dict.fromkeys(self.base.terms)
        for term in self._every_term():
            if not any(frozenset(term) == frozenset(known) for known in terms):
                terms[term] = None
        bars = self._group_terms()
        effects = dict.fromkeys(effect for bar in bars for effect in bar.terms)
        joined = replace(
            bars[0],
            terms=tuple(sorted(effects, key=len)),
            correlated=any(bar.correlated for bar in bars),
        )
        ordered = tuple(sorted(terms, key=len))
        found = replace(self.base, terms=ordered, group_terms=(joined,))
        return parse_formula(str(found))

    @cached_property
    def specifications(self) -> "tuple[Specification, ...]":
        """The models, each once, that respect the hierarchy."""
        return self._found[0]

    @property
    def n_against_hierarchy(self) -> int:
        """Combinations left out because a product lacks one of its parents."""
        return self._found[1]

    @property
    def n_repeated(self) -> int:
        """Combinations left out because they are the same model as another."""
        return self._found[2]

    @cached_property
    def _found(self) -> tuple[tuple[Specification, ...], int, int]:
        fixed = frozenset(map(frozenset, self.base.terms))
        bars = self.base.group_terms
        kept: dict[tuple[frozenset[frozenset[Factor]], GroupFormula], Specification] = {}
        orphans = repeated = 0
        options = [[(o, frozenset(map(frozenset, o.terms))) for o in one.options]
                   for one in self.choices]  # fmt: skip
        for taken in product(*options):
            terms = fixed.union(*(of for _, of in taken))
            bar = next((o.group_term for o, _ in taken if o.group_term), bars[0] if bars else None)
            assert bar is not None  # for mypy: read_choices saw to it
            slopes = [frozenset(effect) for effect in bar.terms]
            if not all(parent in terms for term in terms for parent in self._parents[term]) or (
                not all(slope in terms for slope in slopes)
            ):
                orphans += 1
                continue
            if (terms, bar) in kept:
                repeated += 1
                continue
            labels = tuple(o.label for o, _ in taken)
            kept[terms, bar] = Specification(options=labels, terms=terms, group_term=bar)
            if len(kept) > MAX_MODELS:
                raise EngineError(
                    f"the choices make more than {MAX_MODELS:,} models; fix some of them in the "
                    "formula, so that fewer are left open"
                )
        return tuple(kept.values()), orphans, repeated

    @cached_property
    def _parents(self) -> dict[frozenset[Factor], tuple[frozenset[Factor], ...]]:
        """Parents of every term: of a product all products of fewer of its factors."""
        terms = map(frozenset, (*self.base.terms, *self._every_term()))
        return {term: tuple(parents_of(term)) for term in terms}

    def _every_term(self) -> Iterator[Term]:
        for one in self.choices:
            for option in one.options:
                yield from option.terms

    def _group_terms(self) -> list[GroupFormula]:
        found = list(self.base.group_terms)
        found += [o.group_term for one in self.choices for o in one.options if o.group_term]
        return found


def parents_of(term: frozenset[Factor]) -> Iterator[frozenset[Factor]]:
    """Iterate over the terms without which a term is not to be in a model.

    Of a product those of fewer of its factors; of a power ``I(x ** 2)`` the column x.
    """
    for size in range(1, len(term)):
        yield from (frozenset(one) for one in combinations(sorted(term, key=str), size))
    if len(term) == 1:
        (factor,) = term
        match factor:
            case Call("I", Operation("**", Name() as base, Number())):
                yield frozenset([base])


def read_choices(
    formula: str, optional: Sequence[str], alternatives: Mapping[str, Sequence[str]]
) -> Choices:
    """Read a formula, terms that may be omitted, and alternatives of which one is taken.

    Raises
    ------
    FormulaError, EngineError
        If they make no models, or one that is not of this kind.
    """
    base = parse_formula(formula)
    refuse_sets(base.imputed)
    if () not in base.terms:
        raise EngineError("the models of a multiverse have an intercept; omit 0 + or - 1")
    if base.offsets:
        raise EngineError("the models of a multiverse have no offset; subtract it from the outcome")
    optional, alternatives = _checked(optional, alternatives)
    choices = []
    for text in optional:
        terms, bars = _read(base, text)
        if bars:
            raise EngineError(
                f"{text!r} is optional, and group effects are not: give alternatives, such as "
                "{'effects': ['(1 | g)', '(1 + x | g)']}"
            )
        absent = Option(label=WITHOUT, terms=())
        choices.append(Choice(name=text.strip(), options=(absent, Option(label=WITH, terms=terms))))
    for name, texts in alternatives.items():
        options = []
        for text in texts:
            terms, bars = _read(base, text) if text.strip() else ((), ())
            options.append(
                Option(
                    label=text.strip() or WITHOUT,
                    terms=terms,
                    group_term=bars[0] if bars else None,
                )
            )
        choices.append(Choice(name=name, options=tuple(options)))
    found = Choices(base=base, choices=tuple(choices))
    _check_names(found)
    _check_groups(found)
    _check_parents(found)
    if math.prod(len(one.options) for one in choices) > _MAX_COMBINATIONS:
        raise EngineError(
            f"the choices have more than {_MAX_COMBINATIONS:,} combinations; fix some of them in "
            "the formula, so that fewer are left open"
        )
    return found


def _checked(optional: object, alternatives: object) -> tuple[list[str], dict[str, list[str]]]:
    """Return what is optional and the alternatives, after checking that they are texts."""
    if isinstance(optional, str) or not isinstance(optional, Sequence):
        raise EngineError(
            "optional is a list of terms, such as ['minority', 'ses:sector'], found "
            f"{describe_value(optional)}"
        )
    if not isinstance(alternatives, Mapping):
        raise EngineError(
            "alternatives are a dict of lists, such as {'ses': ['ses', 'within(ses)']}, found "
            f"{describe_value(alternatives)}"
        )
    for one in optional:
        if not isinstance(one, str) or not one.strip():
            raise EngineError(f"an optional term is text such as 'minority', found {one!r}")
    for name, texts in alternatives.items():
        given = texts if isinstance(texts, Sequence) and not isinstance(texts, str) else ()
        if len(given) < 2 or not all(isinstance(one, str) for one in given):
            raise EngineError(
                f"the alternatives {name!r} are a list of two or more texts, such as ['ses', "
                f"'within(ses)'], found {describe_value(texts)}"
            )
    if not optional and not alternatives:
        raise EngineError(
            "nothing is left open: give optional terms, such as optional=['minority'], or "
            "alternatives"
        )
    return list(optional), {str(name): list(texts) for name, texts in alternatives.items()}


def _read(base: Formula, text: str) -> tuple[tuple[Term, ...], tuple[GroupFormula, ...]]:
    """Read the terms of a part of a formula, laid out as those of the whole."""
    if "~" in text:
        raise FormulaError(
            f"{text!r} is to be a part of a formula, right of the ~; omit what is left of it"
        )
    bars = " ".join(f"+ {bar}" for bar in base.group_terms)
    alone = parse_formula(f"{base.outcome} ~ 1 + {text}")
    groups = alone.group_terms
    whole = alone if groups else parse_formula(f"{base.outcome} ~ 1 + {text} {bars}")
    if len(groups) > 1:
        raise EngineError(f"{text!r} has {len(groups)} group terms; a multiverse takes one")
    terms = tuple(term for term in whole.terms if term)
    if not terms and not groups:
        raise FormulaError(f"{text!r} has no term; a choice adds a predictor to the model")
    return terms, groups


def _check_names(found: Choices) -> None:
    names = [one.name for one in found.choices]
    for one in found.choices:
        if names.count(one.name) > 1:
            raise EngineError(f"two choices are called {one.name!r}; rename or omit one")
        labels = [option.label for option in one.options]
        twice = [label for label in labels if labels.count(label) > 1]
        if twice:
            raise EngineError(f"the choice {one.name!r} has {twice[0]!r} twice; omit one")
        for option in one.options:
            fixed = [term for term in option.terms if _is_in(term, found.base.terms)]
            if fixed:
                raise EngineError(
                    f"{label_term(fixed[0])} is in the formula, so that all models have it, and in "
                    f"the choice {one.name!r}; omit it from one of them"
                )


def _check_groups(found: Choices) -> None:
    """Refuse models without exactly one group term, of one factor."""
    stated = [one for one in found.choices if any(o.group_term for o in one.options)]
    bars = found._group_terms()
    if not bars:
        raise EngineError(
            "the models have no groups: add a group term to the formula, such as (1 | school)"
        )
    where = ["the formula"] * bool(found.base.group_terms)
    where += [f"the choice {one.name!r}" for one in stated]
    if len(where) > 1:
        raise EngineError(
            f"group effects are in {' and in '.join(where)}: state them in one of these"
        )
    for one in stated:
        lacking = [option.label for option in one.options if option.group_term is None]
        if lacking:
            raise EngineError(
                f"the choice {one.name!r} is of group effects, and its option {lacking[0]!r} has "
                "none; write one, such as (1 | school)"
            )
    if len(found.base.group_terms) > 1 or len({bar.columns for bar in bars}) > 1:
        names = ", ".join(dict.fromkeys(bar.factor for bar in bars))
        raise EngineError(
            f"a multiverse has one grouping factor, found {names}; keep one group term"
        )


def _check_parents(found: Choices) -> None:
    """Refuse a product one of whose parents is in no model at all."""
    every = (*found.base.terms, *found._every_term())
    known = set(map(frozenset, every))
    for term in every:
        lacking = [one for one in parents_of(frozenset(term)) if one not in known]
        if lacking:
            parent = label_term(tuple(sorted(lacking[0], key=str)))
            raise EngineError(
                f"the term {label_term(term)} has no parent {parent} in the formula or the "
                f"choices; add it to one of them"
            )
    in_base = set(map(frozenset, found.base.terms))
    for term in found.base.terms:
        lacking = [one for one in parents_of(frozenset(term)) if one not in in_base]
        if lacking:
            parent = label_term(tuple(sorted(lacking[0], key=str)))
            raise EngineError(
                f"all models have {label_term(term)}, and its parent {parent} is left open: move "
                "it to the formula"
            )
    for bar in found._group_terms():
        for effect in bar.terms:
            if frozenset(effect) not in known:
                raise EngineError(
                    f"the slope of {label_term(effect)} varies by group, and its mean is in no "
                    f"model: add {label_term(effect)} to the formula"
                )


def _is_in(term: Term, terms: Sequence[Term]) -> bool:
    return any(frozenset(term) == frozenset(one) for one in terms)
