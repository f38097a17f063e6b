"""Extensions found through entry points: actions, probes, alert sources and channels, ours like a third party's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from allclear.domain.errors import ConfigError

T = TypeVar("T")

ACTIONS, PROBES, ALERT_SOURCES, CHANNELS = (
    "allclear.actions",
    "allclear.probes",
    "allclear.sources",
    "allclear.channels",
)
"""The groups of entry points, with those above."""

_NOUNS = {ACTIONS: "action", PROBES: "probe", ALERT_SOURCES: "alert source", CHANNELS: "channel"}


@cache
def installed(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group, sorted by name."""
    return tuple(sorted(_entry_points().select(group=group), key=lambda point: (point.name, point.value)))


@cache
def _entry_points() -> Any:  # noqa: ANN401 - its type differs between versions of Python
    """Return every entry point. This is done once, because it reads the metadata of every installed package."""
    return entry_points()


def forget_installed() -> None:
    """Find the entry points again at their next use: for tests that install a package."""
    installed.cache_clear()
    _entry_points.cache_clear()


def load(point: EntryPoint) -> Any:  # noqa: ANN401 - whatever the package names there
    """Return what an entry point names. Raises ConfigError if it cannot be imported."""
    try:
        return point.load()
    except Exception as error:
        raise ConfigError(
            f"The {_NOUNS[point.group]} {point.name} ({point.value}) cannot be loaded: {error}.",
            "Correct or uninstall its package.",
        ) from error


class Extensions(Mapping[str, T]):
    """The extensions of one group by name; each is imported when it is first used."""

    def __init__(self, group: str, make: Callable[[str, object], T]) -> None:
        """`make` gets an entry point's name and what it names, and returns the extension."""
        self._group = group
        self._make = make
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Return the extension called `name`. Raises KeyError, and ConfigError for one that is broken."""
        if name not in self._loaded:
            self._loaded[name] = self._make(name, load(self._points()[name]))
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        """Return whether an extension called `name` is installed, without importing it."""
        return name in self._points()

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the installed extensions."""
        return iter(self._points())

    def __len__(self) -> int:
        """Return how many extensions are installed."""
        return len(self._points())

    def _points(self) -> dict[str, EntryPoint]:
        points = installed(self._group)
        by_name = {point.name: point for point in points}
        for point in points:
            if by_name[point.name].value != point.value:
                raise ConfigError(
                    f"The {_NOUNS[self._group]} {point.name} is installed twice: "
                    f"{by_name[point.name].value} and {point.value}.",
                    "Uninstall one of them.",
                )
        return by_name
