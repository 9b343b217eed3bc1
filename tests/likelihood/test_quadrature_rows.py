"""Compiled rows of each family against mpmath at 60 digits, out to the tails."""

import mpmath as mp
import numpy as np
import pytest

from bayes_mlm.likelihood.quadrature.codes import (
    CLOGLOG,
    CODES,
    GAMMA,
    LOGIT,
    NEGATIVE_BINOMIAL,
    ORDERED_LOGIT,
    ORDERED_PROBIT,
    POISSON,
    PROBIT,
    Outcomes,
    code_of,
    constants,
)
from bayes_mlm.likelihood.quadrature.row_kernels import row, row_second
from bayes_mlm.model import FAMILIES

ETAS = (-40.0, -12.0, -9.1, -8.9, -5.1, -4.9, -1.3, 0.0, 0.4, 3.0, 5.2, 11.0, 38.0)


def _probability(code, eta):
    if code in (LOGIT, ORDERED_LOGIT):
        return 1 / (1 + mp.exp(-eta)), 1 / (1 + mp.exp(eta))
    if code in (PROBIT, ORDERED_PROBIT):
        return mp.erfc(-eta / mp.sqrt(2)) / 2, mp.erfc(eta / mp.sqrt(2)) / 2
    return -mp.expm1(-mp.exp(eta)), mp.exp(-mp.exp(eta))


def _exact(code, y, w, aux, eta):
    if code in (LOGIT, PROBIT, CLOGLOG):
        one, zero = _probability(code, eta)
        choose = mp.log(mp.binomial(int(w), int(y)))
        return choose + (y * mp.log(one) if y else 0) + ((w - y) * mp.log(zero) if w > y else 0)
    if code == POISSON:
        return y * eta - mp.exp(eta) - mp.loggamma(y + 1)
    if code in (NEGATIVE_BINOMIAL, GAMMA):
        shape = mp.exp(aux[0])
        if code == GAMMA:
            top = shape * (aux[0] - eta - y * mp.exp(-eta)) + (shape - 1) * mp.log(y)
            return top - mp.loggamma(shape)
        top = mp.loggamma(y + shape) - mp.loggamma(shape) - mp.loggamma(y + 1)
        mean = mp.exp(eta)
        return top + shape * mp.log(shape / (shape + mean)) + y * mp.log(mean / (shape + mean))
    ends = [-mp.inf, *aux, mp.inf]
    low, high = ends[int(y)] - eta, ends[int(y) + 1] - eta
    if low > 0:
        upper = 0 if high == mp.inf else _probability(code, high)[1]
        return mp.log(_probability(code, low)[1] - upper)
    lower = 0 if low == -mp.inf else _probability(code, low)[0]
    return mp.log((1 if high == mp.inf else _probability(code, high)[0]) - lower)


CASES = [
    *((code, y, w, ()) for code in (LOGIT, PROBIT, CLOGLOG) for y, w in ((0, 1), (1, 1), (3, 8))),
    *((POISSON, y, 1, ()) for y in (0, 7)),
    *((NEGATIVE_BINOMIAL, y, 1, (a,)) for y in (0, 7) for a in (-1.5, 2.0, 14.0)),
    *((GAMMA, y, 1, (a,)) for y in (0.03, 5.0) for a in (-1.5, 4.0)),
    *(
        (code, y, 1, (-1.0, 0.5, 0.6))
        for code in (ORDERED_LOGIT, ORDERED_PROBIT)
        for y in (0, 1, 2, 3)
    ),
]


@pytest.mark.parametrize(("code", "y", "w", "aux"), CASES)
def test_rows_and_their_derivatives_are_exact(code, y, w, aux):
    mp.mp.dps = 60
    family = next(FAMILIES[name] for (name, _), number in reversed(CODES.items()) if number == code)
    known = {"shape": np.exp(aux[0]) if aux else 1.0}
    outcomes = Outcomes(y=np.array([float(y)]), trials=np.array([float(w)]))
    constant, slope, curve = constants(family, outcomes, known)
    cuts = [-np.inf, *aux, np.inf]
    low, high = (cuts[int(y)], cuts[int(y) + 1]) if code >= ORDERED_LOGIT else (0.0, 0.0)
    for tail in ETAS:
        eta = tail / 2 if code in (ORDERED_PROBIT, PROBIT) else tail
        eta = min(eta, 6.0) if code == CLOGLOG else eta
        found = row(code, float(y), float(w), eta, aux[0] if aux else 0.0, low, high)
        exact = mp.taylor(lambda t: _exact(code, y, w, aux, t), mp.mpf(eta), 2)
        size = max(1.0, abs(float(exact[0])))
        assert found[0] + constant == pytest.approx(float(exact[0]), abs=1e-12 * size)
        assert found[1] == pytest.approx(float(exact[1]), rel=2e-11, abs=1e-12 * size)
        assert found[2] == pytest.approx(2 * float(exact[2]), rel=5e-9, abs=1e-11 * size)
        places = [0] if len(aux) == 1 else [int(y) - 1, int(y)]
        for slot, place in enumerate(places if aux else []):
            if not 0 <= place < len(aux):
                assert found[3 + slot] == 0.0
                continue

            def moved(t, e=eta, place=place):
                return _exact(code, y, w, [*aux[:place], t, *aux[place + 1 :]], mp.mpf(e))

            along = float(mp.diff(moved, mp.mpf(aux[place])))
            given = found[3 + slot] + (slope if len(aux) == 1 else 0.0)
            assert given == pytest.approx(along, rel=2e-11, abs=1e-11 * size)
            second = row_second(code, float(y), eta, aux[0], low, high)
            twice = float(mp.diff(moved, mp.mpf(aux[place]), 2))
            given = second[2 * slot] + (curve if len(aux) == 1 else 0.0)
            assert given == pytest.approx(twice, rel=1e-8, abs=1e-9 * size)
            cross = float(mp.diff(moved, (mp.mpf(aux[place]), mp.mpf(eta)), (1, 1)))
            assert second[3 + slot] == pytest.approx(cross, rel=1e-8, abs=1e-9 * size)


def test_families_have_their_rows_and_beta_none():
    assert code_of(FAMILIES["bernoulli"].with_link("cloglog")) == CLOGLOG
    assert code_of(FAMILIES["cumulative"]) == ORDERED_LOGIT
    assert code_of(FAMILIES["beta"]) is None
    assert code_of(FAMILIES["gaussian"]) is None
