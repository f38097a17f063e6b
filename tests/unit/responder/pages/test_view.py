"""What the incident's page shows, from the record and the plan alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.approval import AnswerWindow, ApprovalPolicy, Ask, AskKind
from allclear.domain.ask_state import Answer, AskState
from allclear.domain.decisions import decision_for
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.proof import Proof
from allclear.domain.records import Acknowledged, ActFinished, ActProposed, By, HoldStarted, RoleTaken
from allclear.domain.replay import replay
from allclear.domain.roles import role_for, roles_of
from allclear.responder.pages.cards import as_html, card_of
from allclear.responder.pages.sign_in import Viewer
from allclear.responder.pages.view import IncidentPage, Source, incident_page
from tests.scenario.response_support import vintstreet
from tests.unit.domain.stories import START, Story

ANA = Viewer("Ana", Proof.LINK, "on_call")


def plan() -> Plan:
    """Return VintStreet's plan, in which Ben alone is tech lead and communications lead."""
    known = vintstreet().plan
    ben = known.people[1].model_copy(update={"name": "Ben"})
    return known.model_copy(update={"people": [known.people[0], ben, *known.people[2:]]})


def story() -> Story:
    """Return an incident whose roll back waits for an approval."""
    return Story().opened().roll_back_proposed()


def shown(story: Story, viewer: Viewer = ANA, minutes: int = 10) -> IncidentPage:
    """Return the page as that person sees it."""
    incident = replay(story.entries)
    assert incident is not None
    return incident_page(
        Source(incident, story.entries, plan(), "VintStreet", viewer, START + timedelta(minutes=minutes))
    )


def incident() -> Incident:
    """Return the incident of the story."""
    found = replay(story().entries)
    assert found is not None
    return found


def test_actions_stand_in_the_order_of_the_times_that_are_shown() -> None:
    """One that was proposed first may wait for its approval, and be done last."""
    told, done = Story().opened().roll_back_proposed(), Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Ok.")
    (roll_back,) = told.incident.acts
    for name in ("first", "second"):
        told.record(
            ActProposed(
                act=name, phase="contain", step=name, action="flags.disable", title=name, params={}, change=None
            )
        )
    told.after(1).record(ActFinished(act="second", outcome=done)).after(1).record(
        ActFinished(act="first", outcome=done)
    )
    assert [row.id for row in shown(told).acts] == [roll_back, "second", "first"]


def test_the_page_says_who_holds_the_incident_and_has_a_button_in_place_of_the_command() -> None:
    """The command stands in `allclear show`."""
    held = story().record(HoldStarted(reason="We move the database."))
    words = shown(held).held
    assert "We move the database. Nothing automatic happens; what people approve is done." in words
    assert "allclear release" not in words


def test_outside_contacts_and_pages_are_on_it_until_the_end() -> None:
    """A responder finds the vendor's support and the dashboards beside the questions."""
    assert {"Stripe Support: support@stripe.com", "Google Cloud Console: https://console.cloud.google.com"} <= set(
        shown(story()).help
    )
    assert shown(Story().whole()).help == []


def test_the_card_has_the_change_and_offers_it_to_who_may_answer() -> None:
    """Before and after, the hash of the change, and the role in which this person answers."""
    [card] = shown(story()).asked
    assert [(before, after) for _, before, after in card.shown.rows]
    assert (card.role, card.why_not) == ("on_call", "")
    assert card.digest == "2" * 64
    [card] = shown(story(), Viewer("Sue", Proof.LINK, "scribe")).asked
    assert card.role == ""
    assert card.why_not.startswith("You may not answer this. ")


def test_a_person_has_the_roles_of_the_plan_the_link_and_the_incident() -> None:
    """A link cannot give a role that the plan gives to other people."""
    known = incident()
    assert roles_of("ben", known, plan()) == ["tech_lead", "communications_lead"]
    assert roles_of(ANA.person, known, plan(), ANA.role) == ["on_call"]
    assert roles_of("Ana", known, plan(), "tech_lead") == []
    known.roles["incident_commander"] = "ANA"
    assert roles_of(ANA.person, known, plan(), ANA.role) == ["on_call", "incident_commander"]


def test_the_role_that_must_be_among_the_answers_comes_first() -> None:
    """A person with two roles who answers as the other one would leave the approval open."""
    policy = ApprovalPolicy(roles=["on_call", "tech_lead"], people=2, one_of=["tech_lead"])
    assert role_for(policy, ["on_call", "tech_lead"], plan()) == "tech_lead"
    assert role_for(policy, ["on_call"], plan()) == "on_call"
    assert role_for(policy, ["scribe"], plan()) == ""


def test_an_answer_says_what_proves_the_person() -> None:
    """Proven and claimed names cannot be confused."""
    ask = Ask(
        id="VS-1/contain/x",
        kind=AskKind.APPROVAL,
        phase="contain",
        step="x",
        title="Restore",
        text="Why: it failed\n\n| | before | after |\n|---|---|---|\n\nRisk: much\n\nUndo: none",
        yes="It is done.",
        no="It is not done.",
        policy=ApprovalPolicy(roles=["on_call", "tech_lead"], people=2),
        window=AnswerWindow(until=START + timedelta(minutes=1), then="act"),
    )
    answers = [
        Answer(True, By(actor=name, role=role, via=via, proof=proof), "", START)  # noqa: FBT003 - it is a yes
        for name, role, via, proof in (
            ("Ben", "tech_lead", "page", Proof.PROXY),
            ("Eve", "on_call", "prefect", Proof.CLAIMED),
        )
    ]
    card = card_of(AskState(ask, START, answers), incident(), plan(), ANA, START)
    assert card.shown.answered[0].endswith("approve, by Ben (Tech Lead), identified by the identity proxy")
    assert card.shown.answered[1].endswith("approve, by Eve (On-Call), the name is only claimed")
    assert card.until == START + timedelta(minutes=1)
    assert "unless a person says no before" in card.shown.window


@pytest.mark.parametrize("kind", AskKind)
@pytest.mark.parametrize(("contains", "ends"), [(False, False), (True, False), (False, True)])
def test_each_button_has_a_word_that_answers_its_question(kind: AskKind, contains: bool, ends: bool) -> None:  # noqa: FBT001
    """Also of the questions that confirm containment or the end, whose words are their own."""
    ask = Ask(
        id="VS-1/contain/x",
        kind=kind,
        phase="contain",
        step="x",
        title="Is it over?",
        text="It looks so.",
        yes="It is over.",
        no="It goes on.",
        policy=ApprovalPolicy(roles=["on_call"]),
        contains=contains,
        ends=ends,
    )
    known = incident()
    card = card_of(AskState(ask, START), known, plan(), ANA, START)
    assert (decision_for(ask, card.yes).yes, decision_for(ask, card.no).yes) == (True, False)
    answered = AskState(ask, START, [Answer(True, By(actor="Ben", role="cto", via="page"), "", START)])  # noqa: FBT003
    assert f" {card.yes}, by Ben" in card_of(answered, known, plan(), ANA, START).shown.answered[0]


def test_texts_of_strangers_stay_text() -> None:
    """HTML, images and addresses that run code are not rendered from Markdown."""
    html = as_html("<script>x</script> ![a](https://evil.example/x.png) [b](javascript:alert(1)) **bold**")
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert "<strong>bold</strong>" in html


def test_the_clocks_are_beside_the_plan() -> None:
    """A clock that runs has its time left, a missed one says so."""
    running = {row.title: row for row in shown(story(), minutes=1).deadlines}
    assert running["respond"].tone == "plain"
    assert running["respond"].until is not None
    late = {row.title: row for row in shown(story(), minutes=60).deadlines}
    assert late["respond"].left.startswith("MISSED ")
    assert late["respond"].tone == "bad"


def test_a_closed_question_says_what_became_of_it() -> None:
    """A person who opens an old link finds the answer."""
    page = shown(story().answered("contain/roll-back", "go"))
    assert page.asked == []
    assert page.closed[0].anchor == "contain-roll-back"
    assert "approve, by Ana (Tech Lead), the name is only claimed" in page.closed[0].words


def test_a_role_and_an_acknowledgement_say_how_the_person_was_identified() -> None:
    """Who took a role, by what proved it; and a person to whom another one gave a role, by who gave it."""
    by = By(actor="Ana", role="on_call", via="page", proof=Proof.LINK)
    taken = [RoleTaken(role="incident_commander", person="Ana"), RoleTaken(role="scribe", person="Sue")]
    page = shown(story().record(Acknowledged(), *taken, by=by))
    proofs = {row.person: row.proof for row in page.roles if row.person}
    assert proofs == {"Ana": "identified by a personal link", "Sue": "said by Ana, identified by a personal link"}
    assert page.acknowledged.endswith("by Ana, identified by a personal link")
    [acknowledged] = [row for row in page.events if "acknowledged" in row.text]
    assert acknowledged.proof == "identified by a personal link"
    assert page.events[0].proof == ""


def test_the_record_says_how_each_person_was_identified() -> None:
    """Entries by allclear say nothing of it."""
    record = shown(story().answered("contain/roll-back", "go")).record
    [answer] = [row for row in record if "approved" in row.text]
    assert answer.proof == "Claimed from the command line"
    assert record[0].proof == ""
