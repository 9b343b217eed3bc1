"""Fit many outcomes of one design, as a parametric bootstrap and a study of designs need."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import DesignError, Flags, Floats, check_choice, expect, one_thread
from bayes_mlm.design import Design
from bayes_mlm.engines.reml.factor import SINGULAR
from bayes_mlm.engines.reml.several.deviance import coordinates, relative, residual_df
from bayes_mlm.engines.reml.several.held import lower
from bayes_mlm.engines.reml.several.many import Responses, maximise_many
from bayes_mlm.engines.reml.several.result import FactorisedEquations, SeveralFactorsFit
from bayes_mlm.likelihood import Method, Plan, evaluate_responses, make_plan
from bayes_mlm.moments import CrossProducts, EffectColumns

# Numbers of rows times outcomes that are held at once.
_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ResponseFits:
    """Estimates of R outcomes of one design.

    Attributes
    ----------
    method : {"REML", "ML"}
    terms : tuple of str, length p
    factors : tuple of str
        In the order of the formula.
    loglik : ndarray, shape (R,)
    beta : ndarray, shape (R, p)
    beta_cov : ndarray, shape (R, p, p)
        At the variance estimates.
    sigma_e : ndarray, shape (R,)
    cov_u : tuple of ndarray, shape (R, q, q)
        Covariance of the effects of each factor.
    singular : ndarray of bool, shape (R,)
        Whether the covariance of some factor's effects is.
    converged : ndarray of bool, shape (R,)
        Whether the search ended at a maximum.
    """

    method: Method
    terms: tuple[str, ...]
    factors: tuple[str, ...]
    loglik: Floats
    beta: Floats
    beta_cov: Floats
    sigma_e: Floats
    cov_u: tuple[Floats, ...]
    singular: Flags
    converged: Flags

    @property
    def sigma_u(self) -> tuple[Floats, ...]:
        """Sds (R, q) of the effects of each factor."""
        return tuple(np.sqrt(np.diagonal(one, axis1=1, axis2=2)) for one in self.cov_u)


def fit_responses(
    design: Design,
    responses: Floats,
    *,
    method: Method = "REML",
    start: SeveralFactorsFit | None = None,
) -> ResponseFits:
    """Fit many outcomes of one design with several grouping factors.

    Parameters
    ----------
    design : Design
        Its own outcome is not used, but for the offset.
    responses : ndarray, shape (R, n)
        Outcomes of its rows, such as simulated ones.
    method : {"REML", "ML"}
    start : SeveralFactorsFit, optional
        A fit of the design, from whose estimates the searches start.

    Returns
    -------
    ResponseFits

    Raises
    ------
    DesignError
        If the responses have another shape or are not finite, or there are no more rows than
        coefficients.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> codes = np.arange(48)
    >>> table = {"y": np.sin(codes), "g": codes // 4, "h": codes % 4}
    >>> design = build_design("y ~ 1 + (1 | g) + (1 | h)", table)
    >>> rng = np.random.default_rng(1)
    >>> found = fit_responses(design, rng.normal(size=(20, 48)))
    >>> found.beta.shape, bool(found.converged.all())
    ((20, 1), True)
    """
    expect("fit_responses", design, Design)
    check_choice("method", method, ("REML", "ML"))
    many = np.asarray(responses, dtype=float)
    if many.ndim != 2 or many.shape[1] != design.n or not len(many):
        raise DesignError(
            f"responses of shape {many.shape}; give one row an outcome, of {design.n} values each"
        )
    if not np.isfinite(many).all():
        raise DesignError("responses that are missing or infinite; simulate finite ones")
    if design.n <= design.p:
        raise DesignError(
            f"{design.n} rows for {design.p} coefficients leave nothing to estimate variances from"
        )
    known = None if start is None else start.equations
    if isinstance(known, FactorisedEquations):
        plan = known.plan
    else:
        plan = make_plan(design.cross_products())
    places = coordinates(plan)
    first = np.array([float(a == b) for _, a, b in places])
    if start is not None:
        roots = [
            lower(np.linalg.solve(one.transform, start.factors[place].theta))
            for one, place in zip(plan.products.factors, plan.products.places, strict=True)
        ]
        first = np.array([roots[f][a, b] for f, a, b in places])
    columns = [term.effect_columns for term in design.group_terms if term.q]
    offset = design.y - design.y_less_offset
    size = max(1, _AT_ONCE // design.n)
    with one_thread():
        parts = [
            _fit_part(plan, design, columns, many[k : k + size] - offset, first, method)
            for k in range(0, len(many), size)
        ]
    return ResponseFits(
        method=method,
        terms=design.terms,
        factors=tuple(one.factor for one in columns),
        loglik=np.concatenate([part.loglik for part in parts]),
        beta=np.concatenate([part.beta for part in parts]),
        beta_cov=np.concatenate([part.beta_cov for part in parts]),
        sigma_e=np.concatenate([part.sigma_e for part in parts]),
        cov_u=tuple(np.concatenate([part.cov_u[k] for part in parts]) for k in range(len(columns))),
        singular=np.concatenate([part.singular for part in parts]),
        converged=np.concatenate([part.converged for part in parts]),
    )


def _fit_part(
    plan: Plan,
    design: Design,
    columns: Sequence[EffectColumns],
    many: Floats,
    first: Floats,
    method: Method,
) -> ResponseFits:
    """Fit outcomes (R, n) that are held at once."""
    products, R = plan.products, len(many)
    coefficients, scale, values = _products(products, columns, design.X, many)
    responses = Responses(plan=plan, values=values)
    which = np.arange(R)
    if R > 1:  # the estimate of one outcome is a better start for the others
        first = maximise_many(responses, first[None], which[:1], method).theta[0]
    found = maximise_many(responses, np.tile(first, (R, 1)), which, method)
    lam = relative(plan, found.theta)
    _, root = evaluate_responses(plan, lam, which, values)
    df = residual_df(plan, method)
    upper = root[:, :-1, :-1].swapaxes(1, 2)
    beta = np.linalg.solve(upper, root[:, -1, :-1, None])[:, :, 0]
    half = np.linalg.inv(upper)
    sigma2 = (scale * root[:, -1, -1]) ** 2 / df
    X = products.transform[:-1, :-1]
    along = X @ half
    loglik = -0.5 * found.deviance - df * np.log(scale)
    if method == "REML":
        loglik += products.log_det
    cov_u: list[Floats] = [np.empty(0)] * len(columns)
    singular = np.zeros(R, dtype=bool)
    for f, place in enumerate(products.places):
        one, ends = products.factors[f], plan.arrays.lam_start
        part = lam[:, ends[f] : ends[f + 1]].reshape(R, one.q, one.q)
        singular |= np.linalg.svd(part, compute_uv=False)[:, -1] < SINGULAR
        scaled = one.transform @ part
        cov_u[place] = sigma2[:, None, None] * scaled @ scaled.swapaxes(1, 2)
    return ResponseFits(
        method=method,
        terms=design.terms,
        factors=(),
        loglik=loglik,
        beta=(coefficients + scale[:, None] * beta) @ X.T,
        beta_cov=sigma2[:, None, None] * along @ along.swapaxes(1, 2),
        sigma_e=np.sqrt(sigma2),
        cov_u=tuple(cov_u),
        singular=singular,
        converged=found.converged,
    )


def _products(
    products: CrossProducts, columns: Sequence[EffectColumns], X: Floats, many: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return least squares' coefficients (R, p), the scales (R,) of what is left, its products.

    The products (R, Q + p + 1) are those of the outcomes less their fit, in units of its root mean
    square, with the columns of the plan.
    """
    from scipy.sparse import csr_array

    W = X @ products.transform[:-1, :-1]
    p, n = W.shape[1], len(W)
    coefficients = np.linalg.lstsq(W, many.T, rcond=None)[0].T if p else np.empty((len(many), 0))
    rest = many - coefficients @ W.T
    scale = np.sqrt(np.square(rest).mean(axis=1))
    if not (scale > 1e-12 * np.abs(many).max(axis=1)).all():
        raise DesignError("a response without residual variation; simulate ones that vary")
    rest /= scale[:, None]
    found = []
    for place, one in zip(products.places, products.factors, strict=True):
        given = columns[place]
        Z = given.Z @ one.transform
        at = given.codes[:, None] * one.q + np.arange(one.q)
        indicator = csr_array(
            (Z.ravel(), (at.ravel(), np.repeat(np.arange(n), one.q))), shape=(one.size, n)
        )
        found.append((indicator @ rest.T).T)
    found.append(rest @ W)
    found.append(np.square(rest).sum(axis=1)[:, None])
    return coefficients, scale, np.ascontiguousarray(np.concatenate(found, axis=1))
