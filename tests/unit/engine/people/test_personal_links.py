"""Personal links open the page of one incident for one person, for a limited time, and can be revoked."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from allclear.domain.errors import NotAllowed
from allclear.domain.links import LinkTo
from allclear.domain.proof import Proof
from allclear.domain.scope import Scope
from allclear.engine.people.personal_links import PersonalLinks
from allclear.engine.people.signatures import LIFETIME, Purpose, Signatures, Statement
from allclear.journal.sql_journal import SqlJournal
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


@pytest.fixture
def journal(tmp_path: Path) -> Generator[SqlJournal]:
    """A new journal of the real production."""
    journal = SqlJournal(f"sqlite:///{tmp_path / 'journal.db'}", REAL)
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
    return PersonalLinks(Signatures(keys or (KEY,), scope, clock), journal, url, clock)


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
    no_key = PersonalLinks(Signatures((), REAL, clock), journal, "https://ir.example", clock)
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
    return links(journal, clock).sign(Purpose.TOKEN, Statement(person="Ana Ruiz", proof=Proof.TOKEN))
