"""The how-to about switches: its YAML is a systems.yaml without an error, and sends what the page says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import SecretStr
from ruamel.yaml import YAML

from allclear.company.handles import installed_systems_model
from allclear.domain.runbook import Step
from allclear.domain.systems import Access, Systems
from allclear.vendors.own_systems import OwnSystems
from tasks.own_switches.actions import SetSwitch, SetSwitchParams
from tasks.own_switches.handle import OwnSwitch, SwitchesHandle
from tests.contract.simulator_support import REPOSITORY

PAGE = (REPOSITORY / "docs" / "how-to" / "add-a-switch.md").read_text(encoding="utf-8")
BLOCKS: list[Any] = [
    YAML(typ="safe", pure=True).load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
]


@pytest.fixture(scope="module")
def systems() -> Systems:
    """Return the page's systems.yaml."""
    return installed_systems_model().model_validate(BLOCKS[0] | BLOCKS[1])


def switches(systems: Systems) -> dict[str, OwnSwitch]:
    """Return the page's switches."""
    handle = systems.services["shop"].handle(SwitchesHandle)
    assert handle is not None
    return handle.root


def test_the_page_is_a_systems_yaml_without_an_error(systems: Systems) -> None:
    """Every host has its secret, and every switch its host."""
    assert list(OwnSystems.misfits(systems.systems["http"])) == []
    assert list(SwitchesHandle(switches(systems)).misfits(systems.systems)) == []


def test_the_page_sends_what_it_says(systems: Systems) -> None:
    """A value in a body, and a request of its own for undo."""
    known = switches(systems)
    write, path, body = known["read-only"].write_to("on")
    assert (write.method, path, body) == ("PUT", "/v1/mode", {"mode": "read-only"})
    write, path, body = known["read-only"].write_to("off")
    assert (write.method, path, body) == ("PUT", "/v1/mode", {"mode": "normal"})
    write, path, body = known["orders-queue"].write_to("running")
    assert (write.method, path, body, write.host) == ("DELETE", "/queues/orders/pause", None, "queue")


async def test_the_client_connects_to_every_host_of_the_page(systems: Systems) -> None:
    """With a secret for each."""
    http = systems.systems["http"]
    access = Access(
        name="http",
        endpoint=http.endpoint,
        secret=SecretStr("first-key"),
        more={"queue": SecretStr("second-key")},
        options=http.options,
    )
    client = OwnSystems.connect(access)
    assert "https://queue.acme.example" in repr(client)
    assert "key" not in repr(client)
    await client.close()


def test_the_pages_step_fits(systems: Systems) -> None:
    """Its parameters are the action's, and name what is declared."""
    [step] = [Step.model_validate(one) for one in BLOCKS[2]]
    params = SetSwitchParams.model_validate(step.with_ | {"service": "shop"})
    assert list(SetSwitch.check_params(params, systems.services)) == []


def test_the_page_names_every_field_of_a_switch() -> None:
    """A new field must be added to the page."""
    assert all(f"{name}:" in PAGE for name in OwnSwitch.model_fields)
