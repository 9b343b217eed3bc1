"""Progress is shown on a terminal, from the first second on, and nowhere else."""

import io
import threading
import time

import pytest
from rich.console import Console

from bayes_mlm.cli import progress
from bayes_mlm.cli.options import status
from bayes_mlm.report import console as show


@pytest.fixture
def terminal(monkeypatch):
    """Stand a terminal in for standard error; give what is written to it."""
    screen = io.StringIO()

    def make_console(*, stderr=False):
        assert stderr, "progress goes to standard error"
        return Console(file=screen, force_terminal=True, width=100, markup=False)

    monkeypatch.setattr(show, "make_console", make_console)
    return screen


def test_what_is_over_in_a_second_shows_nothing(terminal):
    with progress.steps("fitting", quiet=False) as shown:
        shown.update("fitting m (direct)", done=0, of=2)
        shown.hide()
        shown.show()
    assert terminal.getvalue() == ""


def test_what_lasts_shows_what_is_done_and_how_far_it_is(terminal, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    with progress.steps("reading", quiet=False) as shown:
        shown.update("fitting m[a] (direct)", done=1, of=4)
        time.sleep(0.3)  # it is drawn ten times a second
    printed = terminal.getvalue()
    assert "fitting m[a] (direct)" in printed  # brackets are part of the name
    assert "25%" in printed


def test_it_appears_by_itself_when_the_time_has_come(terminal, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    with progress.steps("fitting", quiet=False):
        assert terminal.getvalue() == ""
        time.sleep(0.4)
        assert "fitting" in terminal.getvalue()


def test_results_are_printed_without_it(terminal, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    with progress.steps("fitting", quiet=False) as shown:
        time.sleep(0.2)
        with shown.hidden():
            length = len(terminal.getvalue())
            time.sleep(0.3)
            assert len(terminal.getvalue()) == length
        time.sleep(0.2)
        assert len(terminal.getvalue()) > length


def test_it_is_quiet_when_asked_and_in_a_pipe(terminal, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    with progress.steps("fitting", quiet=True) as shown:
        shown.update("more", done=1, of=2)
        time.sleep(0.2)
    assert terminal.getvalue() == ""
    pipe = io.StringIO()
    monkeypatch.setattr(show, "make_console", lambda **_: Console(file=pipe))
    with progress.steps("fitting", quiet=False):
        time.sleep(0.2)
    assert pipe.getvalue() == ""


def test_an_error_takes_it_away(terminal, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    before = threading.active_count()
    with pytest.raises(ValueError, match="wrong"), progress.steps("fitting", quiet=False):
        raise ValueError("wrong")
    end = time.monotonic() + 5.0  # its thread notices within a tenth of a second
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.02)
    assert threading.active_count() == before


def test_an_engine_with_a_bar_of_its_own_gets_a_line(terminal):
    with status("fitting m", quiet=False, draws_bar=True) as shown:
        assert shown
    assert terminal.getvalue() == "fitting m\n"
    with status("fitting m", quiet=False) as shown:
        assert not shown
