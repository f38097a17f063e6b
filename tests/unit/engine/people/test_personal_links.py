"""Personal links open the page of one incident for one person, for a limited time, and can be revoked."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from allclear.domain.errors import NotAllowed
from allclear.domain.links import LinkTo
from allclear.domain.plan import Person
from allclear.domain.proof import Proof
from allclear.domain.scope import Scope
from allclear.engine.people.identity import Identity
from allclear.engine.people.personal_links import PersonalLinks
from allclear.engine.people.signed_statements import LEEWAY, LIFETIME, Purpose, Signatures, Statement
from allclear.journal.sql_journal import SqlJournal
from tests.scenario.response_support import new_journal, vintstreet
from tests.unit.domain.stories import START

KEY = SecretStr("a key that no one guesses")
ANA = LinkTo(incident="VS-3", person="Ana Ruiz", role="on_call", ask="VS-3/contain/roll-back")
REAL = Scope("vintstreet", simulated=False)


class Clock:
    """A clock that tests turn."""

    now = START

    def __call__(self) -> datetime:
        """Return its time."""
        return self.now

    def turn(self, minute: int) -> bool:
        """Turn it to a minute."""
        self.now = START + timedelta(minutes=minute)
        return True


@pytest.fixture
def journal(tmp_path: Path) -> Generator[SqlJournal]:
    """A new journal of the real production."""
    journal = SqlJournal(new_journal(tmp_path), REAL)
    yield journal
    journal.close()


@pytest.fixture
def clock() -> Clock:
    """A clock of this test."""
    return Clock()


def links(
    journal: SqlJournal, clock: Clock, *keys: SecretStr, scope: Scope = REAL, url: str = "https://ir.example"
) -> PersonalLinks:
    """Return the links of one responder."""
    return PersonalLinks(Signatures(keys or (KEY,), scope, clock), journal, Identity(vintstreet()), url, clock)


def token_of(href: str) -> str:
    """Return the signed part of a link."""
    return href.removeprefix("https://ir.example/l/")


def test_a_link_names_the_person_the_incident_and_the_question(journal: SqlJournal, clock: Clock) -> None:
    """What was signed is read again, with the time and what it proves."""
    read = links(journal, clock).read(Purpose.LINK, token_of(links(journal, clock).href(ANA)))
    assert (read.person, read.role, read.incident, read.ask) == (ANA.person, ANA.role, ANA.incident, ANA.ask)
    assert read.proof is Proof.LINK
    assert read.signed_at == START.replace(microsecond=0)


def test_a_link_for_many_people_is_the_plain_page(journal: SqlJournal, clock: Clock) -> None:
    """A link in a channel signs no one in."""
    assert links(journal, clock).href(LinkTo(incident="VS-3")) == "https://ir.example/i/VS-3"
    asks = LinkTo(incident="VS-3", ask="VS-3/contain/roll-back")
    assert links(journal, clock).href(asks) == "https://ir.example/i/VS-3#contain-roll-back"
    no_key = PersonalLinks(Signatures((), REAL, clock), journal, Identity(vintstreet()), "https://ir.example", clock)
    assert no_key.href(ANA) == "https://ir.example/i/VS-3#contain-roll-back"
    assert links(journal, clock, url="").href(ANA) == ""


def test_a_link_expires(journal: SqlJournal, clock: Clock) -> None:
    """It is accepted for its lifetime and refused one second later, with the next step."""
    token = token_of(links(journal, clock).href(ANA))
    clock.now = START + LIFETIME[Purpose.LINK] - timedelta(seconds=1)
    assert links(journal, clock).read(Purpose.LINK, token).person == "Ana Ruiz"
    clock.now = START + LIFETIME[Purpose.LINK] + timedelta(seconds=1)
    with pytest.raises(NotAllowed, match="This link has expired") as raised:
        links(journal, clock).read(Purpose.LINK, token)
    assert "newest message" in raised.value.next_step


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize(
    ("ahead", "sentence"),
    [
        (timedelta(0), ""),
        (timedelta(seconds=1), ""),
        (LEEWAY, ""),
        (LEEWAY + timedelta(seconds=1), "a clock was wrong"),
        (timedelta(minutes=10), "a clock was wrong"),
    ],
)
def test_a_clock_that_was_a_little_ahead_refuses_nothing(
    journal: SqlJournal, clock: Clock, purpose: Purpose, ahead: timedelta, sentence: str
) -> None:
    """The clocks of two machines differ; what is from further in the future is refused for the reason that it has."""
    signed = links(journal, clock).sign(purpose, Statement(person="Ana Ruiz", role="on_call"))
    clock.now = START - ahead
    if not sentence:
        assert links(journal, clock).read(purpose, signed).person == "Ana Ruiz"
        return
    with pytest.raises(NotAllowed, match=sentence) as raised:
        links(journal, clock).read(purpose, signed)
    assert "correct the clock of the responder's machine" in raised.value.next_step


@given(st.permutations([0, 5, 10, 15]), st.sampled_from(["", "VS-3"]))
@settings(max_examples=20, deadline=None)
def test_what_the_latest_revocation_refuses_stays_refused(minutes: list[int], incident: str) -> None:
    """A revocation of a machine whose clock is behind, which is written later, makes nothing valid again."""
    with TemporaryDirectory() as folder:
        journal, clock = SqlJournal(new_journal(Path(folder)), REAL), Clock()
        one = links(journal, clock)
        signed = {
            minute: one.sign(Purpose.SESSION, Statement(person="Ana Ruiz", role="on_call", incident="VS-3"))
            for minute in range(20)
            if clock.turn(minute)
        }
        for minute in minutes:
            clock.turn(minute)
            one.revoke("Ana Ruiz", incident if minute else "", "Ben", "stolen")
            latest = max(minutes[: minutes.index(minute) + 1])
            clock.turn(30)
            counts = [at for at, text in signed.items() if accepted(one, text)]
            assert counts == list(range(latest + 1, 20))
        journal.close()


def accepted(one: PersonalLinks, text: str) -> bool:
    """Return whether a sign-in still counts."""
    try:
        one.read(Purpose.SESSION, text)
    except NotAllowed:
        return False
    return True


@pytest.mark.parametrize("purpose", [Purpose.LINK, Purpose.SESSION, Purpose.TOKEN])
@pytest.mark.parametrize(
    ("person", "role", "known"),
    [
        ("Ana Ruiz", "on_call", True),
        ("Ana Ruiz", "", True),
        ("ANA  ruiz", "cto", True),  # of the plan, in a role that another person has now: the act is checked again
        ("Dev Rao", "on_call", False),  # Ana has this role now
        ("Dev Rao", "", False),
        ("Dev Rao", "janitor", False),
        ("Dev Rao", "cto", True),  # the plan names no one for this role yet
        ("deploy-bot", "program", True),
    ],
)
def test_what_was_signed_for_a_person_whom_the_plan_lacks_now_is_refused(
    journal: SqlJournal, clock: Clock, purpose: Purpose, person: str, role: str, *, known: bool
) -> None:
    """Also if the signature is valid: a token counts for 90 days, and a person may leave before."""
    company = vintstreet()
    people = [
        *(one for one in company.plan.people if one.roles != ["on_call"]),
        Person(name="Ana Ruiz", roles=["on_call"]),
    ]
    identity = Identity(replace(company, plan=company.plan.model_copy(update={"people": people})))
    one = PersonalLinks(Signatures((KEY,), REAL, clock), journal, identity, "https://ir.example", clock)
    signed = one.sign(purpose, Statement(person=person, role=role, incident="VS-3"))
    if known:
        assert one.read(purpose, signed).person == person
        return
    with pytest.raises(NotAllowed, match="The plan does not name 'Dev Rao' any more"):
        one.read(purpose, signed)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é", "A" * 5000, "eyJwZXJzb24iOiJBbmEifQ.ZzZz.c2ln"])
def test_a_forged_link_is_refused(journal: SqlJournal, clock: Clock, text: str) -> None:
    """Whatever is sent gets one sentence."""
    with pytest.raises(NotAllowed, match="not valid"):
        links(journal, clock).read(Purpose.LINK, text)


def test_every_changed_sign_is_noticed(journal: SqlJournal, clock: Clock) -> None:
    """No single character of a link can be replaced so that it says something else."""
    token = token_of(links(journal, clock).href(ANA))
    original = links(journal, clock).read(Purpose.LINK, token)
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        try:
            read = links(journal, clock).read(Purpose.LINK, changed)
        except NotAllowed:
            continue
        assert read == original  # the last sign of base64 has bits that mean nothing


def test_a_statement_counts_for_its_purpose_and_its_production_only(journal: SqlJournal, clock: Clock) -> None:
    """A link is no sign-in and no token; one of a drill opens nothing real; another key's is refused."""
    token = token_of(links(journal, clock).href(ANA))
    for purpose in set(Purpose) - {Purpose.LINK}:
        with pytest.raises(NotAllowed):
            links(journal, clock).read(purpose, token)
    for scope in (Scope("vintstreet", simulated=True), Scope("acme", simulated=False)):
        with pytest.raises(NotAllowed):
            links(journal, clock, scope=scope).read(Purpose.LINK, token)
    with pytest.raises(NotAllowed):
        links(journal, clock, SecretStr("another")).read(Purpose.LINK, token)


def test_a_key_can_be_replaced(journal: SqlJournal, clock: Clock) -> None:
    """Old links still open while the old key is listed first, and new ones are signed with the last."""
    old, new = SecretStr("old"), SecretStr("new")
    token = token_of(links(journal, clock, old).href(ANA))
    assert links(journal, clock, old, new).read(Purpose.LINK, token).person == "Ana Ruiz"
    with pytest.raises(NotAllowed):
        links(journal, clock, new).read(Purpose.LINK, token)
    fresh = token_of(links(journal, clock, old, new).href(ANA))
    assert links(journal, clock, new).read(Purpose.LINK, fresh).person == "Ana Ruiz"


@pytest.mark.parametrize(
    ("person", "incident", "refused"),
    [
        ("Ana Ruiz", "VS-3", True),
        ("ana  ruiz", "", True),
        ("", "VS-3", True),
        ("", "", True),
        ("Ben", "", False),
        ("Ana Ruiz", "VS-4", False),
    ],
)
def test_links_are_revoked(journal: SqlJournal, clock: Clock, person: str, incident: str, refused: bool) -> None:  # noqa: FBT001 - a case
    """A revocation holds for a person, an incident or both, and for what was signed before it only."""
    made = links(journal, clock)
    token = token_of(made.href(ANA))
    clock.now += timedelta(minutes=1)
    said = made.revoke(person, incident, "Ben", "the phone was stolen")
    assert "refused" in said
    if refused:
        with pytest.raises(NotAllowed, match="revoked by Ben"):
            made.read(Purpose.LINK, token)
    else:
        assert made.read(Purpose.LINK, token).person == "Ana Ruiz"
    clock.now += timedelta(seconds=1)
    assert made.read(Purpose.LINK, token_of(made.href(ANA))).person == "Ana Ruiz"


def test_a_revocation_needs_a_reason(journal: SqlJournal, clock: Clock) -> None:
    """Nothing is revoked without one."""
    with pytest.raises(NotAllowed, match="reason"):
        links(journal, clock).revoke("Ana Ruiz", "", "Ben", " ")
    assert links(journal, clock).read(Purpose.TOKEN, _token(journal, clock)).person == "Ana Ruiz"


def _token(journal: SqlJournal, clock: Clock) -> str:
    return links(journal, clock).sign(Purpose.TOKEN, Statement(person="Ana Ruiz", role="on_call", proof=Proof.TOKEN))
