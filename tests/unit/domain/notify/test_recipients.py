"""Notices and reminders agree on who has a role while people are away."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.notify.audiences import first_people
from allclear.domain.notify.recipients import people_in_role
from allclear.domain.plan import Plan, Rota
from tests.unit.domain.notify.notices_support import due, line, notifying
from tests.unit.domain.stories import START, Story

AWAY = [{"from": "2026-11-20", "until": "2026-11-30"}]
ROTA = Rota.model_validate(
    {"role": "cto", "layers": [{"name": "first", "people": ["Ana", "Ben"], "starts": "2026-11-16T09:00"}]}
)


def company(*people: dict[str, Any], rota: bool) -> Plan:
    """Return a plan that notifies the CTO, by a rota or by the plan's names."""
    named = tuple({"roles": ["cto"], **person} for person in people)
    return notifying(line("cto"), people=named).model_copy(update={"rotas": [ROTA] if rota else []})


@pytest.mark.parametrize("rota", ["rota", ""])
def test_another_one_of_the_role_is_told_in_place_of_one_who_is_away(rota: str) -> None:
    """Ana has the turn and is away; Ben, who comes next, is notified and reminded as one of the role."""
    plan, story = company({"name": "Ana", "away": AWAY}, {"name": "Ben"}, rota=bool(rota)), Story().opened().verified()
    story.paged_only()
    assert people_in_role(plan, story.incident, "cto", START, []) == ["Ben"]
    assert first_people(plan, "cto", START, []) == ["Ben"]
    assert [(one.person, one.stands_in_for) for one in due(plan, story)] == [("Ben", ())]


@pytest.mark.parametrize("rota", ["rota", ""])
def test_no_one_is_replaced_who_is_there(rota: str) -> None:
    """The rota names the one who has the turn, and the plan names both."""
    plan, story = company({"name": "Ana"}, {"name": "Ben"}, rota=bool(rota)), Story().opened()
    wanted = ["Ana"] if rota else ["Ana", "Ben"]
    assert people_in_role(plan, story.incident, "cto", START, []) == wanted
    assert first_people(plan, "cto", START, []) == wanted


def test_everyone_of_a_role_is_named_if_all_are_away() -> None:
    """So that the record says of each until when, and who was notified instead."""
    plan = company({"name": "Ana", "away": AWAY}, {"name": "Ben", "away": AWAY}, rota=False)
    assert first_people(plan, "cto", START, []) == ["Ana", "Ben"]
