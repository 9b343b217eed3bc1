"""An option of few words names the nearest of them, in every command that has one."""

import pytest
from typer.main import get_command

from bayes_mlm.cli import app

COMMANDS = vars(get_command(app))["commands"]
OPTIONS = [
    (name, option.opts[0], tuple(option.metavar[1:-1].split("|")))
    for name, command in COMMANDS.items()
    for option in command.params
    if "|" in (option.metavar or "")
]


def test_the_options_of_words_are_these():
    assert {flag for _, flag, _ in OPTIONS} == {
        *("--engine", "--engine-data", "--kind", "--missing", "--decimal", "--rows"),
        *("--format", "--question", "--style", "--cell-weights", "--comparison"),
        *("--truths", "--scaling", "--standard-errors"),
    }
    assert {name for name, flag, _ in OPTIONS if flag == "--engine"} >= {"fit", "table", "plot"}


def test_no_command_leaves_words_to_typer():
    """Its message names the words, and not the one that is meant."""
    for one in app.registered_commands:
        parameters = vars(one.callback)["__signature__"].parameters.values()
        assert not [name for name in parameters if "Literal[" in str(name.annotation)]


@pytest.mark.parametrize(("command", "flag", "words"), OPTIONS)
def test_a_slip_is_answered_with_the_word(command, flag, words, run_command):
    for word in filter(str.isidentifier, words):
        for slip in (word.upper(), word.title(), word + "s", word[:1] + word[2:]):
            code, out, err = run_command(command, flag, slip)
            assert (code, out) == (2, "")
            assert f"Invalid value for '{flag}': {slip!r} is unknown" in err
            assert f"; allowed: {', '.join(words)}" in err or "did you mean" in err
            if slip.lower() == word:
                assert f"did you mean {word!r}?" in err
    _, _, err = run_command(command, flag, "?")
    listed = [word if word[0].isalnum() else repr(word) for word in words]  # a comma, quoted
    assert f"'?' is unknown; allowed: {', '.join(listed)}" in err
