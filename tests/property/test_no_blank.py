"""No message and no document has a blank: every placeholder of a company's texts is filled, and filled once.

Text from alerts and people is a value and never a template, so braces in it stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from allclear.company import Company, load_company
from allclear.company.checks.placeholders import texts
from allclear.domain.approval import AskKind
from allclear.domain.errors import Refused
from allclear.domain.placeholders import render_all
from allclear.domain.plan import UNKNOWN, ClockStart, Duty, Span
from allclear.domain.plan.people import LEAD
from allclear.domain.records import (
    AlertJoined,
    AskOpened,
    Assessed,
    FollowUpAdded,
    IncidentOpened,
    NoteAdded,
    PostMortemWritten,
    RoleTaken,
    RunStarted,
    SeverityChanged,
)
from allclear.domain.runbook import Phase, Runbook
from allclear.domain.template_values import impact_words, values
from allclear.domain.text import markdown_safe, plain
from allclear.engine.actions.approval_requests import fallback_for
from allclear.engine.response.duties import duty_step
from allclear.engine.response.moves import AskPeople
from allclear.engine.response.questions import Questions
from allclear.engine.response.step_context import StepContext
from allclear.journal.sql_journal import SqlJournal
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.placeholders import FIELDS
from tests.contract.simulator_support import REPOSITORY
from tests.scenario.response_support import MACHINE, engine_on, installed, new_journal, vintstreet
from tests.scopes import REAL
from tests.unit.domain.stories import ANA, START, Story

COMPANIES = sorted(path.parent for path in (REPOSITORY / "runbooks").glob("*/plan.yaml"))
TOKEN = "Zitronenfalter"
_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PLACEHOLDER = re.compile(r"\{[a-z][a-z0-9_]*\}")
BLANK = re.compile(r"\[[A-Z][^\]\n]*[a-z][^\]\n]*\](?!\()")
"""A blank as `[Phone Number]`; `[P0]`, a check box and a link are none."""
STAGES: list[Callable[[Story], Story]] = [
    Story.verified,
    Story.paged,
    Story.roll_back_proposed,
    Story.contained,
    Story.resolved,
]


@cache
def _company(folder: Path) -> Company:
    return load_company(folder)


class Case(NamedTuple):
    """An incident of a company, without the texts that come from outside."""

    company: Company
    runbook: Runbook
    severity: str
    later: str
    kind: str
    facets: dict[str, str]
    impact: str
    feature: str
    stages: int
    simulated: bool
    written: bool
    hours: int

    def story(self, outside_text: str) -> Story:
        """Return its story, in which every text from outside (alert, notes, names, post-mortem) is `outside_text`."""
        story = Story()
        alert = AlertJoined(delivery="1", source="json", key="k", state="firing", title=outside_text)
        story.record(
            IncidentOpened(
                company=self.company.name,
                title=outside_text,
                severity=self.severity,
                service=self.runbook.service,
                runbook=self.runbook.name,
                incident_kind=self.kind,
                facets=self.facets,
                impact=self.impact,
                feature=self.feature,
                reported="alert from json",
                simulated=self.simulated,
            ),
            alert,
            RunStarted(phase="detect", run="7c9e6679"),
        )
        for stage in STAGES[: self.stages]:
            stage(story)
        now = story.incident.severity
        story.record(
            SeverityChanged(was=now, now=self.later, reason=outside_text), NoteAdded(text=outside_text), by=ANA
        )
        story.record(
            Assessed(facets=self.facets, reason=outside_text), RoleTaken(role=LEAD, person=outside_text), by=ANA
        )
        if self.written:
            story.record(*(PostMortemWritten(field=name, text=outside_text) for name in FIELDS), by=ANA)
            story.record(
                FollowUpAdded(text=outside_text, owner=outside_text, due=datetime(2026, 12, 1, tzinfo=UTC)), by=ANA
            )
        return story

    def filled(self, outside_text: str) -> dict[str, str]:
        """Return all filled texts of the company, by their place."""
        story, company = self.story(outside_text), self.company
        incident = story.incident
        title, now = company.systems.services[self.runbook.service].title, story.now + timedelta(hours=self.hours)
        words = values(
            incident,
            lambda: story.entries,
            company.plan,
            service_title=title,
            impact=impact_words(incident, title),
            now=now,
            templates=company.templates,
            runbook_title=self.runbook.title,
        )
        filled = {
            f"{place} {where}": text for place, value in _words(company) for where, text in texts(_filled(value, words))
        }
        source = PostMortem(incident, story.entries, company.plan, title, company.post_mortem, now)
        document = write_post_mortem(source)
        rendered = {name: _filled(f"{{{name}}}", words) for name in words}
        return filled | rendered | {"post-mortem": document.replace(incident.head, "HASH")}


def _filled(value: Any, words: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON value in, the same shape out
    """Return `value` filled; nothing for a text that is refused, because the fact that it is about is not known."""
    try:
        return render_all(value, words)
    except Refused:
        return ""


def _words(company: Company) -> Iterator[tuple[str, Any]]:
    """Yield the place and the texts with placeholders in a company's files and the actions that they name."""
    for book in company.runbooks.values():
        yield f"{book.name} health", book.health.with_
        for phase in Phase:
            for step in book.steps(phase):
                place = f"{book.name} {phase.value} {step.id}"
                yield place, [step.title, step.ask, step.with_, step.proof.with_ if step.proof else {}]
                generic = fallback_for(installed().action(step.action), step) if step.action else None
                yield f"{place} unanswered", step.with_ | generic.with_ if generic else {}
    for line in (*company.plan.duties, *company.plan.evidence):
        yield f"plan {line.name}", [line.title, line.ask]


@st.composite
def cases(draw: Callable[..., Any]) -> Case:
    """Draw any incident of any company: any severity, kind, facets and stage."""
    company = _company(draw(st.sampled_from(COMPANIES)))
    plan, names = company.plan, [severity.name for severity in company.plan.severities]
    facets = {name: draw(st.sampled_from([None, UNKNOWN, *facet.values])) for name, facet in plan.facets.items()}
    route = draw(st.sampled_from([None, *plan.routes]))
    return Case(
        company,
        draw(st.sampled_from(list(company.runbooks.values()))),
        draw(st.sampled_from(names)),
        draw(st.sampled_from(names)),
        draw(st.sampled_from(list(plan.kinds))),
        {name: value for name, value in facets.items() if value},
        route.impact if route else "",
        route.feature if route else "",
        draw(st.integers(0, len(STAGES))),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from([0, 5, 100])),
    )


@given(cases())
@settings(max_examples=80)
def test_no_message_and_no_document_has_a_blank(case: Case) -> None:
    """No text shows `{impact}` or `[Phone Number]`."""
    levels = {f"[{severity.name}]" for severity in case.company.plan.severities}
    for place, text in case.filled(TOKEN).items():
        assert PLACEHOLDER.findall(text) == [], place
        assert set(BLANK.findall(text.replace("\\", ""))) <= levels, place


PIECES = st.sampled_from(
    [
        "{incident}",
        "{x}",
        "{lead}",
        "{title}",
        "{t_internal_alert}",
        "{impact}",
        "{",
        "}",
        "{}",
        "{{title}}",
        "{0}",
        "${lead}",
        "%s",
        "{title!r}",
        "\\1",
        "\\g<0>",
        "[Name]",
        "shop",
        "{simulated}",
        "{updates}",
    ],
)


OUTSIDE_TEXTS = st.lists(PIECES, min_size=1, max_size=3).map(" ".join).filter(lambda text: len(text) <= 30)
"""No longer than a message shows: what is cut off cannot be compared."""


@given(cases(), OUTSIDE_TEXTS)
@example(
    case=Case(
        vintstreet(),
        vintstreet().runbooks["bad-deployment"],
        "P0",
        "P0",
        "outage",
        {},
        "",
        "",
        0,
        simulated=False,
        written=True,
        hours=0,
    ),
    outside_text="{lead}",
)
@settings(max_examples=80)
def test_text_from_outside_is_never_filled(case: Case, outside_text: str) -> None:
    """An alert with the title {lead} is shown with that title, in the place where any other title would be."""
    expected = case.filled(TOKEN)
    for place, text in case.filled(outside_text).items():
        # What is escaped depends on the signs around it, so the document is compared as a reader sees it.
        seen = _seen if place == "post-mortem" else str
        assert seen(text) == seen(expected[place]).replace(TOKEN, plain(outside_text)), place


def _seen(markdown: str) -> str:
    """Return what a reader sees of a document, with a line for each part of its structure."""
    lines: list[str] = []
    for token in _MARKDOWN.parse(markdown):
        parts = token.children or []
        lines.append("".join(child.content or f"({child.type})" for child in parts) or token.content or token.type)
    return "\n".join(lines)


# --- through the engine ----------------------------------------------------------------------------------


@pytest.mark.parametrize("outside_text", ["{lead}", "{incident} {t_internal_alert}", "{x}"])
async def test_questions_to_people_are_filled_once(tmp_path: Path, outside_text: str) -> None:
    """The journal has filled questions for each step of a person and for a duty of the plan."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    duty = Duty(
        name="tell",
        title="Tell of {title}",
        ask="Tell of {title}: {impact}.",
        role="cto",
        from_=ClockStart.ALERT,
        within=Span(timedelta(hours=1)),
    )
    company = vintstreet()
    company = replace(company, plan=company.plan.model_copy(update={"duties": [duty]}))
    engine = engine_on(f"sqlite:///{tmp_path}/journal.db", None, journal)
    questions = Questions(company, engine.registry, StepContext(journal, company, lambda: START, engine.context.links))
    for book in company.runbooks.values():
        opened = IncidentOpened(
            company="vintstreet",
            title=outside_text,
            severity="P0",
            service=book.service,
            runbook=book.name,
            reported="alert from json",
        )
        incident, _ = journal.open_incident("VS", opened, MACHINE)
        steps = [(phase, step) for phase in Phase for step in book.steps(phase) if step.person]
        for phase, step in [*steps, ("duty", duty_step(duty))]:
            asked = questions.ask(engine.conductor.incident(incident), AskPeople(phase, step, AskKind.STEP))
            journal.append(incident, [AskOpened(ask=asked)], MACHINE)
        for state in engine.conductor.incident(incident).asks.values():
            text = f"{state.ask.title} {state.ask.text}".replace(markdown_safe(outside_text), "").replace(
                outside_text, ""
            )
            assert PLACEHOLDER.findall(text) == [], state.ask.id
        asked = {state.ask.step: state.ask for state in engine.conductor.incident(incident).asks.values()}
        assert asked["tell"].title == f"Tell of {outside_text}"
        assert asked["tell"].text.startswith(
            f"Tell of {markdown_safe(outside_text)}: {company.service(book.service).title}. Due 20"
        )
    await engine.close()
