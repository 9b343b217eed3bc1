"""Registries: what there is of a kind, by name, in the order it was registered."""

from collections.abc import Iterator, Mapping
from typing import Any

from bayes_mlm.base.errors import BayesMLMError, SpecError
from bayes_mlm.base.toml import suggest


class Registry[T](Mapping[str, T]):
    """Members of one kind by name; a new one is one file and one call of `register`.

    Parameters
    ----------
    kind : str
        What a member is, as messages call it: "engine", "family".
    error : type
        Class of the error about an unknown name.

    Examples
    --------
    >>> links = Registry[str]("link")
    >>> _ = links.register("identity", "eta")
    >>> list(links), links["identity"]
    (['identity'], 'eta')
    """

    def __init__(self, kind: str, error: type[BayesMLMError] = SpecError) -> None:
        self.kind = kind
        self.error = error
        self._members: dict[str, T] = {}

    def register(self, name: str, member: T) -> T:
        """Add a member and return it.

        Raises
        ------
        SpecError
            If the name is taken.
        """
        if name in self._members:
            raise SpecError(f"there is a {self.kind} {name!r} already")
        self._members[name] = member
        return member

    def __getitem__(self, name: str) -> T:
        """Return the member of a name.

        Raises
        ------
        BayesMLMError
            If there is none, of class `error`; with the nearest name, and all.
        """
        if name in self._members:
            return self._members[name]
        raise self.error(f"unknown {self.kind} {name!r}{suggest(name, self._members)}")

    def get(self, name: str, default: Any = None, /) -> Any:
        """Return the member of a name, or the default."""
        return self._members.get(name, default)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a member of a name."""
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._members)

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self._members)
