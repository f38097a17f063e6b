"""The how-to on alert sources: its code, its entry point and its configuration work as the page shows them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from allclear.company.check import check_company
from allclear.engine.actions.registry import Registry
from allclear.extensions import forget_installed
from allclear.responder.sources import SOURCES, Credentials, RawRequest
from allclear.schemas import schema_of
from tests.contract.simulator_support import REPOSITORY
from tests.unit.company.company_support import company_folder
from tests.unit.extensions_support import install

PAGE = (REPOSITORY / "docs" / "how-to" / "add-an-alert-source.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
SECRET = Credentials(("a-shared-secret",))


def blocks(language: str) -> list[str]:
    """Return the code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Install the page's package with both of its classes, and give the entry points that the page shows."""
    (toml,) = blocks("toml")
    points = tomllib.loads(toml)["project"]["entry-points"]["allclear.sources"]
    code = "\n\n".join(blocks("python"))
    signed = 'class SignedAcme(Source):\n    name = "acme"'
    assert signed in code
    code = code.replace(signed, signed.replace('"acme"', '"acme-signed"'))
    more = {"acme-signed": "acme_alerts:SignedAcme"}
    install(tmp_path, monkeypatch, "acme_alerts", code, points | more)
    yield points
    monkeypatch.undo()
    forget_installed()


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("name", ["acme", "acme-signed"])
def test_the_source_of_the_page_authenticates_and_parses_its_samples(name: str) -> None:
    """Signed samples are accepted, changed ones rejected; both have the same key and labels for routes."""
    source = SOURCES[name]
    requests = [source.sign(source.samples[sample](NOW), SECRET, NOW) for sample in ("firing", "resolved")]
    assert not any(source.authenticate(request, SECRET, NOW).rejected for request in requests)
    assert source.authenticate(RawRequest(requests[0].body), SECRET, NOW).rejected
    assert source.authenticate(requests[0], Credentials(("another",)), NOW).rejected
    results = [source.parse(request) for request in requests]
    alerts = [alert for result in results if isinstance(result, list) for alert in result]
    assert [alert.state for alert in alerts] == ["firing", "resolved"]
    assert len({alert.key for alert in alerts}) == 1
    assert alerts[0].labels == {"alertname": "AcmeCheck", "check": "17", "service": "shop"}
    assert alerts[0].at == NOW


def test_the_configuration_of_the_page_is_accepted(package: dict[str, str], tmp_path: Path) -> None:
    """`allclear check` accepts the source and refuses an option that it lacks; the schema offers it to editors."""
    assert package == {"acme": "acme_alerts:Acme"}
    (yaml,) = blocks("yaml")
    parser: Any = YAML(typ="safe", pure=True)
    assert parser.load(yaml) == {"alerts": {"acme": {"secret": "ACME_SECRET"}}}
    registry = Registry.installed()
    known = schema_of("systems", registry)["properties"]["alerts"]["properties"]
    assert set(known["acme"]["properties"]) == {"secret", "username", "header"}
    folder = company_folder(tmp_path)
    systems = folder / "systems.yaml"
    before = systems.read_text(encoding="utf-8")
    for text, sentences in (
        (yaml, []),
        (yaml.replace("ACME_SECRET}", "ACME_SECRET, colour: red}"), ["`acme` has no option `colour`."]),
        (yaml.replace("acme:", "acne:"), ["There is no alert source `acne`."]),
    ):
        systems.write_text(before + text, encoding="utf-8")
        found = [one for one in check_company(folder, registry) if "systems.yaml" in one.file and one.level == "error"]
        assert [one.sentence for one in found if "`ac" in one.sentence] == sentences
