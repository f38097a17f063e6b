"""The page on alerts names every source, and what it shows works."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import pytest
from ruamel.yaml import YAML

from allclear.domain.systems import Systems
from allclear.responder.samples import sample
from allclear.responder.sources import SOURCES
from allclear.responder.sources.datadog import Payload
from allclear.responder.sources.request import RawRequest
from tests.contract.simulator_support import REPOSITORY
from tests.unit.sources_support import NOW

PAGE = (REPOSITORY / "docs" / "alerts.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\S+)\n\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE))
WRITTEN = re.findall(r"`([a-z]+: \{[^`]*\})`", PAGE)


def test_the_page_has_a_section_for_every_source() -> None:
    """Each source says where the vendor shall send to, and what is configured on our side."""
    assert set(SECTIONS) == set(SOURCES)
    for name, text in SECTIONS.items():
        assert f"/alerts/{name}" in text or name == "json", name
        assert f"{name}: {{secret: VARIABLE" in text, name


def test_the_configuration_that_the_page_shows_loads() -> None:
    """The block of systems.yaml fits, with options that its sources know."""
    yaml: Any = YAML(typ="safe", pure=True)
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    systems = Systems.model_validate({"systems": {}, "services": {}, **yaml.load(block)})
    assert len(systems.alerts) == 6


@pytest.mark.parametrize("line", [line for line in WRITTEN if "secret" in line])
def test_each_line_of_configuration_fits(line: str) -> None:
    """What a section tells to write is a source with its secret and known options."""
    yaml: Any = YAML(typ="safe", pure=True)
    assert len(Systems.model_validate({"systems": {}, "services": {}, "alerts": yaml.load(line)}).alerts) == 1


def test_datadogs_template_is_the_one_that_is_read() -> None:
    """Its fields are those of our sample, each filled by the variable of its name; all that is read is there."""
    (template,) = re.findall(r"```json\n(.*?)```", SECTIONS["datadog"], flags=re.DOTALL)
    fields = cast("dict[str, str]", json.loads(template))
    assert fields == {name: f"${name.upper()}" for name in fields}
    assert set(Payload.model_fields) <= set(fields)
    assert set(fields) == set(json.loads(sample("datadog", "firing", NOW).body))


def test_the_json_that_the_page_shows_is_read() -> None:
    """The example of plain JSON is an alert."""
    (body,) = re.findall(r"```json\n(.*?)```", SECTIONS["json"], flags=re.DOTALL)
    (alert,) = cast("list[Any]", SOURCES["json"].parse(RawRequest(body.encode())))
    assert (alert.key, alert.state) == ("checkout", "firing")
