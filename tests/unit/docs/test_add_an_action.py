"""The how-to about actions: its code runs, and its YAML is a company's systems.yaml."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from ruamel.yaml import YAML

from allclear.company.handles import systems_model_of
from allclear.domain.errors import Refused
from allclear.domain.systems import Access, Systems
from allclear.engine.actions.registry import Registry
from tests.contract.simulator_support import REPOSITORY
from tests.unit.fakes_http import FakeVendor

PAGE = (REPOSITORY / "docs" / "how-to" / "add-an-action.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def heroku() -> Iterator[Any]:
    """Give a module with the page's code."""
    module = ModuleType("heroku_of_the_page")
    sys.modules[module.__name__] = module
    for language, code in BLOCKS:
        if language == "python":
            exec(compile(code, module.__name__, "exec"), module.__dict__)  # noqa: S102 - the page's own code
    yield module
    del sys.modules[module.__name__]


def systems_of(heroku: Any) -> Systems:  # noqa: ANN401 - a module made at run time
    """Return the page's systems.yaml, read with the handles of its action."""
    [text] = [code for language, code in BLOCKS if language == "yaml"]
    return systems_model_of(Registry.of([heroku.HerokuMaintenance])).model_validate(YAML(typ="safe").load(text))


async def test_the_pages_action_changes_the_app_and_undoes_it(heroku: Any) -> None:  # noqa: ANN401 - as above
    """Observe, plan, apply, verify and undo against a vendor that answers as Heroku does."""
    vendor = FakeVendor(
        httpx.Response(200, json={"maintenance": False}),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"maintenance": True}),
    )
    client = heroku.Heroku("https://api.heroku.com", "key", vendor)
    systems = systems_of(heroku)
    action = heroku.HerokuMaintenance(
        SimpleNamespace(service=systems.services.__getitem__, client=lambda _: client, record=None)
    )
    params = action.params(service="shop")
    change = action.plan(params, await action.observe(params))
    receipt = await action.apply(params, change, "AC-1/contain/maintenance")
    after = await action.observe(params)
    await client.close()
    assert (change.resource, change.summary) == ("heroku:acme-shop", "Switch the maintenance of acme-shop on.")
    assert vendor.body(1) == {"maintenance": True}
    assert action.verify(change, after, receipt).verdict == "success"
    assert action.undo(params, change, after).after == change.before
    with pytest.raises(Refused):
        action.undo(params, change, change.before)


async def test_the_pages_client_connects_to_the_pages_system(heroku: Any) -> None:  # noqa: ANN401 - as above
    """Endpoint and secret come from systems.yaml and the environment."""
    system = systems_of(heroku).systems["heroku"]
    client = heroku.Heroku.connect(Access(name="heroku", endpoint=system.endpoint, secret=SecretStr("key")))
    await client.close()
    assert system.secret == "HEROKU_API_KEY"
    assert system.options == {}


def test_the_pages_entry_point_names_its_action(heroku: Any) -> None:  # noqa: ANN401 - as above
    """The line for pyproject.toml registers the class under its name."""
    [toml] = [code for language, code in BLOCKS if language == "toml"]
    assert f'"{heroku.HerokuMaintenance.name}" = "tasks.heroku:{heroku.HerokuMaintenance.__name__}"' in toml
