"""The notebooks as pages of the site: their outputs are those that the tests check."""

import shutil
from pathlib import Path

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Copy them into the source before pages are read, and point links to the copies."""
    app.connect("builder-inited", _copy)
    app.connect("source-read", _relink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _copy(app: Sphinx) -> None:
    source = Path(app.srcdir)
    target = source / "notebooks"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in sorted((source.parent / "notebooks").glob("*.ipynb")):
        shutil.copy2(path, target)


def _relink(_: Sphinx, name: str, content: list[str]) -> None:
    """Links of a page on a code host lead out of the folder of pages; here they stay in it."""
    up = "../" * name.count("/")
    content[0] = content[0].replace(f"]({up}../notebooks/", f"]({up}notebooks/")
