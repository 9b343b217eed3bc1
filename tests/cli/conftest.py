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
    monkeypatch.setattr("bayes_mlm.report.rendering.choose_figures", lambda _: iter(()))
    return run_command
