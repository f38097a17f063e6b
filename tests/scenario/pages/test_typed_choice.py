"""The form of a question which candidate is meant: one is chosen, or another one is typed if that is possible."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.base import Candidate
from allclear.domain.records import AskOpened
from tests.scenario.pages.pages_support import Waiting, asked
from tests.scenario.response_support import MACHINE

PLACE = "contain-block-choice"


def ask_which(at: Waiting, typed: str) -> str:
    """Open a question with one candidate, and return its id."""
    ask = Ask(
        id=f"{at.id}/contain/block-choice",
        kind=AskKind.CHOICE,
        phase="contain",
        step="block-choice",
        title="Which one? Block addresses",
        text="No address was named.",
        yes="The change is prepared and shown to you for approval.",
        no="It is not done; the runbook goes on without it.",
        policy=ONE_PERSON,
        choices=[Candidate(name="203.0.113.9", reason="The firewall acted on 12 requests of it")],
        typed=typed,
    )
    at.engine.journal.append(at.id, [AskOpened(ask=ask)], MACHINE)
    return ask.id


@pytest.mark.parametrize(
    ("fields", "chosen"),
    [
        ({"choice": "203.0.113.9", "other": ""}, "203.0.113.9"),
        ({"other": " 203.0.113.7 198.51.100.24 "}, "203.0.113.7 198.51.100.24"),
        ({"choice": "203.0.113.9", "other": "203.0.113.7"}, "203.0.113.7"),
    ],
)
async def test_the_chosen_or_the_typed_one_is_recorded(tmp_path: Path, fields: dict[str, str], chosen: str) -> None:
    """What is typed counts before what is chosen, because a person has written it."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        ask = ask_which(at, "Addresses, separated by spaces")
        assert '>Addresses, separated by spaces <input type="text" name="other"' in await ana.page()
        await ana.answer("choose", PLACE, **fields)
        assert at.incident.asks[ask].chosen == chosen


async def test_none_of_them_counts_whatever_was_typed(tmp_path: Path) -> None:
    """The second button means no."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        ask = ask_which(at, "Addresses, separated by spaces")
        await ana.answer("none of them", PLACE, other="203.0.113.7")
        [answer] = at.incident.asks[ask].answers
        assert (answer.yes, answer.choice) == (False, None)


async def test_a_question_that_takes_only_its_candidates_has_no_field(tmp_path: Path) -> None:
    """What is typed all the same is none of the candidates."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        ask = ask_which(at, "")
        assert 'name="other"' not in await ana.page()
        said = await ana.answer("choose", PLACE, other="203.0.113.7")
        assert "203.0.113.7 is none of the candidates" in said
        assert at.incident.asks[ask].open
