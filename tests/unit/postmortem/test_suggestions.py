"""What no one wrote is suggested from what people said, with its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.domain.approval import ApprovalPolicy, Ask, AskKind
from allclear.domain.records import AskAnswered, AskOpened, AskWithdrawn, Contained, NoteAdded, PostMortemWritten
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.key_events import key_events
from allclear.postmortem.suggestions import suggestions, summary
from tests.unit.domain.stories import ANA, BEN, HEALTH, Story, plan
from tests.unit.postmortem.recurring import recurring

TEMPLATE = "{summary}|{root_cause}|{resolution}|{users_affected}|{customer_data}|{contributing_factors}|{preventive}"


def step(phase: str, name: str, title: str, post_mortem: str = "", incident: str = "VS-12") -> AskOpened:
    """Return the question of a person's step."""
    return AskOpened(
        ask=Ask(
            id=f"{incident}/{phase}/{name}",
            kind=AskKind.STEP,
            phase=phase,
            step=name,
            title=title,
            text="",
            yes="",
            no="",
            policy=ApprovalPolicy(roles=["tech_lead"]),
            post_mortem=post_mortem,
        )
    )


def answered(name: str, text: str, *, yes: bool = True, incident: str = "VS-12") -> AskAnswered:
    """Return an answer to a question."""
    return AskAnswered(ask=f"{incident}/{name}", yes=yes, reason=text)


def _parts(story: Story) -> list[str]:
    source = PostMortem(story.incident, story.entries, plan(), "VintStreet shop", TEMPLATE, story.now)
    return write_post_mortem(source).strip().split("|")


def test_the_cause_and_the_fix_are_suggested_from_their_steps() -> None:
    """Each has its source, and says that no one has confirmed it."""
    story = Story().opened().record(step("investigate", "root-cause", "Identify the root cause"))
    story.after(5).record(answered("investigate/root-cause", "The key is empty_"), by=ANA)
    story.record(step("resolve", "fix", "Deploy the fix")).after(5)
    _, cause, fix, *_ = _parts(story.record(answered("resolve/fix", "Revision 43 is live"), by=BEN))
    assert cause == (
        'The key is empty_\n\n_Suggested from Ana (Tech Lead), 14:35, in the step "Identify the root cause", '
        "and not confirmed yet._"
    )
    assert fix.startswith("Revision 43 is live\n\n_Suggested from Ben (Incident Commander), 14:40, in the step")


def test_a_runbook_says_what_a_step_answers() -> None:
    """The ids of another company's steps do not matter, and each of several answers is a point of a list."""
    story = Story().opened().record(step("investigate", "logs", "Check the logs", "contributing_factors"))
    story.record(step("investigate", "ursache", "Ursache finden", "root_cause"))
    story.record(
        answered("investigate/logs", "No alert on 4xx"), answered("investigate/ursache", "Leeres Feld"), by=ANA
    )
    story.record(NoteAdded(text="The tests ran on old data", post_mortem="contributing_factors"), by=BEN)
    parts = _parts(story)
    assert parts[1].startswith("Leeres Feld\n")
    assert parts[5].splitlines()[:2] == [
        '- No alert on 4xx (Ana (Tech Lead), 14:30, in the step "Check the logs")',
        "- The tests ran on old data (Ben (Incident Commander), 14:30, in a note)",
    ]


@pytest.mark.parametrize("field", ["impact_users", "customer_data"])
def test_a_note_can_answer_a_field(field: str) -> None:
    """What a person noted for it stands there, on one line with its source."""
    story = Story().opened().record(NoteAdded(text="130 buyers, no data", post_mortem=field), by=ANA)
    line = _parts(story)[3 if field == "impact_users" else 4]
    assert line.startswith(
        "130 buyers, no data _Suggested from Ana (Tech Lead), 14:30, in a note, and not confirmed yet._"
    )


def test_what_a_person_wrote_replaces_every_suggestion() -> None:
    """The written text stands alone."""
    story = Story().opened().record(NoteAdded(text="a guess", post_mortem="root_cause"), by=ANA)
    assert _parts(story.record(PostMortemWritten(field="root_cause", text="The key"), by=BEN))[1] == "The key"


def test_a_step_that_was_not_done_or_was_withdrawn_suggests_nothing() -> None:
    """A refusal is no cause, and neither is an answer to a question that no longer counts."""
    story = Story().opened().record(step("investigate", "root-cause", "Identify the root cause"))
    story.record(answered("investigate/root-cause", "No idea yet", yes=False), by=ANA)
    story.record(step("resolve", "fix", "Deploy the fix"), answered("resolve/fix", "Half of it"))
    story.record(AskWithdrawn(ask="VS-12/resolve/fix", reason="it does not apply"))
    for field in ("root_cause", "resolution"):
        assert suggestions(story.incident, plan(), field, service_title="Shop") == []


def test_the_summary_is_suggested_from_the_record() -> None:
    """It says what happened, how it was found, what contained it, and how it was fixed."""
    story = Story().opened().verified().paged().roll_back_proposed().contained().resolved()
    assert _parts(story)[0].splitlines()[0] == (
        "Payment processing down (VintStreet shop). How it became known: alert from alertmanager, 2 minutes after it "
        'began. Contained 6 minutes after it began by "Roll back traffic". Fix: vintstreet-00043-kal is deployed, '
        "without traffic. The service had recovered 32 minutes after it began."
    )


@pytest.mark.parametrize("by", ["Ana confirmed it", "its alerts are clear and the service is healthy"])
def test_what_is_no_measure_is_not_quoted_as_one(by: str) -> None:
    """A reason follows a colon. A measure is named with `by`."""
    story = Story().opened().after(10).record(Contained(by=by, finding=HEALTH))
    text = summary(story.incident, "Shop")
    assert f"Contained 12 minutes after it began: {by}." in text
    events = [event.text for event in key_events(story.incident, story.entries, plan())[0]]
    assert any(event.startswith(f"Contained ({by}): ") for event in events)


def test_containment_that_was_lost_is_named_so() -> None:
    """A bare `it` could be the service."""
    assert "Containment was lost 16 minutes after it began." in summary(recurring().incident, "Shop")


def test_no_field_is_left_without_a_hint() -> None:
    """The last line names each field that no one wrote, and who writes it where; managers read it, so no command."""
    template = Path(__file__).parents[3] / "runbooks/retailgen/templates/pir.md"
    story = Story().opened()
    source = PostMortem(story.incident, story.entries, plan(), "Shop", template.read_text(), story.now)
    last = write_post_mortem(source).rpartition("\n---\n")[2]
    assert "Ben is asked to write them on the page of VS-12, under Post-mortem." in last
    assert "allclear " not in last
    for field in ("Summary", "Root cause", "Cost", "Customers' data", "Where we were lucky"):
        assert field in last
