"""Variance parameters that the data do not identify, whatever the estimates."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.likelihood.gaussian import invert_classes
from bayes_mlm.likelihood.many_groups import curvature_sums, derivative_sums
from bayes_mlm.moments import RotatedMoments, root_mean_square

# Least eigenvalue of the information, at unit diagonal, that rounding does not make.
_SINGULAR = 1e-9
# Share of a direction by which a parameter is named.
_NAMED = 0.05


def unidentified(reduced: RotatedMoments, *, correlated: bool = True) -> tuple[str, ...]:
    """Report what the data do not identify, so that rounding or the priors decide.

    Parameters
    ----------
    reduced : RotatedMoments
        Of the design.
    correlated : bool
        Whether the group effects may correlate.

    Returns
    -------
    tuple of str
        Empty where every parameter is identified.
    """
    if reduced.q == 0:
        return ()
    notes = []
    if reduced.between_df < 1:
        notes.append(
            f"the fixed effects explain every difference between the {len(reduced.c)} groups, so "
            "the posterior of sigma_u is its prior; drop a predictor of the group level, or look "
            "at how the results move with that prior"
        )
    if reduced.within_df < 1:
        notes.append(
            "the groups have too few rows to separate group effects from residuals: only the "
            "priors divide the variance between sigma_u and sigma_e; drop the group effects"
        )
    if notes or reduced.q == 1:
        return tuple(notes)
    q, groups = reduced.q, len(reduced.c)
    count = q * (q + 1) // 2 if correlated else q
    remedy = "drop a group effect" + (", or write || for independent ones" if correlated else "")
    if groups <= count:
        notes.append(
            f"{groups} groups are too few for the {count} variance parameters of {q} group "
            f"effects: more than {count} are needed; {remedy}"
        )
    blurred = _blurred(reduced, correlated)
    if blurred:
        notes.append(
            f"the data do not identify {', '.join(blurred)} separately: the information matrix of "
            f"the variance parameters is singular; {remedy}"
        )
    return tuple(notes)


def _directions(reduced: RotatedMoments, correlated: bool) -> Floats:
    """Return directions (m, q, q) of the centred Z's covariance; the first q sum to one of them."""
    q = reduced.q
    unit = 1.0 / root_mean_square(reduced, np.eye(q))
    if not correlated:
        along = reduced.z_centring / np.linalg.norm(reduced.z_centring / unit[:, None], axis=0)
        return np.asarray(np.einsum("ak,bk->kab", along, along))
    pairs = [(a, b) for a in range(q) for b in range(a)]
    basis = np.zeros((q + len(pairs), q, q))
    basis[range(q), range(q), range(q)] = unit**2
    for k, (a, b) in enumerate(pairs, start=q):
        basis[k, a, b] = basis[k, b, a] = unit[a] * unit[b]
    return basis


def _blurred(reduced: RotatedMoments, correlated: bool) -> list[str]:
    """Return the names of the variance parameters along which the likelihood does not change.

    Their expected information is ``tr(P V_a P V_b) / 2`` with ``P = V^-1 - V^-1 X (X'V^-1X)^-1
    X'V^-1`` (Searle, Casella & McCulloch 1992, Variance Components, sec. 6.6). Which directions
    it is zero along does not depend on the values at which it is taken: ordinary ones are.
    """
    e = _directions(reduced, correlated)
    sums = (_by_group if reduced.many_designs else _by_class)(reduced, e)
    p, information, trace = reduced.p, sums.information, sums.trace
    # V = Z S Z' + I is itself a sum of the directions, and P V P = P.
    is_effect = np.zeros(len(e))
    is_effect[: reduced.q] = 1.0
    residual = trace - information @ is_effect
    last = reduced.n - p - is_effect @ trace - is_effect @ residual
    full = np.block([[information, residual[:, None]], [residual[None], np.array([[last]])]])
    size = np.sqrt(np.maximum(np.diagonal(full), np.finfo(float).tiny))
    value, vector = np.linalg.eigh(full / np.outer(size, size))
    if value[0] > _SINGULAR:
        return []
    # The direction, for Z as given and at unit mean square.
    back = np.linalg.inv(reduced.z_centring)
    root = root_mean_square(reduced, reduced.z_centring)
    along = np.einsum("m,mab->ab", vector[:-1, 0] / size[:-1], e)
    share = np.abs(back @ along @ back.T) * np.outer(root, root)
    named = np.argwhere(np.triu(share) > _NAMED * max(share.max(), abs(vector[-1, 0] / size[-1])))
    names = [_name(reduced, int(a), int(b)) for a, b in named]
    return [*names, "sigma_e"] if abs(vector[-1, 0]) > _NAMED else names


def _name(reduced: RotatedMoments, a: int, b: int) -> str:
    one, two = reduced.effects[a], reduced.effects[b]
    return f"sigma_u[{one}]" if a == b else f"rho_u[{one},{two}]"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Information:
    """``tr(P V_a P V_b)`` (m, m) and ``tr(P V_a)`` (m,) along directions of the covariance."""

    information: Floats
    trace: Floats


def _by_class(reduced: RotatedMoments, e: Floats) -> _Information:
    p, s = reduced.p, e[: reduced.q].sum(axis=0)
    inverse = invert_classes(reduced.r, s[None])[0][0]
    g = reduced.r.swapaxes(1, 2) @ inverse @ reduced.r  # Z'V^-1 Z, a class
    transformed = (reduced.r.swapaxes(1, 2) @ inverse)[reduced.of_group]
    x = transformed @ reduced.c[:, :, :p]  # Z'V^-1 X, a group
    whole = reduced.rest + np.einsum(
        "jap,jab,jbr->pr", reduced.c, inverse[reduced.of_group], reduced.c
    )
    norm, b = _inverse_information(whole[:p, :p])
    x = x / norm
    k = np.einsum("jap,mab,jbr->mpr", x, e, x, optimize=True) @ b
    h = np.einsum("jap,pr,jbr->jab", x, b, x, optimize=True)
    of_class = np.zeros_like(g)
    np.add.at(of_class, reduced.of_group, h)
    ge, he = g[:, None] @ e, of_class[:, None] @ e  # (C, m, q, q)
    plain = np.einsum("c,cmab,cnba->mn", reduced.size, ge, ge, optimize=True)
    crossed = np.einsum("cmab,cnba->mn", ge, he, optimize=True)
    return _Information(
        information=plain - crossed - crossed.T + np.einsum("mpr,nrp->mn", k, k),
        trace=np.einsum("c,cmaa->m", reduced.size, ge) - np.einsum("mpp->m", k),
    )


def _by_group(reduced: RotatedMoments, e: Floats) -> _Information:
    p, s = reduced.p, e[: reduced.q].sum(axis=0)
    first = derivative_sums(reduced, s, e)
    norm, b = _inverse_information((reduced.rest + first.a)[:p, :p])
    weight = np.zeros((p + 1, p + 1))
    weight[:p, :p] = b / np.outer(norm, norm)
    sums = curvature_sums(reduced, s, e, weight)
    k = -(first.da[:, :p, :p] / np.outer(norm, norm)) @ b
    crossed = sums.weighted
    return _Information(
        information=sums.plain - crossed - crossed.T + np.einsum("mpr,nrp->mn", k, k),
        trace=np.einsum("ab,mab->m", sums.inside, e) - np.einsum("mpp->m", k),
    )


def _inverse_information(whole: Floats) -> tuple[Floats, Floats]:
    """Return the lengths (p,) of columns, and the inverse of X'V^-1 X (p, p) at unit length."""
    norm = np.sqrt(np.maximum(np.diagonal(whole), np.finfo(float).tiny))
    return norm, np.linalg.pinv(whole / np.outer(norm, norm), hermitian=True, rcond=1e-14)
