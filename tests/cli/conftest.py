"""Fixtures of the tests of commands."""

import pytest

from tests.helpers.students import STUDENTS


@pytest.fixture
def run(monkeypatch, run_command, tmp_path):
    """Return a function that runs a command line in a folder with students.csv alone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "students.csv").write_text(STUDENTS)
    # The figures of a report would take seconds each time; test_report and test_browser test it.
    monkeypatch.setattr("bayes_mlm.report.images._processors", lambda: 1)
    monkeypatch.setattr("bayes_mlm.report.rendering.choose_figures", lambda *_: iter(()))
    return run_command


@pytest.fixture
def no_sampling(monkeypatch):
    """Fail loudly if a wrong input gets as far as a sampler."""

    def refuse(*_, **__):
        raise AssertionError("a wrong input reached the sampler")

    monkeypatch.setattr("bayes_mlm.engines.nuts.sample_nuts", refuse)
    monkeypatch.setattr("bayes_mlm.engines.direct.sample_direct", refuse)


@pytest.fixture
def refused(tmp_path):
    """Return a function that checks the refusal of a command line, and that no file is left."""

    def check(run, arguments, code, says):
        before = sorted(path.name for path in tmp_path.iterdir())
        found, out, err = run(*arguments)
        assert found == code, out + err
        assert says.lower() in err.lower()
        assert "Traceback" not in err
        if code == 1:
            assert err.startswith("error: ")
            # One message: a formula error adds the formula and a caret under the place.
            assert len(err.strip().splitlines()) in ((3,) if "\n  " in err else (1,))
        assert sorted(path.name for path in tmp_path.iterdir()) == before, "a file was left"

    return check
