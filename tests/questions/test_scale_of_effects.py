"""Effects and lines of outcomes that are not Gaussian state their scale."""

import numpy as np

from bayes_mlm import comparisons, fit, group_lines, population_line, slopes


def test_the_scale_is_stated_wherever_it_is_not_that_of_the_outcome():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(20), 15)
    x = rng.normal(size=300)
    y = (rng.random(300) < 1 / (1 + np.exp(-0.5 * x - rng.normal(size=20)[g]))) * 1
    data = {"y": y, "x": x, "g": g}
    binary = fit("y ~ x + (1 | g)", data, family="bernoulli", engine="ml")
    link = {"scale": "link"}
    for found in (
        slopes(binary, "x", **link),
        comparisons(binary, "x", **link),
        population_line(binary, "x", **link),
    ):
        assert "log odds" in str(found)
    assert "log odds" in " ".join(group_lines(binary).notes)
    assert "probability of y" in str(slopes(binary, "x"))
    gaussian = fit("y ~ x + (1 | g)", data, engine="reml")
    for found in (slopes(gaussian, "x"), population_line(gaussian, "x"), group_lines(gaussian)):
        assert "scale of the linear predictor" not in str(found)
