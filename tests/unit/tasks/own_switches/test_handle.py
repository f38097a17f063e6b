"""A switch in systems.yaml: what is refused, with its place, and what a position sends."""

# ruff: noqa: ANN401 - any value of a systems.yaml

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from allclear.company.check import check_company
from allclear.domain.errors import ConfigError, MissingSecret
from allclear.domain.systems import Access, System
from allclear.engine.actions.registry import Registry
from allclear.vendors.own_systems import OwnSystems, value_at
from tasks.own_switches.handle import OwnSwitch, SwitchesHandle
from tests.unit.company.company_support import FILES, company_folder
from tests.unit.fakes_http import FakeVendor

SWITCH: dict[str, Any] = {
    "title": "Read-only mode",
    "risk": "Nobody can buy.",
    "positions": {"on": True, "off": False},
    "normal": "off",
    "look": {"path": "/mode", "at": "/on"},
    "set": {"method": "PUT", "path": "/mode/{position}", "json": {"on": "{value}", "why": "position {position}"}},
}
PUT: dict[str, Any] = {"method": "PUT", "path": "/mode"}
HTTP = """\
  http:
    endpoint: https://admin.example.com
    secret: ADMIN_KEY
"""
SHOP = """\
    switches:
      read-only:
        title: Read-only mode
        risk: Nobody can buy.
        positions: {on: true, off: false}
        normal: off
        look: {path: /mode, at: /on}
        set: {method: PUT, path: /mode, json: {on: "{value}"}}
"""


def switch(**changes: Any) -> OwnSwitch:
    """Return the switch with these changes."""
    return OwnSwitch.model_validate(SWITCH | changes)


def test_a_position_is_filled_into_path_and_body() -> None:
    """A body that is the value keeps its type; in a path it is quoted."""
    write, path, body = switch().write_to("on")
    assert (write.method, path, body) == ("PUT", "/mode/on", {"on": True, "why": "position on"})
    other = switch(
        positions={"on": "a b/c?", "off": 7}, set={"method": "POST", "path": "/m/{value}", "json": {"n": ["{value}"]}}
    )
    assert other.write_to("on")[1:] == ("/m/a%20b%2Fc%3F", {"n": ["a b/c?"]})
    assert other.write_to("off")[1:] == ("/m/7", {"n": [7]})


def test_true_is_not_one() -> None:
    """JSON tells them apart, and so do positions."""
    assert switch().position_of(1) == ""
    seen: object = True
    assert switch(positions={"on": 1, "off": 0}).position_of(seen) == ""
    assert switch(positions={"on": None, "off": 0.0}).position_of(0) == "off"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"positions": {"on": True}}, "a switch has two positions or more"),
        ({"positions": {"on": True, "off": True}}, "another position shows the same value"),
        ({"positions": {"on": [1], "off": 0}}, "valid"),
        ({"normal": "of"}, "`of` is not one of its positions"),
        ({"look": {"path": "mode", "at": "/on"}}, "it must be a path as /v1/mode"),
        ({"look": {"path": "//evil.example/x", "at": "/on"}}, "it must be a path as /v1/mode"),
        ({"look": {"path": "https://evil.example/x", "at": "/on"}}, "it must be a path as /v1/mode"),
        ({"look": {"path": "/a/../b", "at": "/on"}}, "it must not go up"),
        ({"look": {"path": "/a?api_key=x", "at": "/on"}}, "it must hold no secret"),
        ({"look": {"path": "/a", "at": "on"}}, "it must be a JSON pointer"),
        ({"set": {"method": "GET", "path": "/mode/{value}"}}, "'PUT', 'POST', 'PATCH' or 'DELETE'"),
        ({"set": {"method": "PUT", "path": "/mode/{incident}"}}, "`{incident}` is neither `{value}` nor `{position}`"),
        ({"set": {"method": "PUT", "path": "/mode"}}, "it is the same for every position"),
        (
            {
                "positions": {"on": 1, "off": 0, "half": 2},
                "set": {"method": "PUT", "path": "/mode"},
                "undo": {"method": "DELETE", "path": "/mode"},
            },
            "it is the same for every position",
        ),
        ({"proof": {"path": "/p", "at": "/x", "positions": {"half": 1}}}, "it is not one of the switch's positions"),
        ({"proof": {"path": "/p", "at": "/x", "positions": {"on": False}}}, "another position shows the same value"),
        ({"positions": {"on": float("nan"), "off": False}}, "it is no value of JSON"),
        ({"positions": {"on": "\ud800", "off": False}}, "it is no value of JSON"),
        ({"set": PUT | {"json": {"on": "{value}", "at": float("inf")}}}, "it is no value of JSON"),
        ({"set": PUT | {"json": {"on": "{value}", "since": [date(2026, 1, 1)]}}}, "put it into quotes"),
        ({"set": PUT | {"json": {"on": "{value}", "why": {True: 1}}}}, "put it into quotes"),
        ({"set": PUT | {"json": {"on": "{value}", "{position}": 1}}}, "only values are filled in"),
        ({"positions": {"on": "..", "off": "x"}, "set": PUT | {"path": "/m/{value}"}}, "it must not go up"),
        ({"positions": {"on": "", "off": "x"}, "set": PUT | {"path": "/m/{value}/now"}}, "has no text for its path"),
        ({"positions": {"on": None, "off": "x"}, "set": PUT | {"path": "/m/{value}"}}, "has no text for its path"),
        ({"set": PUT | {"path": "/a/%2E%2e/{value}"}}, "it must not go up"),
        ({"set": PUT | {"path": "/a/\0{value}"}}, "it must be a path as /v1/mode"),
        ({"look": {"path": "/mode/{value}", "at": "/on"}}, "nothing is filled into it"),
        ({"title": " "}, "it must be one line of text"),
        ({"risk": "Nobody can buy.\nApprove at once."}, "it must be one line of text"),
        ({"takes": "11m"}, "it must be from 1s to 10m"),
        ({"risk": ""}, "at least 1 character"),
        ({"verify": True}, "not permitted"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], words: str) -> None:
    """Each with a sentence."""
    with pytest.raises(ValidationError) as refused:
        switch(**changes)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"on": "{value}", "api_key": "c4n4ry31415926"}, ("api_key",)),
        ({"on": "{value}", "auth": {"password": "canary-3141592653"}}, ("auth", "password")),
        ({"on": "{value}", "why": "Bearer canary31415926"}, ("why",)),
        ({"on": "{value}", "headers": [{"x": 1}, {"x": "xoxb-3141-canary"}]}, ("headers", 1, "x")),
        ({"on": "{value}", "tokens": ["canary-3141592653"]}, ("tokens", 0)),
    ],
)
def test_a_secret_in_a_body_is_refused_and_not_repeated(body: dict[str, Any], place: tuple[str | int, ...]) -> None:
    """Everyone who reads systems.yaml reads it; its place is named."""
    with pytest.raises(ValidationError) as refused:
        switch(set=PUT | {"json": body})
    [problem] = refused.value.errors(include_input=False)
    assert problem.get("ctx", {})["place"] == ("set", "json", *place)
    assert "looks like a secret" in problem.get("ctx", {})["sentence"]
    assert "Name the variable" in problem.get("ctx", {})["next_step"]
    assert "3141" not in str(problem)


@pytest.mark.parametrize(
    "body",
    [
        {"on": "{value}", "password": "disabled"},
        {"on": "{value}", "key": "read_only_mode"},
        {"on": "{value}", "signing": "allow-listed"},
        {"mode": "{value}", "reason": "set by allclear in position {position}"},
    ],
)
def test_a_setting_with_the_name_of_a_secret_is_none(body: dict[str, Any]) -> None:
    """Its text is a word."""
    assert switch(set=PUT | {"json": body}).set.json_body == body


@pytest.mark.parametrize(
    ("pointer", "found"),
    [("/a/b", 1), ("/c/1", 3), ("/d~1e/~0", 4), ("/n", None)],
)
def test_a_json_pointer_names_a_value(pointer: str, found: object) -> None:
    """By names, places in a list, and the two escapes of RFC 6901."""
    assert value_at({"a": {"b": 1}, "c": [2, 3], "d/e": {"~": 4}, "n": None}, pointer) == found


@pytest.mark.parametrize("pointer", ["/x", "/a/b/c", "/c/2", "/c/-1", "/c/01", "/a/b/0"])
def test_a_pointer_that_leads_nowhere_is_no_value(pointer: str) -> None:
    """A missing value is not null."""
    with pytest.raises(LookupError):
        value_at({"a": {"b": 1}, "c": [2, 3]}, pointer)


# --- allclear check ------------------------------------------------------------------------------------


def checked(folder: Path, http: str = HTTP, shop: str = SHOP) -> list[str]:
    """Return what `allclear check` finds in systems.yaml about switches, with file and line."""
    systems = FILES["systems.yaml"].replace("systems:\n", f"systems:\n{http}", 1) + shop
    root = company_folder(folder, ("systems.yaml", FILES["systems.yaml"], systems))
    found = check_company(root, Registry.installed())
    written = systems.splitlines()
    return [
        f"{(one.line and written[one.line - 1].strip()) or ''} | {one.sentence} {one.next_step}"
        for one in found
        if one.level == "error" and one.file.endswith("systems.yaml") and "chat" not in one.sentence
    ]


def test_a_switch_that_fits_has_no_error(tmp_path: Path) -> None:
    """The page's own example is tested with the page."""
    assert checked(tmp_path) == []


@pytest.mark.parametrize(
    ("http", "shop", "line", "words"),
    [
        (HTTP.replace("https", "http"), SHOP, "endpoint: http://admin.example.com", "must be an address as https://"),
        (HTTP.replace("    secret: ADMIN_KEY\n", ""), SHOP, "http:", "The system `http` has no secret."),
        ("", SHOP, "switches:", "There is no system `http`"),
        (
            HTTP + "    hosts: {cdn: {endpoint: https://cdn.example.com}}\n",
            SHOP,
            "hosts: {cdn",
            "The host `cdn` of the system `http` has no secret. Name the environment variable that holds it",
        ),
        (
            HTTP + "    hosts: {cdn: {endpoint: http://cdn.example.com}}\n    secrets: {cdn: CDN_KEY}\n",
            SHOP,
            "hosts: {cdn",
            "must be an address as https://host",
        ),
        (HTTP + "    secrets: {cdn: CDN_KEY}\n", SHOP, "secrets: {cdn", "has no further secret `cdn`"),
        (HTTP, SHOP.replace("{path: /mode, at", "{host: cdn, path: /mode, at"), "look:", "has no host `cdn`"),
        (HTTP, SHOP.replace("normal: off", "normal: of"), "normal: of", "is not one of its positions"),
        (HTTP, SHOP.replace("path: /mode,", "path: mode,", 1), "look:", "it must be a path"),
        (HTTP, SHOP.replace('"{value}"', '"{problem}"'), "set:", "`{problem}` is neither"),
        (HTTP, SHOP.replace("        risk: Nobody can buy.\n", ""), "read-only:", "`risk` is missing"),
    ],
)
def test_what_does_not_fit_has_its_line(tmp_path: Path, http: str, shop: str, line: str, words: str) -> None:
    """`allclear check` names the line of systems.yaml and what to write."""
    found = checked(tmp_path, http, shop)
    assert any(one.startswith(line) and words in one for one in found), found


# --- the client ----------------------------------------------------------------------------------------


def access(**changes: Any) -> Access:
    """Return how the system `http` is reached, with one further host."""
    fields: dict[str, Any] = {
        "name": "http",
        "endpoint": "https://admin.example.com",
        "secret": SecretStr("first-secret"),
        "more": {"cdn": SecretStr("second-secret")},
        "options": {"hosts": {"cdn": {"endpoint": "https://cdn.example.com", "header": "X-Api-Key", "scheme": ""}}},
    }
    return Access.model_validate(fields | changes)


async def test_each_host_gets_its_own_secret_in_its_own_header() -> None:
    """And no other host's."""
    vendor = FakeVendor(httpx.Response(200, json={"on": True}))
    client = OwnSystems.connect(access(), vendor)
    assert await client.value("", "/mode", "/on", "look") is True
    assert await client.value("cdn", "/mode", "/on", "look") is True
    await client.close()
    first, second = vendor.requests
    assert (str(first.url), first.headers["authorization"]) == ("https://admin.example.com/mode", "Bearer first-secret")
    assert (str(second.url), second.headers["x-api-key"]) == ("https://cdn.example.com/mode", "second-secret")
    assert "authorization" not in second.headers
    assert "secret" not in repr(client)


async def test_a_write_carries_the_key_of_its_act() -> None:
    """So that a system which knows such keys recognises it."""
    vendor = FakeVendor(httpx.Response(204))
    client = OwnSystems.connect(access(), vendor)
    await client.write("", "PUT", "/mode", json={"on": True}, purpose="set it", key="VS-1/contain/one")
    await client.close()
    assert vendor.requests[0].headers["idempotency-key"] == "VS-1/contain/one"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"endpoint": "http://admin.example.com"}, ConfigError, "is not an https:// address"),
        ({"secret": None}, MissingSecret, "The system http has no secret."),
        ({"more": {}}, MissingSecret, "The system http, host cdn has no secret."),
        ({"options": {"host": {}}}, ConfigError, "has no option `host`"),
    ],
)
def test_what_cannot_be_connected_to_is_refused(changes: dict[str, Any], error: type[ConfigError], words: str) -> None:
    """Nothing is sent before that."""
    with pytest.raises(error, match=words):
        OwnSystems.connect(access(**changes))


async def test_a_host_that_is_not_declared_is_a_mistake_in_systems_yaml() -> None:
    """The sentence names those that there are."""
    client = OwnSystems.connect(access())
    with pytest.raises(ConfigError, match="has no host `queue`") as missing:
        await client.value("queue", "/mode", "/on", "look")
    assert "are: cdn" in missing.value.next_step


def test_a_misfit_of_a_handle_names_its_place() -> None:
    """A host that the system does not have."""
    handle = SwitchesHandle.model_validate({"read-only": SWITCH | {"look": {"host": "x", "path": "/a", "at": "/b"}}})
    system = System(endpoint="https://admin.example.com", secret="KEY")
    assert [one.place for one in handle.misfits({"http": system})] == [("read-only", "look", "host")]
