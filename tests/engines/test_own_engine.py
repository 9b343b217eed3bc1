"""An engine that the package does not know is one registration."""

from dataclasses import replace

import pytest

import bayes_mlm
from bayes_mlm.engines import ENGINES, engine_names

FORMULA = "reaction ~ days + (1 | subject)"


@pytest.mark.parametrize("like", ["ml", "direct"])
def test_a_registered_engine_is_run_by_its_name(monkeypatch, like):
    monkeypatch.setattr(ENGINES, "_members", dict(ENGINES))
    ENGINES.register("mine", replace(ENGINES[like], name="mine", label="MINE"))
    assert "mine" in engine_names()
    mine = bayes_mlm.fit(FORMULA, "sleepstudy", engine="mine", random_seed=1)
    same = bayes_mlm.fit(FORMULA, "sleepstudy", engine=like, random_seed=1)
    assert mine.engine == "mine"
    found, wanted = (bayes_mlm.slopes(one, "days").rows[0] for one in (mine, same))
    assert (found.engine, found.estimate, found.sd) == ("mine", wanted.estimate, wanted.sd)
    assert str(bayes_mlm.summarise(mine)) == str(bayes_mlm.summarise(same))
    new = {"days": [1.0], "subject": [308]}
    assert bayes_mlm.predict(mine, new).mean == bayes_mlm.predict(same, new).mean
