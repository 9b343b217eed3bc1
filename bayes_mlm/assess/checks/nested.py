"""Test a model against larger ones by REML: slopes by level, curved predictors, group effects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.assess.checks.reference import smallest_of
from bayes_mlm.assess.checks.working import Working
from bayes_mlm.base import BayesMLMError, Floats, Ints
from bayes_mlm.design import (
    INTERCEPT,
    Design,
    argument_of,
    new_group_means,
    pairs_of,
    select_columns,
    with_group_means,
)
from bayes_mlm.engines import RemlFit, fit_reml, has_random_effects
from bayes_mlm.fitting import Fit, residual_draws
from bayes_mlm.model import whiten
from bayes_mlm.moments import GroupMoments
from bayes_mlm.questions import chi2_tail

# Share of the length of a column that must be left after projection on the others to be tested.
_NEW = 1e-6
# Of a column's variance, within groups, to be called varying there.
_VARIES = 1e-9
# Predictors whose slopes are tested by refits; of more, those with the largest score.
_REFITTED = 6
# Denominator degrees of freedom below which a test between groups is not made.
_LEAST_DF = 2


@dataclass(frozen=True, kw_only=True)
class Nested:
    """A test of a model against a larger one.

    Parameters
    ----------
    statistic : str
        As it is printed.
    p : float
    terms : tuple of str
        What was added, the most telling first.
    values : tuple of float
        Of each term, what it was estimated at.
    """

    statistic: str
    p: float
    terms: tuple[str, ...]
    values: tuple[float, ...]


def group_statistics(fit: Fit) -> GroupMoments:
    """Reduce a fit's data to sums by group, whitened where residuals are structured."""
    whole = fit.design.whole
    return _sums(whole, fit, np.zeros((whole.n, 0)), ())


def _sums(design: Design, fit: Fit, added: Floats, names: tuple[str, ...]) -> GroupMoments:
    """Sum the rows of a design with columns (n, k) put behind those of X."""
    if design.residual is None and not names:
        return _with_intercept(design, design.moments())
    columns = np.column_stack([design.X, added, design.columns[:, design.p :]])
    if design.residual is not None:
        given = residual_draws(fit.draws).mean
        columns = whiten(design.residual, columns, given.sds[0], float(given.rho[0]))
    found = design.moments_of(columns, names)
    return _with_intercept(design, found)


def _with_intercept(design: Design, s: GroupMoments) -> GroupMoments:
    """Return sums with random group intercepts in place of those of no pooling."""
    if design.kind != "no_pooling":
        return s
    return select_columns(s, [s.p, *range(s.p + 2)], (INTERCEPT, *s.terms), s.effects)


def _core(term: str, design: Design) -> str:
    """Return the predictor of a term: ``x`` of ``x``, ``within(x)`` and ``within(x, group)``."""
    return argument_of(term, "within", design) or term


def _varying(s: GroupMoments) -> list[int]:
    """List the columns of X that vary within groups."""
    inside = np.einsum("jkk->k", s.scatter)[: s.p]
    _, sds = s.moments
    means = np.abs(s.means + s.centre).max(axis=0)[: s.p]
    least = np.square(_VARIES * np.maximum(means, sds[: s.p]))
    return [k for k in range(s.p) if s.terms[k] != INTERCEPT and inside[k] > s.n * least[k]]


def slopes_by_level(fit: Fit) -> Nested | str:
    """Test whether slopes within and between groups differ: the group means' coefficients.

    A Wald test of the group means that the model lacks, by REML, on an F distribution whose
    denominator is the groups less the group-level columns: exact for equal groups (Mundlak 1978).
    The reason is returned where there is none.
    """
    design = fit.design.whole
    if design.kind in ("within", "no_pooling"):
        return "The model has slopes within groups alone."
    plain = _about_means(design.moments())
    known = {_core(pair.predictor, design) for pair in pairs_of(design)[0]}
    apart = np.sqrt(plain.counts @ np.square(plain.means + plain.centre - plain.moments[0]))
    differ = apart > _NEW * math.sqrt(plain.n) * plain.moments[1]  # those of within(x) do not
    places = [k for k in _varying(plain) if plain.terms[k] not in known and differ[k]]
    new = [places[k] for k in new_group_means(plain, places, _NEW)] if places else []
    if not new:
        return "No predictor varies within and between groups with one slope for both."
    names = tuple(f"between({plain.terms[k]})" for k in new)
    s = around = with_group_means(plain, new)
    if design.residual is not None:
        means = design.group_term.by_row(design.group_term.means(design.X[:, new]))
        s = _sums(design, fit, means, names)
    level = around.means[:, : around.p] + around.centre[: around.p]
    size = np.maximum(np.abs(level).max(axis=0), around.moments[1][: around.p])
    df = design.J - int(np.linalg.matrix_rank(level / size))  # of within(x) all means are zero
    if df < _LEAST_DF:
        return f"Too few groups ({design.J}) to estimate slopes between them."
    try:
        found = _refit(design, s)
    except BayesMLMError as error:
        return f"Not to be estimated: {error}."
    return _wald_f(found, np.arange(-len(new), 0), df, [plain.terms[k] for k in new])


def _about_means(s: GroupMoments) -> GroupMoments:
    """Subtract the overall means from the columns of X, where there is an intercept."""
    if INTERCEPT not in s.terms:
        return s
    moved = np.zeros(len(s.centre))
    moved[: s.p] = np.where(np.array(s.terms) == INTERCEPT, 0.0, s.moments[0][: s.p])
    return replace(s, centre=s.centre - moved)


def _refit(design: Design, s: GroupMoments) -> RemlFit:
    return fit_reml(s, correlated=design.group_term.correlated, profile=False)


def _wald_f(found: RemlFit, places: Ints, df: int, terms: Sequence[str]) -> Nested:
    """Test that the coefficients of k columns of X are zero: Wald's statistic over k, as an F."""
    from scipy.special import fdtrc

    k = places.size
    beta, cov = found.beta[places], found.beta_cov[np.ix_(places, places)]
    scale = np.sqrt(np.diag(cov))
    z = beta / scale
    f = float(z @ np.linalg.solve(cov / np.outer(scale, scale), z)) / k
    order = np.argsort(-np.abs(z))
    return Nested(
        statistic=f"F({k}, {df}) = {f:.2f}",
        p=float(fdtrc(k, df, f)),
        terms=tuple(terms[j] for j in order),
        values=tuple(beta[order].tolist()),
    )


def omitted_effects(fit: Fit, s: GroupMoments) -> Nested | str:
    """Test whether an effect that the model has in common for all groups varies between them.

    Likelihood-ratio tests by REML, one effect more at a time; the smallest p, for their number.
    Under the model the ratio is a mixture of two chi-squareds (Stram & Lee 1994, Biometrics 50(4);
    Self & Liang 1987).
    """
    design = fit.design.whole
    if s.q + 3 > s.J:
        return f"Too few groups ({s.J}) to estimate how effects vary between them."
    have = {_core(term, design) for term in s.effects}
    rows = design.moments()  # whitened, a predictor of groups varies within them
    varying = {rows.terms[k] for k in _varying(rows) if ":" not in rows.terms[k]}
    candidates = [
        k for k, term in enumerate(s.terms) if term in varying and _core(term, design) not in have
    ]
    if INTERCEPT in s.terms and INTERCEPT not in s.effects:
        first = s.terms.index(INTERCEPT)
        candidates = [first, *candidates] if s.q else [first]  # slopes come after intercepts
    if not candidates:
        return "No predictor varies within groups without a slope of each group."
    try:
        null = _refit(design, s)
    except BayesMLMError as error:
        return f"Not to be estimated: {error}."
    tried = []
    for k in _by_score(s, null, candidates)[:_REFITTED]:
        places = [*range(s.p + s.q), k, s.p + s.q]
        wider = select_columns(s, places, s.terms, (*s.effects, s.terms[k]))
        try:
            found = _refit(design, wider)
        except BayesMLMError:
            continue
        ratio = max(2.0 * (found.loglik - null.loglik), 0.0)
        tried.append((ratio, s.terms[k], float(found.sigma_u[-1])))
    if not tried:
        return "The groups have too few rows for a further effect."
    ratio, term, sd = max(tried)
    many = s.q if design.group_term.correlated else 0
    p = np.full(len(candidates), 1.0)
    p[0] = 0.5 * (chi2_tail(ratio, many) + chi2_tail(ratio, many + 1))
    return Nested(statistic=f"LR = {ratio:.2f}", p=smallest_of(p), terms=(term,), values=(sd,))


def _by_score(s: GroupMoments, null: RemlFit, candidates: list[int]) -> list[int]:
    """Sort predictors by how far the squares of their groups' sums with the residuals go."""
    if len(candidates) <= _REFITTED:
        return candidates
    v = np.concatenate([-null.beta, np.zeros(s.q), [1.0]])
    inside = s.scatter @ v
    score = [
        float(np.square(inside[:, k]).sum() / np.square(s.scatter[:, k, k]).sum())
        for k in candidates
    ]
    return [candidates[k] for k in np.argsort(score)[::-1]]


def curvature(fit: Fit, work: Working) -> Nested | str:
    """Test whether the outcome is curved along a predictor: the coefficients of their squares.

    Wald tests by REML (or least squares): one of the squares that vary within groups and one of
    those of group-level predictors, which have different denominators.
    """
    design, groups = work.design, work.starts.size
    names, squares, inside = _squares(work)
    if not names:
        return "No predictor has more than two values."
    try:
        found = _refit(design, _sums(design, fit, squares, names))
    except BayesMLMError as error:
        return f"Not to be estimated: {error}."
    k = len(names)
    rows = work.n - design.p - k - groups * design.q
    level = design.group_term.means(np.column_stack([_unit(design.X), squares]))
    between = groups - int(np.linalg.matrix_rank(level)) if has_random_effects(design) else rows
    tests = []
    for part, df in ((inside, rows), (~inside, between)):
        if part.any() and df >= _LEAST_DF:
            at = np.flatnonzero(part)
            tests.append(_wald_f(found, at - k, df, [names[j] for j in at]))
    if not tests:
        return "Too few rows for a test."
    best = min(tests, key=lambda one: one.p)
    return replace(best, p=smallest_of(np.array([best.p, *(1.0 for _ in tests[1:])])))


def _unit(columns: Floats) -> Floats:
    return np.asarray(columns / np.maximum(np.abs(columns).max(axis=0), 1e-300))


def _squares(work: Working) -> tuple[tuple[str, ...], Floats, np.ndarray]:
    """Return the squares of standardised predictors that are no combination of columns of X.

    Their names, the squares (n, k), and which of them vary within groups (k,).
    """
    design = work.design
    varying = not work.grouped or design.q == 0

    def centred(columns: Floats) -> Floats:  # about group means, where the model has those
        if design.kind != "no_pooling":
            return columns
        return design.group_term.deviations(columns)

    basis = np.linalg.qr(centred(_unit(design.X)))[0]
    names, kept, inside = [], [], []
    for term, column in zip(design.terms, design.X.T, strict=True):
        sd = float(column.std())
        if term == INTERCEPT or ":" in term or "[" in term or not sd > 0.0:
            continue
        square = np.square((column - column.mean()) / sd)
        rest = centred(square[:, None])[:, 0]
        for _ in range(2):  # twice is enough
            rest = rest - basis @ (basis.T @ rest)
        left = float(np.linalg.norm(rest))
        if not left > _NEW * float(np.linalg.norm(square)):
            continue
        basis = np.column_stack([basis, rest / left])
        names.append(term)
        kept.append(square)
        deviation = design.group_term.deviations(column)
        inside.append(varying or bool(np.abs(deviation).max() > _VARIES * sd))
    return tuple(names), np.array(kept).reshape(len(kept), work.n).T, np.array(inside, dtype=bool)
