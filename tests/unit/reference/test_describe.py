"""`allclear actions`: what is installed, with all that a person must know before using it."""

from __future__ import annotations

import json
from importlib import import_module

import pytest
from typer.testing import CliRunner

from allclear.cli.root import app
from allclear.domain.approval import ONE_PERSON, TWO_PEOPLE
from allclear.domain.errors import NotFound
from allclear.engine.actions.registry import Registry
from allclear.reference.describe import UNKNOWN, approval_in_words, describe, described

REGISTRY = Registry.installed()


def invoked(*words: str) -> str:
    """Return what the command prints."""
    import_module("allclear.cli.act")
    done = CliRunner().invoke(app, ["actions", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_every_action_and_probe_of_ours_declares_what_it_needs_and_does() -> None:
    """Risk, undo, and a permission for each system that it talks to; a new class without them is named here."""
    ours = [one for one in described(REGISTRY) if one.origin.startswith("allclear ")]
    kinds = {**REGISTRY.actions, **REGISTRY.probes}
    silent = [one.name for one in ours if UNKNOWN in (one.risk, one.undo)]
    assert silent == [], "add `usual_risk` and `usual_undo` to the classes"
    lacking = [
        (one.name, client.system)
        for one in ours
        for client in (*kinds[one.name].needs, *kinds[one.name].uses)
        if client.system not in {need.system for need in one.permissions}
    ]
    assert lacking == [], "add the system's permission, which tasks/permissions.py defines, to the classes"
    assert len(ours) > 30


def test_one_action_is_described_with_types_risk_undo_permissions_and_origin() -> None:
    """A whole number with its choices, a required text, the settling action, and the package with its version."""
    one = describe(REGISTRY, "vercel.attack_mode")
    assert [(param.name, param.type, param.required, param.default) for param in one.params] == [
        ("service", "text", True, ""),
        ("hours", "`1` or `6` or `24`", False, "1"),
    ]
    assert one.reversed_by == ["vercel.end_attack_mode"]
    assert "Every visitor is challenged" in one.risk
    assert "with a reason" in one.approval
    assert [need.system for need in one.permissions] == ["vercel"]
    assert one.origin.startswith("allclear ")


def test_what_allclear_fills_in_is_no_parameter_for_people() -> None:
    """The link to the incident's page and Slack's card are made when the message is sent."""
    names = {param.name for one in described(REGISTRY) for param in one.params}
    assert names.isdisjoint({"link", "card"})


def test_a_probe_is_described_too() -> None:
    """It needs no approval, and there is nothing to undo."""
    one = describe(REGISTRY, "http.smoke")
    assert (one.kind, one.undo, one.permissions) == ("probe", "There is nothing to undo.", [])


def test_a_name_that_does_not_exist_gets_the_nearest_one() -> None:
    """Of the actions and of the probes."""
    with pytest.raises(NotFound) as missing:
        describe(REGISTRY, "vercel.rolback")
    assert missing.value.message == "There is no action or probe called vercel.rolback."
    assert missing.value.next_step == "Did you mean vercel.rollback?"
    with pytest.raises(NotFound) as missing:
        describe(REGISTRY, "http.smok")
    assert missing.value.next_step == "Did you mean http.smoke?"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (None, "No approval is needed."),
        (ONE_PERSON, "One person of on_call, incident_commander, tech_lead, cto."),
        (
            TWO_PEOPLE,
            (
                "2 people of on_call, incident_commander, tech_lead, cto, one of them tech_lead or cto, with a reason,"
                " with proof of who approves, not in Prefect's UI."
            ),
        ),
    ],
)
def test_an_approval_is_a_sentence(policy: object, words: str) -> None:
    """Who, how many, and what else is needed."""
    assert approval_in_words(policy) == words  # pyright: ignore[reportArgumentType] - the parameter's values


def test_the_command_lists_and_describes_and_prints_json() -> None:
    """The list has a line for each; a name gives all about one; scripts read JSON."""
    assert "vercel.block_addresses" in invoked()
    shown = invoked("vercel.block_addresses")
    for words in (
        "risk:",
        "undo:",
        "approval:",
        "permission:",
        "role:",
        "origin:",
        "addresses (text; may be left out)",
    ):
        assert words in shown
    [one] = json.loads(invoked("vercel.block_addresses", "--json"))
    assert one["leaves"] == "addresses blocked"
