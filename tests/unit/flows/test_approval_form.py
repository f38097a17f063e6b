"""Prefect's form for a question: it names the question, takes no blank name, and counts for no other question."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.schema_tools.validation import ValidationError, validate

from allclear.bootstrap import Engine
from allclear.domain.approval import ONE_PERSON, ApprovalPolicy, Ask, AskKind
from allclear.domain.base import Candidate
from allclear.domain.decisions import decisions
from allclear.domain.incident import Incident
from allclear.domain.records import AnswerRefused, AskOpened, By
from allclear.domain.timeline import line_of
from allclear.engine.people.declare import Declaration
from flows.approval_form import ELSEWHERE, Answer, description_of, form_for, form_key, record_answer, was_refused
from tests.scenario.response_support import MACHINE, engine_on, new_journal
from tests.unit.domain.stories import Story

ANA = By(actor="Ana", role="on_call", via="cli")
FILLED_IN = {"name": "Ana", "role": "on_call", "reason": "so"}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a new journal with one incident, VS-1."""
    engine = engine_on(new_journal(tmp_path), None)
    engine.people.declare(Declaration("Payments fail", "P0", "storefront", "bad-deployment"), ANA)
    yield engine
    asyncio.run(engine.close())


def asked(engine: Engine, step: str, kind: AskKind = AskKind.RETRY, policy: ApprovalPolicy = ONE_PERSON) -> Ask:
    """Open a question, and return it."""
    ask = Ask(
        id=f"VS-1/contain/{step}",
        kind=kind,
        phase="contain",
        step=step,
        title=f"May {step}?",
        text="?",
        yes="It is done.",
        no="It is not done.",
        policy=policy,
        choices=[Candidate(name="web-41", reason="well")] if kind is AskKind.CHOICE else [],
    )
    engine.journal.append("VS-1", [AskOpened(ask=ask)], MACHINE)
    return ask


def refusal(form: type[Answer], values: dict[str, Any]) -> str:
    """Return why Prefect's server refuses these values of a form, which its UI shows; empty if it takes them."""
    try:
        validate(values, form.model_json_schema(), raise_on_error=True)
    except ValidationError as error:
        return str(error)
    return ""


def incident(engine: Engine) -> Incident:
    """Return the incident as it is now."""
    return engine.conductor.incident("VS-1")


@pytest.mark.parametrize("old", AskKind)
@pytest.mark.parametrize("new", AskKind)
def test_the_server_refuses_the_form_of_an_earlier_question(engine: Engine, old: AskKind, new: AskKind) -> None:
    """Whatever was asked before and is asked now; the refusal names what is asked now."""
    before, now = form_for(engine, asked(engine, "one", old)), form_for(engine, asked(engine, "two", new))
    for decision in decisions(incident(engine).asks["VS-1/contain/one"].ask):
        values = {**FILLED_IN, "decision": decision.text}
        assert refusal(before, values) == ""
        assert decision.text in refusal(now, values)
        assert "VS-1/contain/two" in refusal(now, values)
    assert refusal(now, {**FILLED_IN, "decision": ELSEWHERE}) == ""


@pytest.mark.parametrize("kind", AskKind)
@pytest.mark.parametrize("reason_needed", [True, False])
def test_the_server_refuses_a_missing_or_blank_name(engine: Engine, kind: AskKind, *, reason_needed: bool) -> None:
    """Three spaces are no name, and no reason where both answers need one. A denial needs none."""
    in_form = reason_needed and kind is AskKind.STEP
    policy = ONE_PERSON.model_copy(update={"reason_needed": reason_needed})
    form = form_for(engine, asked(engine, "one", kind, policy))
    decision = decisions(incident(engine).asks["VS-1/contain/one"].ask)[0].text
    values: dict[str, Any] = {**FILLED_IN, "decision": decision}
    assert refusal(form, values) == ""
    for name in ("", "   ", "\n"):
        assert "name" in refusal(form, {**values, "name": name})
    assert "name" in refusal(form, {key: value for key, value in values.items() if key != "name"})
    assert bool(refusal(form, {**values, "reason": "  "})) == in_form
    assert set(form.model_json_schema()["required"]) == {"decision", "name", *(["reason"] if in_form else [])}


def test_an_answer_that_counts_is_recorded_once_however_often_its_form_is_read(engine: Engine) -> None:
    """The run starts again from its first line and reads the form again."""
    ask = asked(engine, "one")
    given = Answer(decision=decisions(ask)[0].text, name="Ana", role="on_call")
    assert record_answer(engine, ask.id, form_key(ask.id, 1), given) == ""
    assert incident(engine).asks[ask.id].granted


@pytest.mark.parametrize("name", ["\u200b", "Ben Nobody"])
def test_an_answer_that_does_not_count_is_kept_with_the_reason(engine: Engine, name: str) -> None:
    """It is shown in the form that comes next and in the timeline, and stays refused when its form is read again."""
    ask = asked(engine, "one", policy=ApprovalPolicy(roles=["on_call"], reason_needed=True))
    given = Answer(decision=decisions(ask)[0].text, name=name, role="on_call", reason=" ")
    key = form_key(ask.id, 1)
    problem = record_answer(engine, ask.id, key, given)
    assert problem
    state = incident(engine).asks[ask.id]
    assert state.open
    assert [(one.form, one.problem) for one in state.refused] == [(key, problem)]
    assert f"The last answer did not count: {problem.split('.')[0]}" in description_of(engine, ask, problem)
    length = incident(engine).length
    assert record_answer(engine, ask.id, key, given) == problem
    assert incident(engine).length == length
    last = engine.journal.entries("VS-1")[-1]
    assert isinstance(last.record, AnswerRefused)
    assert line_of(last).text.startswith('An answer in Prefect did not count: "try again: VS-1/contain/one" by ')


def test_a_decision_about_another_question_counts_for_that_one_only(engine: Engine) -> None:
    """If the server took a stale form after all, the question that is asked now stays open."""
    one, two = asked(engine, "one"), asked(engine, "two")
    engine.people.answer(one.id, ANA, yes=False, reason="no")
    given = Answer(decision=decisions(one)[0].text, name="Ana", role="on_call")
    problem = record_answer(engine, two.id, form_key(two.id, 1), given)
    assert "VS-1/contain/one (May one?) is closed: go on, said Ana at" in problem
    assert "allclear try-again VS-1/contain/two" in problem
    assert incident(engine).asks[two.id].open


def test_answers_given_elsewhere_are_read_from_the_journal(engine: Engine) -> None:
    """The content is submitted by allclear once the question is closed, or once the incident has ended."""
    ask, other = asked(engine, "one"), asked(engine, "two")
    woken = Answer(decision=ELSEWHERE, name="allclear")
    engine.people.answer(ask.id, ANA, yes=True, reason="so")
    engine.people.false_alarm("VS-1", "nothing was wrong", ANA)
    length = incident(engine).length
    assert [record_answer(engine, one.id, form_key(one.id, 1), woken) for one in (ask, other)] == ["", ""]
    assert incident(engine).length == length


def test_a_person_who_chooses_answered_elsewhere_is_told_that_it_is_no_answer(engine: Engine) -> None:
    """It is recorded as an answer that did not count, with the name and the reason, and the form is shown again."""
    ask = asked(engine, "one")
    assert (
        f'Do not choose "{ELSEWHERE}"'
        in form_for(engine, ask).model_json_schema()["properties"]["decision"]["description"]
    )
    chosen = Answer(decision=ELSEWHERE, name="Ana", role="on_call", reason="Ben did it")
    problem = record_answer(engine, ask.id, form_key(ask.id, 1), chosen)
    assert "is no answer, and VS-1/contain/one has none yet" in problem
    state = incident(engine).asks[ask.id]
    assert state.open
    assert [(one.name, one.reason, one.problem) for one in state.refused] == [("Ana", "Ben did it", problem)]
    assert record_answer(engine, ask.id, form_key(ask.id, 1), chosen) == problem
    assert len(incident(engine).asks[ask.id].refused) == 1


def test_two_questions_never_share_a_form() -> None:
    """Prefect's keys have fewer characters than ids: the second question of a step and another step differ."""
    ids = [f"VS-1/{place}" for place in ("contain/back~2", "contain/back-2", "contain/back_2", "contain-back/2")]
    keys = [form_key(ask, attempt) for ask in ids for attempt in (1, 2)]
    assert len(set(keys)) == len(keys)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)


def test_the_form_leads_to_the_incidents_page(engine: Engine) -> None:
    """Above all if Prefect may not approve: the page is plain, because many people can read the form."""
    page = "http://127.0.0.1:8077/i/VS-1#contain-"
    assert f"[the incident's page]({page}check)" in description_of(engine, asked(engine, "check"), "")
    two = ApprovalPolicy(roles=["on_call", "tech_lead"], people=2)
    text = description_of(engine, asked(engine, "restore", AskKind.APPROVAL, two), "")
    assert "cannot be approved in Prefect, because this approval needs proof of who you are" in text
    assert f"Approve it on [the incident's page]({page}restore)" in text
    assert "(with your token in ALLCLEAR_TOKEN)" in text
    assert "/l/" not in text


def test_a_refusal_is_logged_once() -> None:
    """A run that starts again after a good answer goes through its forms from the first one."""
    state = Story().opened().roll_back_proposed().incident.open_asks[0]
    refused = AnswerRefused(ask=state.ask.id, form="form-1", answer="x", name="Ana", problem="It is closed.")
    assert not was_refused(state, "form-1")
    state.refused.append(refused)
    assert [was_refused(state, form) for form in ("form-1", "form-2")] == [True, False]
