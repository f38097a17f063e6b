"""What people do in the pager with a page of ours: acknowledge it, give it to others, end it, write a note.

The pager signs its reports, so a person whose id the plan names is proven. The name of any other one is only claimed.
Only an acknowledgement takes the incident. A person who gives a page to others, or ends it, has not taken it
(docs/decisions/0064-what-pagerduty-says.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

from allclear.company import Company
from allclear.domain.act import Act
from allclear.domain.base import JsonDict, digest, is_blank
from allclear.domain.errors import AllclearError, JournalError
from allclear.domain.incident import Incident
from allclear.domain.notify.page_news import PEOPLE_PAGE, RESPONDERS, PageNews
from allclear.domain.plan.people import ON_CALL
from allclear.domain.proof import Proof
from allclear.domain.records import Acknowledged, By, NoteAdded, PageHeard
from allclear.domain.text import LONG, plain
from allclear.engine.alerts.received import IntakeResult
from allclear.engine.incidents import read_or_none, readable
from allclear.engine.people.identity import Identity
from allclear.engine.people.incident_writer import IncidentWriter
from allclear.journal.ports import Journal

VIA = "pagerduty"
"""The channel of these entries, and the kind of contact that holds a person's id at the pager."""

_ECHO_AFTER = timedelta(minutes=2)
"""How long before or after our own write its report may be dated, because clocks differ."""

_TAKES = frozenset({"acknowledged", "responder-joined"})
"""What a person does to take the incident."""


class PagesHeard:
    """Takes in what the pager reports about the pages of one company."""

    def __init__(self, journal: Journal, company: Company, writer: IncidentWriter, identity: Identity) -> None:
        self._journal = journal
        self._company = company
        self._writer = writer
        self._identity = identity

    def is_ours(self, news: PageNews) -> bool:
        """Return whether the report is about a page that we sent. Raises JournalError."""
        return self._find(news) is not None

    def is_shared(self, news: PageNews) -> bool:
        """Return whether the pager's incident has another key than our page in it. Raises JournalError."""
        found = self._find(news)
        return found is not None and bool(news.key) and found[1].proposed.resource not in news.resources

    def take(self, news: PageNews) -> IntakeResult:
        """Record the report in the page's incident, once; return what became of it. Raises JournalError."""
        found = self._find(news)
        if found is None:
            return IntakeResult("ignored", "No page of ours has this key or id.")
        incident, page = found
        if _is_echo(incident, page, news):
            return IntakeResult("heard", "It reports what we did ourselves, and changes nothing.", incident.id)
        if incident.over and news.what != "annotated":
            return IntakeResult("ignored", f"{incident.id} is over: its pages are no news any more.", incident.id)
        by = self._author(news, late=_is_late(incident, news))
        try:
            self._writer.append(incident.id, by, lambda now: self._records(now, page, news), needs_reader=False)
        except JournalError:
            raise
        except AllclearError as error:
            return IntakeResult("ignored", plain(f"{error}", LONG), incident.id)
        return IntakeResult("heard", f"A page of {incident.id} was {news.what} at the pager.", incident.id)

    # --- whose page it is -------------------------------------------------------------------------------

    def _find(self, news: PageNews) -> tuple[Incident, Act] | None:
        """Return the incident and the act that sent the page: by our key, or by the pager's id once it is known."""
        for incident in self._candidates(news):
            known = incident.pager.get(news.page)
            if known and known.act in incident.acts:
                return incident, incident.acts[known.act]
            acts = [act for act in incident.acts.values() if act.proposed.pages and act.issued]
            sent = [act for act in acts if act.proposed.undoes is None and act.proposed.resource in news.resources]
            if sent:
                return incident, sent[-1]
        return None

    def _candidates(self, news: PageNews) -> Iterator[Incident]:
        for resource in news.resources:
            for incident_id in reversed(self._journal.incidents_touching(resource)):
                if incident := read_or_none(self._journal, incident_id):
                    yield incident
        if news.what != "triggered":  # a report may have no key, or that of an incident into which our page was put
            yield from readable(self._journal, self._journal.incidents(open_only=True))

    # --- who did it -------------------------------------------------------------------------------------

    def _author(self, news: PageNews, *, late: bool) -> By:
        """Return the author of the entry: the person, for what only that person can say; else allclear."""
        request = f"{VIA}:{news.event or digest(str(news))}"
        if late or not news.agent or news.what not in _TAKES | {"annotated"}:
            return By(actor="allclear", via=VIA, request=request)
        person = self._company.plan.person_at(VIA, news.agent)
        if person is None:  # the plan does not name this person, so that no role is known
            return By(actor=self._name(news), role="", via=VIA, proof=Proof.CLAIMED, request=request)
        role = ON_CALL if ON_CALL in person.roles else person.roles[0]
        by = self._identity.who(person.name, role, VIA, Proof.PAGERDUTY)
        return by.model_copy(update={"request": request})

    def _name(self, news: PageNews) -> str:
        """Return the name of the person who did it; empty if no person did."""
        return self._named(news.agent, news.agent_name) if news.agent else ""

    def _named(self, address: str, name: str) -> str:
        """Return a person's name: in the plan's spelling, or else as the pager shows it, with the id.

        People change the name that the pager shows by themselves, so without the id it could be that of another person.
        """
        if person := self._company.plan.person_at(VIA, address):
            return person.name
        known_as = f"PagerDuty {plain(address, 40)}"
        return known_as if is_blank(name) or name == address else f"{plain(name, 60)} ({known_as})"

    def _records(self, incident: Incident, page: Act, news: PageNews) -> list[Any]:
        if news.what == "annotated":
            return [NoteAdded(text=plain(news.text, LONG))]
        late = _is_late(incident, news)
        heard = PageHeard(
            act=page.id,
            page=news.page,
            event=news.what,
            at=news.at,
            agent=self._name(news),
            rings=news.rings,
            ringing=[self._named(address, name) for address, name in news.ringing],
            text=plain(news.text, LONG),
            into=news.into,
            late=late,
        )
        return [heard, Acknowledged()] if news.what in _TAKES and news.agent and not late else [heard]


def _is_late(incident: Incident, news: PageNews) -> bool:
    known = incident.pager.get(news.page)
    return known is not None and known.is_late(news.what, news.at)


def _is_echo(incident: Incident, page: Act, news: PageNews) -> bool:
    """Return whether the pager reports our own write.

    With a routing key no person stands behind our writes. The REST API shows the owner of the key as their author, so
    the time decides there.
    """
    if news.what == "responder-added":
        requests = f"{RESPONDERS}:{page.proposed.resource.partition(':')[2]}/"
        asked = (
            act for act in incident.acts.values() if act.issued and (act.proposed.resource or "").startswith(requests)
        )
        return any(_near(act, news) for act in asked)
    if news.what not in {"acknowledged", "resolved"}:
        return False
    ours = [
        act
        for act in incident.acts.values()
        if act.proposed.resource == page.proposed.resource and act.issued and _status_after(act) == news.what
    ]
    if not news.agent:
        return bool(ours) or news.what == "acknowledged"
    if not page.proposed.resource.startswith(f"{PEOPLE_PAGE}:") or news.at is None:
        return False
    return any(_near(act, news) for act in ours)


def _near(act: Act, news: PageNews) -> bool:
    begun, ended = act.intended_at or act.at, act.finished_at or act.intended_at or act.at
    return news.at is not None and begun - _ECHO_AFTER <= news.at <= ended + _ECHO_AFTER


def _status_after(act: Act) -> str:
    after = (act.change or {}).get("after")
    return str(cast("JsonDict", after).get("status", "")) if isinstance(after, dict) else ""
