"""Assessments: facets, severities and who may lower them; also deputies, conflicting roles, and choices."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from allclear.commands.assess import read_facts
from allclear.domain.approval import ApprovalPolicy, Ask, AskKind
from allclear.domain.base import Candidate, utc_now
from allclear.domain.errors import NotAllowed, NotFound
from allclear.domain.incident import Incident
from allclear.domain.plan import Facet, Kind, Plan, Role, SeverityRule
from allclear.domain.proof import Proof
from allclear.domain.records import AskOpened, By, RoleTaken, SeverityChanged, VetoWindowEnded
from allclear.domain.replay import replay
from allclear.engine.people.declare import Declaration
from allclear.engine.people.facade import People
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal, vintstreet
from tests.scopes import REAL
from tests.unit.domain.stories import MACHINE

ANA = By(actor="Ana", role="on_call", via="cli", proof=Proof.TOKEN)
BEN = By(actor="Ben", role="cto", via="cli", proof=Proof.TOKEN)
CHI = By(actor="Chi", role="devops", via="cli", proof=Proof.TOKEN)
DECLARED = Declaration("Payments fail", "P1", "storefront", "bad-deployment")


def _plan() -> Plan:
    """Return VintStreet's plan with severity rules, a deputy of the CTO, and two roles that exclude each other."""
    whole = vintstreet().plan
    roles = whole.roles | {
        "cto": Role(title="CTO", deputies=["devops"]),
        "scribe": Role(title="Scribe", never_with=["incident_commander"]),
    }
    return whole.model_copy(
        update={
            "roles": roles,
            "may_lower": ["cto"],
            "kinds": whole.kinds | {"security": Kind(title="Security compromise")},
            "facets": {
                "breach": Facet(title="Whether data leaked"),
                "users": Facet(title="Users", values=["few", "all"]),
            },
            "assess": [
                SeverityRule(severity="P0", when={"breach": "yes"}),
                SeverityRule(severity="P1", when={"users": "all"}),
                SeverityRule(severity="P2"),
            ],
        }
    )


class Room:
    """A journal with one incident, and the functions for people."""

    def __init__(self, journal: SqlJournal) -> None:
        self.journal = journal
        self.company = replace(vintstreet(), plan=_plan())
        self.people = People(journal, self.company, utc_now)
        self.id = self.people.declare(DECLARED, ANA).incident

    @property
    def incident(self) -> Incident:
        """Return the incident as it is now."""
        incident = replay(self.journal.entries(self.id))
        assert incident is not None
        return incident

    def wrote(self, *records: Any) -> None:  # noqa: ANN401 - records of any kind
        """Append records as the machine."""
        self.journal.append(self.id, list(records), MACHINE)

    def asked(self, policy: ApprovalPolicy, kind: AskKind = AskKind.STEP, *names: str) -> str:
        """Open an ask, with candidates or without, and return its id."""
        ask = Ask(
            id=f"{self.id}/contain/{len(self.incident.asks)}",
            kind=kind,
            phase="contain",
            step="one",
            title="May it?",
            text="?",
            yes="Yes.",
            no="No.",
            policy=policy,
            choices=[Candidate(name=name, reason="It is there.") for name in names],
        )
        self.wrote(AskOpened(ask=ask))
        return ask.id

    def meanwhile(self, write: Callable[[], None]) -> People:
        """Return the functions for people on a journal in which `write` runs right before the next append."""
        return People(Late(self.journal, write), self.company, utc_now)  # type: ignore[arg-type]


class Late:
    """A journal (by delegation) in which `write` runs right before the first append."""

    def __init__(self, inner: SqlJournal, write: Callable[[], None]) -> None:
        self._inner, self._write = inner, [write]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - attributes of any type
        """Return the journal's attribute."""
        return getattr(self._inner, name)

    def append(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the journal takes it
        """Append, after `write`."""
        while self._write:
            self._write.pop()()
        return self._inner.append(*args, **more)


@pytest.fixture
def room(tmp_path: Path) -> Generator[Room]:
    """A new journal with one incident of severity P1."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    yield Room(journal)
    journal.close()


# --- assessing -------------------------------------------------------------------------------------------


def test_facets_add_up_and_raise_the_severity(room: Room) -> None:
    """The last value of each facet counts, and the rules may raise the severity; the reason is in the record."""
    assert room.people.assess(room.id, {"breach": "no"}, None, "the logs are clean", ANA) == f"Noted in {room.id}."
    assert room.people.assess(room.id, {"users": "few"}, "security", "", ANA) == (
        f"Noted in {room.id}. The plan's rules give P2 (no graver rule matches); lower it if that is right."
    )
    assert (room.incident.facets, room.incident.kind) == ({"breach": "no", "users": "few"}, "security")
    answer = room.people.assess(room.id, {"breach": "yes"}, None, "", BEN)
    assert answer == f"Noted in {room.id}. It is P0 now: breach is yes."
    assert (room.incident.severity, room.incident.facets["breach"]) == ("P0", "yes")
    assert [change.reason for _, change in room.incident.severities] == ["breach is yes"]


def test_an_unknown_facet_counts_as_its_most_severe_value(room: Room) -> None:
    """The first assessment that leaves the breach open raises the severity; it is never lowered automatically."""
    answer = room.people.assess(room.id, {"users": "few"}, None, "", ANA)
    assert "P0 now: breach is not known yet" in answer
    answer = room.people.assess(room.id, {"breach": "no"}, None, "", ANA)
    assert "lower it if that is right" in answer
    assert room.incident.severity == "P0"


@pytest.mark.parametrize(
    ("facets", "kind", "error", "sentence"),
    [
        ({}, None, NotAllowed, "Nothing to record"),
        ({"colour": "red"}, None, NotFound, "no facet 'colour'"),
        ({"users": "some"}, None, NotFound, "no value 'some'"),
        ({"users": "few"}, "flood", NotFound, "no kind of incident 'flood'"),
    ],
)
def test_only_facets_of_the_plan_are_recorded(
    room: Room, facets: dict[str, str], kind: str | None, error: type[Exception], sentence: str
) -> None:
    """An unknown facet, value or kind, or nothing at all, writes nothing."""
    length = room.incident.length
    with pytest.raises(error, match=sentence):
        room.people.assess(room.id, facets, kind, "", ANA)
    assert room.incident.length == length


def test_clocks_from_awareness_start_when_it_was_known(room: Room) -> None:
    """A person says when it was known; the last one counts, and the time until someone responds does not change."""
    incident = room.incident
    assert incident.aware_at == incident.opened_at
    acknowledged = incident.acknowledged_at
    assert room.people.assess(room.id, {}, None, "the mail came on Friday", ANA, "2026-11-20 17:00 UTC")
    room.people.assess(room.id, {"users": "few"}, None, "", ANA)
    assert room.incident.aware_at == datetime(2026, 11, 20, 17, tzinfo=UTC)
    assert room.incident.acknowledged_at == acknowledged


def test_a_declaration_takes_when_it_was_known(room: Room) -> None:
    """The clocks from awareness start then, not when a person got round to declaring it (F3)."""
    known = replace(DECLARED, runbook="broken-feature", known_since="2026-11-20 17:00 UTC")
    incident = replay(room.journal.entries(room.people.declare(known, ANA).incident))
    assert incident is not None
    assert incident.id != room.id
    assert incident.aware_at == datetime(2026, 11, 20, 17, tzinfo=UTC)
    assert incident.opened_at > incident.aware_at


@pytest.mark.parametrize("text", ["Friday", "2999-01-01 00:00", "2026-13-01 10:00", "17:00"])
def test_a_time_that_cannot_be_is_refused(room: Room, text: str) -> None:
    """Neither a word nor the future is when something was known."""
    with pytest.raises(NotAllowed):
        room.people.assess(room.id, {}, None, "", ANA, text)
    with pytest.raises(NotAllowed):
        room.people.declare(replace(DECLARED, known_since=text), ANA)


def test_an_assessment_is_decided_on_the_newest_entries(room: Room) -> None:
    """If the severity was raised at the same moment, it is not raised again."""
    first = room.meanwhile(lambda: room.wrote(SeverityChanged(was="P1", now="P0", reason="first")))
    assert first.assess(room.id, {"breach": "yes"}, None, "", ANA) == f"Noted in {room.id}."
    assert len(room.incident.severities) == 1


@pytest.mark.parametrize("fact", ["users", "", "users:all"])
def test_a_fact_is_facet_and_value(fact: str) -> None:
    """Other texts are refused; spaces around facet and value do not count."""
    assert read_facts([" users = all ", "breach=no=yes"]) == {"users": "all", "breach": "no=yes"}
    with pytest.raises(NotAllowed):
        read_facts([fact])


# --- declaring -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facets", "severity"),
    [
        ({}, "P0"),
        ({"breach": "no", "users": "all"}, "P1"),
        ({"breach": "no"}, "P1"),
        ({"breach": "no", "users": "few"}, "P2"),
    ],
)
def test_a_severity_that_is_not_named_follows_from_the_rules(room: Room, facets: dict[str, str], severity: str) -> None:
    """Given facets are recorded, and the others count as their most severe value."""
    opened = room.people.opening(replace(DECLARED, severity=None, facets=facets), ANA)
    assert (opened.severity, opened.facets) == (severity, facets)


def test_a_named_severity_takes_precedence_over_the_rules(room: Room) -> None:
    """The rules apply only if no severity is named; without rules a severity must be named."""
    assert room.people.opening(replace(DECLARED, severity="P2", facets={"breach": "yes"}), ANA).severity == "P2"
    plan = room.company.plan.model_copy(update={"assess": []})
    bare = People(room.journal, replace(room.company, plan=plan), utc_now)
    with pytest.raises(NotFound, match="Name one: P0, P1, P2, P3"):
        bare.opening(replace(DECLARED, severity=None), ANA)


@pytest.mark.parametrize(
    ("declaration", "severity"),
    [
        (DECLARED, "P1"),
        (replace(DECLARED, severity="P2"), "P1"),
        (replace(DECLARED, severity="P0"), "P0"),
        (replace(DECLARED, severity=None, facets={"breach": "yes"}), "P0"),
        (replace(DECLARED, severity=None, facets={"breach": "no", "users": "few"}), "P1"),
    ],
)
def test_a_second_declaration_adds_its_facets(room: Room, declaration: Declaration, severity: str) -> None:
    """It joins the open incident; it may raise the severity, and never lowers it."""
    assert room.people.declare(declaration, BEN).incident == room.id
    assert (room.incident.severity, room.incident.facets) == (severity, dict(declaration.facets))


# --- lowering --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "now", "may"),
    [(ANA, "P0", True), (ANA, "P2", False), (BEN, "P2", True), (CHI, "P2", True), (MACHINE, "P2", False)],
)
def test_everyone_may_raise_and_some_may_lower(room: Room, by: By, now: str, *, may: bool) -> None:
    """The roles that the plan names, and their deputies, may lower a severity."""
    if may:
        assert room.people.severity(room.id, now, "so", by) == f"{room.id} is {now} now (was P1)."
    else:
        with pytest.raises(NotAllowed, match="may not lower a severity: CTO may"):
            room.people.severity(room.id, now, "so", by)
    assert room.incident.severity == (now if may else "P1")


def test_without_a_rule_everyone_may_lower(room: Room) -> None:
    """If `may_lower` is left out, everyone may; if it is empty, no one may."""
    cases: tuple[tuple[list[str] | None, bool], ...] = ((None, False), ([], True))
    for may_lower, refused in cases:
        plan = room.company.plan.model_copy(update={"may_lower": may_lower})
        people = People(room.journal, replace(room.company, plan=plan), utc_now)
        if refused:
            with pytest.raises(NotAllowed, match="no role may lower"):
                people.severity(room.id, "P3", "so", ANA)
        else:
            people.severity(room.id, "P2", "so", ANA)
    assert room.incident.severity == "P2"


def test_a_raise_does_not_turn_into_a_lowering(room: Room) -> None:
    """Ana meant to raise P2 to P1. It became P0 meanwhile, so P1 would lower it, which Ana may not do."""
    room.people.severity(room.id, "P2", "so", BEN)
    late = room.meanwhile(lambda: room.wrote(SeverityChanged(was="P2", now="P0", reason="payments stopped")))
    with pytest.raises(NotAllowed, match="may not lower"):
        late.severity(room.id, "P1", "so", ANA)
    assert room.incident.severity == "P0"


# --- roles -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("held", "wanted"), [("scribe", "incident_commander"), ("incident_commander", "scribe")])
def test_one_person_cannot_have_two_roles_that_exclude_each_other(room: Room, held: str, wanted: str) -> None:
    """It does not matter which role names the other. Another person may have it, or the same one after a hand-over."""
    room.wrote(RoleTaken(role="incident_commander", person="Eve"), RoleTaken(role=held, person="Ben"))
    with pytest.raises(NotAllowed, match="the plan forbids that"):
        room.people.hand_over(room.id, wanted, "BEN", ANA)
    room.people.take_role(room.id, held, CHI)
    room.people.take_role(room.id, wanted, BEN)
    assert (room.incident.roles[held], room.incident.roles[wanted]) == ("Chi", "Ben")


def test_two_hand_overs_at_one_moment_are_checked_together(room: Room) -> None:
    """Ben got the other role a moment before, so the second hand-over is refused."""
    late = room.meanwhile(lambda: room.wrote(RoleTaken(role="scribe", person="Ben")))
    with pytest.raises(NotAllowed, match="the plan forbids that"):
        late.hand_over(room.id, "incident_commander", "Ben", ANA)


def test_acknowledging_gives_no_role_that_the_plan_forbids(room: Room) -> None:
    """The first to acknowledge does not lead if the plan forbids it because of another role."""
    opened = room.people.opening(DECLARED, MACHINE)
    room.id, _ = room.journal.open_incident("VS", opened, MACHINE)
    room.wrote(RoleTaken(role="scribe", person="Ana"))
    room.people.acknowledge(room.id, ANA)
    assert room.incident.roles == {"scribe": "Ana"}
    assert room.incident.acknowledged_by == "Ana"


# --- answers ---------------------------------------------------------------------------------------------

OF_CTO = ApprovalPolicy(roles=["cto"])
TWO = ApprovalPolicy(roles=["on_call", "cto", "tech_lead"], people=2, one_of=["cto", "tech_lead"])


def test_a_deputy_may_answer(room: Room) -> None:
    """DevOps may answer for the CTO; the on-call may answer for no other role."""
    ask = room.asked(OF_CTO)
    with pytest.raises(NotAllowed, match="is for CTO, not for On-Call"):
        room.people.answer(ask, ANA, yes=True, reason="so")
    room.people.answer(ask, CHI, yes=True, reason="so")
    assert room.incident.asks[ask].granted


def test_of_two_people_one_must_be_a_leader(room: Room) -> None:
    """Two of the on-call are not enough, nor is a deputy; the answer says who is missing, and a leader completes it."""
    ask = room.asked(TWO)
    dan = ANA.model_copy(update={"actor": "Dan"})
    missing = f"Your yes is recorded. One more person must approve {ask}: CTO or Tech Lead."
    assert [room.people.answer(ask, one, yes=True, reason="so") for one in (ANA, dan, CHI)] == [missing] * 3
    assert room.incident.asks[ask].open
    room.people.answer(ask, BEN, yes=True, reason="so")
    assert room.incident.asks[ask].granted


def test_a_role_that_must_be_among_the_answers_may_answer(room: Room) -> None:
    """If a plan names the CTO only under `one_of`, the CTO may answer, and a deputy may not."""
    ask = room.asked(ApprovalPolicy(roles=["on_call"], people=2, one_of=["cto"]))
    room.people.answer(ask, ANA, yes=True, reason="so")
    with pytest.raises(NotAllowed, match="is for On-Call or CTO, not for DevOps"):
        room.people.answer(ask, CHI, yes=True, reason="so")
    room.people.answer(ask, BEN, yes=True, reason="so")
    assert room.incident.asks[ask].granted


def test_a_leader_alone_does_not_count_as_two(room: Room) -> None:
    """The second person may have any of the roles."""
    ask = room.asked(TWO)
    assert room.people.answer(ask, BEN, yes=True, reason="so").endswith(f"One more person must approve {ask}.")
    room.people.answer(ask, ANA, yes=True, reason="so")
    assert room.incident.asks[ask].granted


def test_a_veto_window_that_ended_grants_the_ask(room: Room) -> None:
    """A no that came first stays a no."""
    passed, stopped = room.asked(OF_CTO), room.asked(OF_CTO)
    room.people.answer(stopped, BEN, yes=False, reason="stop")
    room.wrote(VetoWindowEnded(ask=passed), VetoWindowEnded(ask=stopped))
    states = room.incident.asks
    assert (states[passed].granted, states[passed].open) == (True, False)
    assert (states[stopped].granted, states[stopped].denied) == (False, True)
    with pytest.raises(NotAllowed, match="is closed: carried out automatically"):
        room.people.answer(passed, BEN, yes=False, reason="too late")


@pytest.mark.parametrize(
    ("kind", "yes", "choice", "sentence"),
    [
        (AskKind.CHOICE, True, None, "Nothing was chosen"),
        (AskKind.CHOICE, True, "green", "green is none of the candidates"),
        (AskKind.CHOICE, True, "", "Nothing was chosen"),
        (AskKind.CHOICE, False, "red", "is not about a choice"),
        (AskKind.STEP, True, "red", "is not about a choice"),
    ],
)
def test_a_choice_is_one_of_the_candidates(
    room: Room,
    kind: AskKind,
    yes: bool,  # noqa: FBT001 - as the table has it
    choice: str | None,
    sentence: str,
) -> None:
    """Other names are refused, and so is a choice for an ask without candidates."""
    ask = room.asked(OF_CTO, kind, "red", "blue")
    with pytest.raises(NotAllowed, match=sentence):
        room.people.answer(ask, BEN, yes=yes, reason="so", choice=choice)
    assert room.incident.asks[ask].open


def test_the_chosen_candidate_is_recorded(room: Room) -> None:
    """A yes has a candidate; a no has none."""
    yes, no = (room.asked(OF_CTO, AskKind.CHOICE, "red", "blue") for _ in range(2))
    room.people.answer(yes, BEN, yes=True, choice="blue")
    room.people.answer(no, BEN, yes=False)
    assert (room.incident.asks[yes].chosen, room.incident.asks[yes].granted) == ("blue", True)
    assert (room.incident.asks[no].chosen, room.incident.asks[no].denied) == (None, True)


def test_two_people_must_choose_the_same_candidate(room: Room) -> None:
    """If the second person chooses another candidate, the refusal names the first choice."""
    ask = room.asked(TWO, AskKind.CHOICE, "red", "blue")
    room.people.answer(ask, ANA, yes=True, choice="red")
    with pytest.raises(NotAllowed, match="Ana chose red, not blue"):
        room.people.answer(ask, BEN, yes=True, choice="blue")
    room.people.answer(ask, BEN, yes=True, choice="red")
    assert (room.incident.asks[ask].chosen, room.incident.asks[ask].granted) == ("red", True)
