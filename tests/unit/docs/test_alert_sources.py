"""The page on alerts names every source, and what it shows works."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from ruamel.yaml import YAML

from allclear.domain.systems import AlertSource, Systems
from allclear.responder.app import make_app
from allclear.responder.connection_limits import BoundedParser, Connection
from allclear.responder.limits import Limits
from allclear.responder.scrubber import SHORTEST
from allclear.responder.sources import SOURCES
from allclear.responder.sources.datadog import Template
from allclear.responder.sources.request import RawRequest
from allclear.responder.strict_json import MAX_BYTES, MAX_DEPTH
from allclear.settings import Settings
from tests.contract.simulator_support import REPOSITORY
from tests.unit.responder.responder_support import AUTH, TOKEN, engine_in
from tests.unit.responder.sources.sources_support import NOW

PAGE = (REPOSITORY / "docs" / "reference" / "alert-sources.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\S+)\n\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE))
WRITTEN = re.findall(r"`([a-z]+: \{[^`]*\})`", PAGE)


def configured(alerts: dict[str, Any]) -> dict[str, AlertSource]:
    """Return the alert sources of a systems.yaml; their options are those that the sources have."""
    systems = Systems.model_validate({"systems": {}, "services": {}, "alerts": alerts})
    for name, source in systems.alerts.items():
        SOURCES[name].options.model_validate(source.options)
    return systems.alerts


def test_the_page_has_a_section_for_every_source() -> None:
    """Each section names the address for the vendor, and the configuration in systems.yaml."""
    assert set(SECTIONS) == set(SOURCES)
    for name, text in SECTIONS.items():
        assert f"/alerts/{name}" in text or name == "json", name
        assert f"{name}: {{secret: VARIABLE" in text, name


def test_the_configuration_that_the_page_shows_loads() -> None:
    """The block of systems.yaml fits, with options that its sources know."""
    yaml: Any = YAML(typ="safe", pure=True)
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(configured(yaml.load(block)["alerts"])) == 6


@pytest.mark.parametrize("line", [line for line in WRITTEN if "secret" in line])
def test_each_line_of_configuration_fits(line: str) -> None:
    """Each configuration in a section is a source with its secret and known options."""
    yaml: Any = YAML(typ="safe", pure=True)
    assert len(configured(yaml.load(line))) == 1


def test_datadogs_template_is_the_one_that_is_read() -> None:
    """Its fields are those of our sample, each with the variable of its name, and include every field that is read."""
    (template,) = re.findall(r"```json\n(.*?)```", SECTIONS["datadog"], flags=re.DOTALL)
    fields = cast("dict[str, str]", json.loads(template))
    assert fields == {name: f"${name.upper()}" for name in fields}
    assert set(Template.model_fields) <= set(fields)
    assert set(fields) == set(json.loads(SOURCES["datadog"].samples["firing"](NOW).body))


def test_the_json_that_the_page_shows_is_read() -> None:
    """The example of plain JSON is an alert."""
    (body,) = re.findall(r"```json\n(.*?)```", SECTIONS["json"], flags=re.DOTALL)
    (alert,) = cast("list[Any]", SOURCES["json"].parse(RawRequest(body.encode())))
    assert (alert.key, alert.state) == ("checkout", "firing")


def test_the_page_names_exactly_the_metrics_that_exist(tmp_path: Path) -> None:
    """The table has every metric of allclear, and no other."""
    engine = engine_in(tmp_path)
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False)) as client:
        families = list(text_string_to_metric_families(client.get("/metrics", headers=AUTH).text))
    engine.journal.close()
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert set(re.findall(r"`(allclear_[a-z_]+)", PAGE)) == {name for name in names if name.startswith("allclear_")}


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    """The page gives the sizes and times that the code uses."""
    limits = Limits()
    page = " ".join(PAGE.split())
    assert f"took over {limits.journal_seconds:g} s; over {limits.max_requests} alerts" in page
    assert f"or {limits.max_bytes // MAX_BYTES} MiB of them" in page
    assert f"the body took over {limits.body_seconds:g} s" in page
    assert f"A head that takes over {Connection.head_seconds:g} s" in page
    assert f"Beyond {Connection.max_connections} connections" in page
    assert f"nested deeper than {MAX_DEPTH}" in page
    assert f"in over {BoundedParser.max_pieces} pieces" in page
    assert f"Values under {['', 'one', 'two', 'three', 'four', 'five', 'six'][SHORTEST]} characters" in page
    assert f"`ALLCLEAR_HEARTBEAT_SECONDS` ({Settings().heartbeat_seconds:g})" in page
