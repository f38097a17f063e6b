"""Extensions found through entry points: third parties' are used like ours, and broken ones give one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from allclear.domain.errors import ConfigError
from allclear.extensions import ALERT_SOURCES, Extensions, forget_installed
from allclear.responder.sources import SOURCES
from tests.unit.extensions_support import install


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Forget the entry points that were found, before and after each test."""
    forget_installed()
    yield
    forget_installed()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import no_such_module\n", "cannot be loaded: No module named 'no_such_module'"),
        ("Broken = 7\n", "is not a class derived from Source"),
        ("from allclear.responder.sources.json_alert import JsonSource as Broken\n", "calls itself json"),
        ("", "cannot be loaded"),
    ],
)
def test_a_broken_alert_source_gives_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    """A source that cannot be imported, is none, or has another name is a ConfigError that names it."""
    install(tmp_path, monkeypatch, "broken_alerts", code, {"broken": "broken_alerts:Broken"})
    assert "broken" in SOURCES
    with pytest.raises(ConfigError, match=sentence) as error:
        SOURCES["broken"].parse  # noqa: B018 - the lookup raises
    assert "broken" in error.value.message
    assert error.value.next_step


def test_two_packages_cannot_offer_the_same_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that two packages use is refused, with both places."""
    install(tmp_path, monkeypatch, "other_json", "", {"json": "other_json:Json"})
    with pytest.raises(ConfigError, match="The alert source json is installed twice") as error:
        list(SOURCES)
    assert "other_json:Json" in error.value.message


def test_listing_the_sources_imports_none() -> None:
    """The names are known without importing a source, so that a command starts quickly."""

    def never(name: str, _loaded: object) -> object:
        raise AssertionError(name)

    sources = Extensions(ALERT_SOURCES, never)
    assert "grafana" in sources
    assert "grafana" in list(sources)
    assert len(sources) >= 15
    assert "pigeon" not in sources
