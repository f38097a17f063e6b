"""What people say of how grave it is: facets, severities and who may lower them, deputies, doubles, and choices."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from allclear.domain.approval import ApprovalPolicy, Ask, AskKind
from allclear.domain.base import Candidate, utc_now
from allclear.domain.errors import NotAllowed, NotFound
from allclear.domain.incident import Incident
from allclear.domain.plan import Facet, Kind, Plan, Role, SeverityRule
from allclear.domain.records import AskOpened, By, RoleTaken, SeverityChanged, VetoWindowEnded
from allclear.domain.replay import replay
from allclear.engine.people.assess import read_facts
from allclear.engine.people.declare import Declaration
from allclear.engine.people.people import People
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal, vintstreet
from tests.scopes import REAL
from tests.unit.domain.stories import MACHINE

ANA = By(actor="Ana", role="on_call", via="cli")
BEN = By(actor="Ben", role="cto", via="cli")
CHI = By(actor="Chi", role="devops", via="cli")
DECLARED = Declaration("Payments fail", "P1", "storefront", "bad-deployment")


def _plan() -> Plan:
    """Return VintStreet's plan with rules for its severity, a deputy of the CTO, and a forbidden double."""
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
    """People around a journal."""

    def __init__(self, journal: SqlJournal) -> None:
        self.journal = journal
        self.company = replace(vintstreet(), plan=_plan())
        self.people = People(journal, self.company, utc_now)
        self.id = self.people.declare(DECLARED, ANA)

    @property
    def incident(self) -> Incident:
        """Return how it stands."""
        incident = replay(self.journal.entries(self.id))
        assert incident is not None
        return incident

    def wrote(self, *records: Any) -> None:  # noqa: ANN401 - records of any kind
        """The machine writes something down."""
        self.journal.append(self.id, list(records), MACHINE)

    def asked(self, policy: ApprovalPolicy, kind: AskKind = AskKind.STEP, *names: str) -> str:
        """Something is asked, with candidates or without; returns the ask's id."""
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
        """Return people who are told that somebody else was first: `write` happens right before their next word."""
        return People(Late(self.journal, write), self.company, utc_now)  # type: ignore[arg-type]


class Late:
    """A journal (by delegation) in which something is written right before the first append."""

    def __init__(self, inner: SqlJournal, write: Callable[[], None]) -> None:
        self._inner, self._write = inner, [write]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the journal has
        """Return the journal's own."""
        return getattr(self._inner, name)

    def append(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the journal takes it
        """Append, after somebody else."""
        while self._write:
            self._write.pop()()
        return self._inner.append(*args, **more)


@pytest.fixture
def room(tmp_path: Path) -> Generator[Room]:
    """People around a new journal, with one incident of severity P1."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    yield Room(journal)
    journal.close()


# --- assessing -------------------------------------------------------------------------------------------


def test_what_is_known_adds_up_and_raises_the_severity(room: Room) -> None:
    """Each facet is kept, the last word on each counts, and the rules may raise it; the reason stands in the record."""
    assert room.people.assess(room.id, {"breach": "no"}, None, "the logs are clean", ANA) == f"Noted in {room.id}."
    assert room.people.assess(room.id, {"users": "few"}, "security", "", ANA) == (
        f"Noted in {room.id}. The plan's rules give P2 (nothing graver fits); lower it if that is right."
    )
    assert (room.incident.facets, room.incident.kind) == ({"breach": "no", "users": "few"}, "security")
    told = room.people.assess(room.id, {"breach": "yes"}, None, "", BEN)
    assert told == f"Noted in {room.id}. It is P0 now: breach is yes."
    assert (room.incident.severity, room.incident.facets["breach"]) == ("P0", "yes")
    assert [change.reason for _, change in room.incident.severities] == ["breach is yes"]


def test_what_nobody_knows_counts_as_the_graver(room: Room) -> None:
    """The first assessment that leaves the breach open raises it; nothing is ever lowered by itself."""
    told = room.people.assess(room.id, {"users": "few"}, None, "", ANA)
    assert "P0 now: breach is not known yet" in told
    told = room.people.assess(room.id, {"breach": "no"}, None, "", ANA)
    assert "lower it if that is right" in told
    assert room.incident.severity == "P0"


@pytest.mark.parametrize(
    ("facets", "kind", "error", "said"),
    [
        ({}, None, NotAllowed, "Nothing to record"),
        ({"colour": "red"}, None, NotFound, "no facet 'colour'"),
        ({"users": "some"}, None, NotFound, "no value 'some'"),
        ({"users": "few"}, "flood", NotFound, "no kind of incident 'flood'"),
    ],
)
def test_only_what_the_plan_knows_is_written_down(
    room: Room, facets: dict[str, str], kind: str | None, error: type[Exception], said: str
) -> None:
    """An unknown facet, value or kind, or nothing at all, writes nothing."""
    length = room.incident.length
    with pytest.raises(error, match=said):
        room.people.assess(room.id, facets, kind, "", ANA)
    assert room.incident.length == length


def test_an_assessment_is_of_the_incident_as_it_is_by_then(room: Room) -> None:
    """Somebody else raised it in the same moment: it is not raised again."""
    first = room.meanwhile(lambda: room.wrote(SeverityChanged(was="P1", now="P0", reason="first")))
    assert first.assess(room.id, {"breach": "yes"}, None, "", ANA) == f"Noted in {room.id}."
    assert len(room.incident.severities) == 1


@pytest.mark.parametrize("said", ["users", "", "users:all"])
def test_a_fact_is_facet_and_value(said: str) -> None:
    """Whatever else somebody writes says nothing; spaces around the two do not count."""
    assert read_facts([" users = all ", "breach=no=yes"]) == {"users": "all", "breach": "no=yes"}
    with pytest.raises(NotAllowed):
        read_facts([said])


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
    """What is said of it is kept, and what is not said counts as the graver."""
    opened = room.people.opening(replace(DECLARED, severity=None, facets=facets), ANA)
    assert (opened.severity, opened.facets) == (severity, facets)


def test_a_person_who_names_a_severity_is_right(room: Room) -> None:
    """The rules are for whoever does not; and a plan without rules cannot do without a name."""
    assert room.people.opening(replace(DECLARED, severity="P2", facets={"breach": "yes"}), ANA).severity == "P2"
    plan = room.company.plan.model_copy(update={"assess": []})
    bare = People(room.journal, replace(room.company, plan=plan), utc_now)
    with pytest.raises(NotFound, match="Name one: P0, P1, P2, P3"):
        bare.opening(replace(DECLARED, severity=None), ANA)


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        (DECLARED, "P1"),
        (replace(DECLARED, severity="P2"), "P1"),
        (replace(DECLARED, severity="P0"), "P0"),
        (replace(DECLARED, severity=None, facets={"breach": "yes"}), "P0"),
        (replace(DECLARED, severity=None, facets={"breach": "no", "users": "few"}), "P1"),
    ],
)
def test_what_a_second_declaration_knows_is_not_lost(room: Room, said: Declaration, severity: str) -> None:
    """It joins the open incident: its facts are kept, and it may raise the severity, never lower it."""
    assert room.people.declare(said, BEN) == room.id
    assert (room.incident.severity, room.incident.facets) == (severity, dict(said.facets))


# --- lowering --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "now", "may"),
    [(ANA, "P0", True), (ANA, "P2", False), (BEN, "P2", True), (CHI, "P2", True), (MACHINE, "P2", False)],
)
def test_anybody_may_raise_and_some_may_lower(room: Room, by: By, now: str, *, may: bool) -> None:
    """Those whom the plan names, and their deputies."""
    if may:
        assert room.people.severity(room.id, now, "so", by) == f"{room.id} is {now} now (was P1)."
    else:
        with pytest.raises(NotAllowed, match="may not lower a severity: CTO may"):
            room.people.severity(room.id, now, "so", by)
    assert room.incident.severity == (now if may else "P1")


def test_where_the_plan_names_nobody_everybody_may_lower(room: Room) -> None:
    """Left out means all; an empty list means nobody."""
    for may_lower, refused in ((None, False), ([], True)):
        plan = room.company.plan.model_copy(update={"may_lower": may_lower})
        people = People(room.journal, replace(room.company, plan=plan), utc_now)
        if refused:
            with pytest.raises(NotAllowed, match="nobody may"):
                people.severity(room.id, "P3", "so", ANA)
        else:
            people.severity(room.id, "P2", "so", ANA)
    assert room.incident.severity == "P2"


def test_a_raise_does_not_turn_into_a_lowering(room: Room) -> None:
    """From P2 to P1 was meant; it became P0 meanwhile, and from there P1 is less: that is not Ana's to say."""
    room.people.severity(room.id, "P2", "so", BEN)
    late = room.meanwhile(lambda: room.wrote(SeverityChanged(was="P2", now="P0", reason="payments stopped")))
    with pytest.raises(NotAllowed, match="may not lower"):
        late.severity(room.id, "P1", "so", ANA)
    assert room.incident.severity == "P0"


# --- hats ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("held", "wanted"), [("scribe", "incident_commander"), ("incident_commander", "scribe")])
def test_nobody_wears_two_hats_that_the_plan_keeps_apart(room: Room, held: str, wanted: str) -> None:
    """Whichever role names the other; another person may, and so may the same one with the first hat handed over."""
    room.wrote(RoleTaken(role="incident_commander", person="Eve"), RoleTaken(role=held, person="Ben"))
    with pytest.raises(NotAllowed, match="the plan forbids that"):
        room.people.hand_over(room.id, wanted, "BEN", ANA)
    room.people.hand_over(room.id, held, "Chi", ANA)
    room.people.hand_over(room.id, wanted, "Ben", ANA)
    assert (room.incident.roles[held], room.incident.roles[wanted]) == ("Chi", "Ben")


def test_two_hats_handed_over_at_one_moment_are_still_two(room: Room) -> None:
    """Somebody else gave Ben the other one a moment before."""
    late = room.meanwhile(lambda: room.wrote(RoleTaken(role="scribe", person="Ben")))
    with pytest.raises(NotAllowed, match="the plan forbids that"):
        late.hand_over(room.id, "incident_commander", "Ben", ANA)


def test_whoever_keeps_the_record_does_not_lead_by_acknowledging(room: Room) -> None:
    """Being the first on it makes nobody wear a hat that theirs forbids."""
    opened = room.people.opening(DECLARED, MACHINE)
    room.id, _ = room.journal.open_incident("VS", opened, MACHINE)
    room.wrote(RoleTaken(role="scribe", person="Ana"))
    room.people.acknowledge(room.id, ANA)
    assert room.incident.roles == {"scribe": "Ana"}
    assert room.incident.acknowledged_by == "Ana"


# --- answers ---------------------------------------------------------------------------------------------

OF_CTO = ApprovalPolicy(roles=["cto"])
TWO = ApprovalPolicy(roles=["on_call", "cto", "tech_lead"], people=2, one_of=["cto", "tech_lead"])


def test_a_deputy_answers_for_whom_it_stands_in(room: Room) -> None:
    """DevOps for the CTO; on-call for nobody."""
    ask = room.asked(OF_CTO)
    with pytest.raises(NotAllowed, match="is for CTO, not for On-Call"):
        room.people.answer(ask, ANA, yes=True, reason="so")
    room.people.answer(ask, CHI, yes=True, reason="so")
    assert room.incident.asks[ask].granted


def test_of_two_people_one_must_be_a_leader(room: Room) -> None:
    """Two of the on-call are not enough, nor is a deputy; it says who is missing, and a leader makes it enough."""
    ask = room.asked(TWO)
    dan = ANA.model_copy(update={"actor": "Dan"})
    assert room.people.answer(ask, ANA, yes=True, reason="so").endswith("1 more, CTO or Tech Lead among them.")
    assert room.people.answer(ask, dan, yes=True, reason="so").endswith("1 more, CTO or Tech Lead among them.")
    assert room.people.answer(ask, CHI, yes=True, reason="so").endswith("1 more, CTO or Tech Lead among them.")
    assert room.incident.asks[ask].open
    room.people.answer(ask, BEN, yes=True, reason="so")
    assert room.incident.asks[ask].granted


def test_who_must_be_among_them_may_answer(room: Room) -> None:
    """A plan that names the CTO under `one_of` alone means the CTO to answer; their deputy is not meant."""
    ask = room.asked(ApprovalPolicy(roles=["on_call"], people=2, one_of=["cto"]))
    room.people.answer(ask, ANA, yes=True, reason="so")
    with pytest.raises(NotAllowed, match="is for On-Call or CTO, not for DevOps"):
        room.people.answer(ask, CHI, yes=True, reason="so")
    room.people.answer(ask, BEN, yes=True, reason="so")
    assert room.incident.asks[ask].granted


def test_a_leader_alone_is_not_two(room: Room) -> None:
    """The second may be anybody who is asked."""
    ask = room.asked(TWO)
    assert room.people.answer(ask, BEN, yes=True, reason="so").endswith("needs 1 more.")
    room.people.answer(ask, ANA, yes=True, reason="so")
    assert room.incident.asks[ask].granted


def test_a_window_that_passed_grants_what_nobody_stopped(room: Room) -> None:
    """But a no that came first stays a no."""
    passed, stopped = room.asked(OF_CTO), room.asked(OF_CTO)
    room.people.answer(stopped, BEN, yes=False, reason="stop")
    room.wrote(VetoWindowEnded(ask=passed), VetoWindowEnded(ask=stopped))
    states = room.incident.asks
    assert (states[passed].granted, states[passed].open) == (True, False)
    assert (states[stopped].granted, states[stopped].denied) == (False, True)
    with pytest.raises(NotAllowed, match="answered already"):
        room.people.answer(passed, BEN, yes=False, reason="too late")


@pytest.mark.parametrize(
    ("kind", "yes", "choice", "said"),
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
    said: str,
) -> None:
    """Nothing else, and only where there is one to make."""
    ask = room.asked(OF_CTO, kind, "red", "blue")
    with pytest.raises(NotAllowed, match=said):
        room.people.answer(ask, BEN, yes=yes, reason="so", choice=choice)
    assert room.incident.asks[ask].open


def test_what_was_chosen_stands_in_the_record(room: Room) -> None:
    """A yes has a candidate, a no has none."""
    yes, no = (room.asked(OF_CTO, AskKind.CHOICE, "red", "blue") for _ in range(2))
    room.people.answer(yes, BEN, yes=True, choice="blue")
    room.people.answer(no, BEN, yes=False)
    assert (room.incident.asks[yes].chosen, room.incident.asks[yes].granted) == ("blue", True)
    assert (room.incident.asks[no].chosen, room.incident.asks[no].denied) == (None, True)


def test_two_people_choose_the_same(room: Room) -> None:
    """Two who want different things have not agreed: the second is told what the first chose."""
    ask = room.asked(TWO, AskKind.CHOICE, "red", "blue")
    room.people.answer(ask, ANA, yes=True, choice="red")
    with pytest.raises(NotAllowed, match="Ana chose red, not blue"):
        room.people.answer(ask, BEN, yes=True, choice="blue")
    room.people.answer(ask, BEN, yes=True, choice="red")
    assert (room.incident.asks[ask].chosen, room.incident.asks[ask].granted) == ("red", True)
