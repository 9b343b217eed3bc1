"""Sections of the report, in the order of the page; each fills a template of its name.

A new section is a call of `_section` here and ``templates/sections/<name>.html.j2``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bayes_mlm.base import Registry, StorageError
from bayes_mlm.figures import Section

# A `bayes_mlm.report.page.Page`, which imports this module.
type Page = Any
type _Parts = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True, eq=False)
class PageSection:
    """One section of the page.

    Parameters
    ----------
    name : str
        As an option names it; also the anchor of the section and the name of its template.
    title : callable
        ``title(page) -> str``: the heading.
    applies : callable
        ``applies(page) -> bool``: whether there is something to show.
    figures : str, optional
        Section of the catalogue of figures that is drawn in it.
    parts : callable
        ``parts(page)``: anchor and title of each of its parts, for the contents.
    """

    name: str
    title: Callable[[Page], str]
    applies: Callable[[Page], bool]
    figures: Section | None
    parts: Callable[[Page], _Parts]


SECTIONS = Registry[PageSection]("section of the report", StorageError)


def choose_sections(names: Sequence[str] | None = None) -> tuple[PageSection, ...]:
    """Return the sections of some names in the order of the page, or all.

    Parameters
    ----------
    names : sequence of str, optional
        Each a name in `SECTIONS`; a repeated one counts once.

    Returns
    -------
    tuple of PageSection

    Raises
    ------
    StorageError
        If a name is unknown, or there is none; the message lists all.

    Examples
    --------
    >>> [one.name for one in choose_sections(["methods", "answer"])]
    ['answer', 'methods']
    """
    if names is None:
        return tuple(SECTIONS.values())
    wanted = {SECTIONS[name].name for name in names}
    if not wanted:
        raise StorageError(f"no section of the report is chosen; there are {', '.join(SECTIONS)}")
    return tuple(one for name, one in SECTIONS.items() if name in wanted)


def _section(
    name: str,
    title: str | Callable[[Page], str],
    *,
    applies: Callable[[Page], bool] = lambda _: True,
    figures: Section | None = None,
    parts: Callable[[Page], _Parts] = lambda _: (),
) -> None:
    heading = (lambda _: title) if isinstance(title, str) else title
    SECTIONS.register(
        name,
        PageSection(name=name, title=heading, applies=applies, figures=figures, parts=parts),
    )


_section("answer", "Summary of results")
_section("data", "Data", figures="data")
_section("survey", "Survey design and weights", applies=lambda page: bool(page.survey))
_section(
    "comparison",
    lambda page: "Comparison of models" if len(page.models) > 1 else "Table of estimates",
    figures="ladder",
)
_section("models", "Models", parts=lambda page: [(one.anchor, one.name) for one in page.models])
_section(
    "posterior",
    "Posterior distributions",
    figures="posterior",
    applies=lambda page: bool(page.figures["posterior"]),
)
_section(
    "groups",
    "Groups",
    figures="groups",
    applies=lambda page: page.groups is not None or bool(page.figures["groups"]),
)
_section(
    "refit",
    lambda page: page.live.title if page.live else "",
    applies=lambda page: page.live is not None,
)
_section("diagnostics", "Diagnostics", figures="diagnostics")
_section(
    "corrections",
    lambda page: page.corrections.title if page.corrections else "",
    applies=lambda page: page.corrections is not None,
)
_section("methods", "Methods and references")
_section("provenance", "Provenance")
