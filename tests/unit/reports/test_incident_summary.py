"""What `allclear show` prints."""

from __future__ import annotations

import io
from datetime import timedelta

from rich.console import Console

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.approval import AnswerWindow, ApprovalPolicy, Ask, AskKind
from allclear.domain.base import Candidate
from allclear.domain.plan import Plan, Support
from allclear.domain.records import ActFinished, AskOpened, IncidentEnded, LedgerHandedOver
from allclear.postmortem.acts_table import markdown_acts
from allclear.postmortem.timeline_list import markdown_timeline
from allclear.reports.incident_summary import show
from tests.unit.domain.stories import BEN, START, Story, plan


def _printed(story: Story, *, routine: bool = False, width: int = 120, of: Plan | None = None) -> str:
    out = io.StringIO()
    page = show(story.incident, story.entries, of or plan(), START, routine=routine)
    Console(file=out, width=width, color_system=None).print(page, crop=False)
    return out.getvalue()


def _waiting() -> Story:
    return Story().opened(simulated=True).verified().paged().roll_back_proposed()


def test_the_page_begins_with_the_state_of_the_incident() -> None:
    """Its id, title, severity, status and lead are at the top, and a drill is marked first."""
    lines = _printed(_waiting()).splitlines()
    assert lines[0].startswith("[SIMULATED] VS-12  Payment processing down")
    values = [line.split(maxsplit=1)[1].strip() for line in lines[1:5]]
    assert values == ["P0 Critical", "INVESTIGATING", "Initial Response", "Ben"]


def test_outside_contacts_and_pages_are_on_it_until_the_end() -> None:
    """Below what is due, with the plan's own names."""
    helped = plan().model_copy(
        update={
            "support": [Support(name="Stripe", contact="support@stripe.com")],
            "resources": {"Console": "https://console.example.com"},
        }
    )
    lines = [line.strip() for line in _printed(_waiting(), of=helped).splitlines()]
    start = lines.index("Help and pages")
    assert lines[start + 1 : start + 3] == ["- Stripe: support@stripe.com", "- Console: https://console.example.com"]
    assert start < next(place for place, line in enumerate(lines) if line.startswith("Timeline ("))
    assert "Help and pages" not in _printed(Story().whole(), of=helped)


def test_an_open_question_shows_the_change_and_each_command_on_one_line() -> None:
    """The approver sees before and after, and can copy a command from a window of any width."""
    printed = _printed(_waiting(), width=70)
    assert "traffic: vintstreet-00042-zub 100 -> vintstreet-00041-wex 100" in printed
    assert {
        "allclear approve VS-12/contain/roll-back --as NAME",
        "allclear deny VS-12/contain/roll-back --as NAME",
    } <= {line.strip() for line in _printed(_waiting(), width=30).splitlines()}


def test_a_question_that_is_no_act_says_what_each_answer_does() -> None:
    """Each command has its consequence above it, and the candidates of a choice are listed."""
    story = Story().opened()
    ask = Ask(
        id="VS-12/contain/which",
        kind=AskKind.CHOICE,
        phase="contain",
        step="which",
        title="Which one?",
        text="",
        yes="The change is worked out.",
        no="It is not done.",
        policy=ApprovalPolicy(roles=["on_call"]),
        choices=[Candidate(name="web-40", reason="it answered well")],
    )
    lines = [line.strip() for line in _printed(story.record(AskOpened(ask=ask))).splitlines()]
    at = lines.index("web-40: it answered well")
    assert lines[at + 1 : at + 5 : 2] == ["The change is worked out.", "It is not done."]
    assert lines[at + 2].startswith("allclear choose VS-12/contain/which CANDIDATE")


def test_the_page_says_what_happens_without_an_answer() -> None:
    """An open veto window is on the page, with its end in UTC."""
    story = Story().opened().roll_back_proposed()
    ask = story.incident.open_asks[0].ask.model_copy(
        update={"id": "VS-12/contain/alone", "window": AnswerWindow(until=START + timedelta(hours=9), then="act")}
    )
    printed = " ".join(_printed(story.record(AskOpened(ask=ask))).split())
    assert "It is done automatically at 23:30:00 UTC, unless a person says no before." in printed


def test_after_the_end_only_the_review_waits() -> None:
    """Questions that were left unanswered are closed, and those of the review stay open."""
    story = Story().opened().roll_back_proposed()
    assert "Nothing." in _printed(Story().opened())
    review = story.incident.open_asks[0].ask.model_copy(
        update={"id": "VS-12/review/meet", "phase": "review", "act": None}
    )
    story.record(IncidentEnded(ending="resolved", reason="well"), AskOpened(ask=review))
    printed = _printed(story)
    assert "allclear approve VS-12/review/meet" in printed
    assert "allclear approve VS-12/contain/roll-back" not in printed


def test_a_time_that_is_not_known_yet_is_shown_as_not_yet() -> None:
    """An empty field would look like an error. A duration says from when it is counted."""
    printed = _printed(_waiting().contained())
    assert "Recovered     not yet" in printed
    assert "after it began)" in printed


def test_a_question_for_two_people_shows_how_many_have_answered() -> None:
    """One of two has approved."""
    story = Story().opened()
    story.roll_back_proposed()
    proposed = story.incident.acts["contain/roll-back"].proposed.model_copy(
        update={"act": "contain/restore", "step": "restore"}
    )
    story.ask(proposed, ApprovalPolicy(roles=["tech_lead", "cto"], people=2)).answered("contain/restore", "go")
    assert "(asked: two of Tech Lead or CTO, 1 of 2 so far; since 14:30 UTC)" in _printed(story, width=160)


def test_a_change_that_is_left_in_place_has_an_owner_and_a_date() -> None:
    """For pinned traffic the page names the owner, the date of the review, and the person who took it over."""
    story = _waiting().contained()
    assert "traffic pinned to one revision (run:vintstreet), owner Tech Lead, to be reviewed by" in _printed(story)
    story.record(LedgerHandedOver(act="contain/roll-back", to="Ana", due=START), by=BEN)
    assert "taken over by Ana, to be reviewed by 2026-11-22 14:30 UTC" in _printed(story)
    assert "Still in place" not in _printed(Story().whole())


def test_routine_lines_are_shown_on_request() -> None:
    """They include intents, runs and details, for auditors."""
    story = _waiting().contained()
    assert "Starting: " not in _printed(story)
    assert "Issued by responder-1." in _printed(story, routine=True)


def test_artifacts_have_the_timeline_and_the_acts() -> None:
    """They have the lines of the page, and a table of acts with their approvers."""
    story = Story().whole()
    assert "- **14:34** Contained (Roll back traffic)" in markdown_timeline(story.incident, story.entries, plan())
    done, undone = [line for line in markdown_acts(story.incident, plan()).splitlines() if "oll back traffic |" in line]
    assert "| Ana (Tech Lead) 14:34: errors started with 42 | 14:34 | Done and verified |" in done
    assert undone.startswith("| Undo: ")  # the only line about the undo
    assert undone.endswith("| 14:58 | Done and verified |")


def test_an_incident_without_acts_says_so() -> None:
    """An empty table would look like an error."""
    assert markdown_acts(Story().opened().incident, plan()) == "allclear took no action."


def test_a_denied_act_is_in_the_table_of_acts() -> None:
    """It is shown as not done, with the reason of the person who denied it."""
    story = _waiting().answered("contain/roll-back", "wrong revision", yes=False)
    denied = Outcome(status=ActStatus.REJECTED, changed=False, sentence="Ana: wrong revision.")
    story.record(ActFinished(act="contain/roll-back", outcome=denied))
    rows = [line for line in markdown_acts(story.incident, plan()).splitlines() if line.startswith("|")]
    row = rows[-1]
    assert "Ana (Tech Lead) denied 14:32: wrong revision" in row
    assert row.endswith("| Not done, because a person denied it: Ana: wrong revision. |")
