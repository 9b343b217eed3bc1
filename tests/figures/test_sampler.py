"""Figures of a NUTS run: traces, ranks, energy, divergences."""

from dataclasses import replace

import numpy as np

from bayes_mlm.base import scaled
from bayes_mlm.engines.draws import Variable
from bayes_mlm.figures.convergence import converged
from bayes_mlm.figures.divergences import divergences
from bayes_mlm.figures.energy import ebfmi_of, energy
from bayes_mlm.figures.ranks import ranks
from bayes_mlm.figures.traces import traces


def test_sampler_figures_are_of_nuts_only(hsb):
    for figure in (traces, ranks, energy, converged):
        assert figure(hsb["hsb_ses"]) is None


def test_traces_and_ranks_are_of_the_largest_r_hats(nuts):
    for figure in (traces, ranks):
        picture = figure(nuts)
        assert "all 4 parameters" in picture.text.caption
        assert list(picture.values) == ["beta[Intercept]", "beta[ses]", "sigma_u", "sigma_e"]
        np.testing.assert_array_equal(picture.values["sigma_u"], nuts.fits[0].draws["sigma_u"])
    assert "4 chains of 100 draws" in traces(nuts).text.caption


def test_nuts_pictures_come_from_the_samplers_record(nuts):
    fit = nuts.fits[0]
    picture = energy(nuts)
    values = fit.draws.sample_stats["energy"].values
    wanted = (np.diff(values, axis=1) ** 2).mean(axis=1) / values.var(axis=1)
    np.testing.assert_allclose(ebfmi_of(picture.values["energy"]), wanted)
    assert scaled(wanted.min(), 2) in picture.text.caption
    found = converged(nuts)
    assert found.values["parameters"].shape[2] == 2 + 1 + 1 + 1 + 160
    assert "below 400" in found.text.caption
    assert divergences(nuts) is None
    stats = dict(fit.draws.sample_stats)
    low = fit.draws["sigma_u"] < np.quantile(fit.draws["sigma_u"], 0.05)
    stats["diverging"] = Variable(("chain", "draw"), low)
    bad = replace(nuts, fits=(replace(fit, draws=replace(fit.draws, sample_stats=stats)),))
    found = divergences(bad)
    assert found.panels[0].x_name == "log sigma_u"
    assert "below that of all draws" in found.text.caption
    assert found.text.caption.startswith("20 draws of 400")
    assert "nuts" in traces(bad).text.title
