"""Completion of arguments in a shell."""

from typing import Annotated

import typer


def complete_models(incomplete: str) -> list[str]:
    """Return the bundled models whose names begin so, for the completion of a shell."""
    from bayes_mlm.studies import models_directory

    names = sorted(path.stem for path in models_directory().glob("*.toml"))
    return [name for name in names if name.startswith(incomplete)]


Model = Annotated[
    str,
    typer.Argument(
        help="A formula, a bundled model, or a record (.toml).", autocompletion=complete_models
    ),
]
