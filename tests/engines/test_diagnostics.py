"""A verdict is clean when the draws are, and names parameter and remedy when they are not."""

from dataclasses import replace

import numpy as np
import pytest

from bayes_mlm.engines.diagnostics import convergence, diagnose
from bayes_mlm.engines.draws import Variable


def changed(draws, name, values, group="posterior"):
    variables = dict(getattr(draws, group))
    variables[name] = Variable(variables[name].dims, values)
    return replace(draws, **{group: variables})


def test_independent_draws_are_clean(mock_fit):
    verdict = diagnose(mock_fit("hsb_null", draws=1000).draws)
    assert verdict.ok, str(verdict)
    assert [finding.check for finding in verdict.findings] == [
        "R-hat",
        "ESS",
        "divergences",
        "E-BFMI",
    ]


def test_a_chain_elsewhere_is_found(mock_fit):
    draws = mock_fit("hsb_null", draws=1000).draws
    shifted = draws["u"].copy()
    shifted[0, :, 3, 0] += 5 * shifted[:, :, 3, 0].std()
    verdict = diagnose(changed(draws, "u", shifted))
    assert not verdict.ok
    # The fourth school's id, by the real label.
    assert f"u[{draws.coords['schoolid'][3]},Intercept]" in str(verdict)
    assert "raise --draws and --tune" in str(verdict)


def test_slow_mixing_is_found(mock_fit):
    draws = mock_fit("hsb_null", draws=1000).draws
    rng = np.random.default_rng(1)
    walk = np.zeros((4, 1000))
    for k in range(1, 1000):
        walk[:, k] = 0.99 * walk[:, k - 1] + rng.normal(size=4)
    verdict = diagnose(changed(draws, "sigma_e", 6 + 0.01 * walk))
    assert "sigma_e" in str(verdict)
    assert not verdict.ok


def test_divergences_and_energy_are_found(mock_fit):
    draws = mock_fit("hsb_null", draws=1000).draws
    some = np.zeros((4, 1000), dtype=bool)
    some[2, 5:8] = True
    assert "3 divergences" in str(diagnose(changed(draws, "diverging", some, "sample_stats")))
    slow = np.cumsum(np.random.default_rng(2).normal(size=(4, 1000)), axis=1)
    assert "E-BFMI" in str(diagnose(changed(draws, "energy", slow, "sample_stats")))


def test_a_stuck_parameter_is_not_called_fine(mock_fit):
    draws = mock_fit("hsb_null", draws=1000).draws
    assert not diagnose(changed(draws, "sigma_e", np.full((4, 1000), 6.0))).ok


def test_arviz_agrees_on_a_known_case():
    # An AR(1) with coefficient a has ESS n (1 - a) / (1 + a): here 4000 / 3 = 1333.
    rng = np.random.default_rng(4)
    walk = np.zeros((4, 1000))
    for k in range(1, 1000):
        walk[:, k] = 0.5 * walk[:, k - 1] + rng.normal(size=4)
    assert float(convergence(walk).ess_bulk) == pytest.approx(1333, rel=0.2)
