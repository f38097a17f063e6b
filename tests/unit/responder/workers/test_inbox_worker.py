"""The inbox worker takes in every delivery of its own company, in order, once, and in short transactions."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from allclear.bootstrap import Engine
from allclear.domain.alert import AlertState
from allclear.domain.errors import AllclearError, Unreadable
from allclear.journal.ports import Journal
from allclear.journal.sql_journal import SqlJournal
from allclear.responder.deliveries import AUTHENTICATION, retry_delivery
from allclear.responder.routes.views import list_deliveries
from allclear.responder.sources.signatures import AuthenticationLevel
from allclear.responder.workers.inbox_worker import InboxWorker
from tests.scenario.response_support import Killed, Mortal, engine_on, new_journal, received, vintstreet
from tests.scopes import REAL

MANY = 40
"""Alerts of a long delivery, which is taken in over as many transactions."""


def group(first: int, end: int, status: str = "firing", name: str = "PaymentProcessingFailures") -> bytes:
    """Return Alertmanager's group of alerts with these numbers."""
    alerts = [
        {"status": status, "labels": {"alertname": name}, "fingerprint": f"f{number}"} for number in range(first, end)
    ]
    return json.dumps({"status": status, "alerts": alerts}).encode()


def deliver(journal: Journal, body: bytes, source: str = "alertmanager") -> str:
    """Put a request into the inbox and return the delivery's id."""
    return received(journal, source, {AUTHENTICATION: AuthenticationLevel.AUTHENTICATED.value}, body, str(hash(body)))[
        0
    ]


@contextmanager
def engine_at(url: str, journal: Any = None) -> Generator[Engine]:  # noqa: ANN401 - a journal, or one that fails
    """Yield VintStreet's engine on a journal."""
    engine = engine_on(url, None, journal)
    with closing(engine.journal):
        yield engine


def take_in(engine: Engine) -> None:
    """Take in what waits in the inbox. Each transaction has time for one alert, and none waits for the next."""
    InboxWorker(engine, turn=0, pause=0).take_in()


class DamagedJournal:
    """A journal (the port `Journal`, by delegation) in which the state of one alert cannot be read."""

    def __init__(self, inner: SqlJournal, fingerprint: str) -> None:
        self.inner = inner
        self._fingerprint = fingerprint

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the journal's own
        """Return the attribute of the journal."""
        return getattr(self.inner, name)

    def alert(self, key: str) -> AlertState | None:
        """Return the state of an alert. Raises Unreadable for the damaged one."""
        if key.endswith(f":{self._fingerprint}"):
            raise Unreadable(f"The state of {self._fingerprint} cannot be read.", "Restore a backup.")
        return self.inner.alert(key)


def test_each_company_takes_in_its_own_alerts(tmp_path: Path) -> None:
    """If two companies share a journal, the same body for both is two deliveries; neither sees the other's delivery."""
    with engine_at(new_journal(tmp_path)) as ours:
        company = replace(vintstreet(), name="other")
        theirs = engine_on(ours.settings.journal_url, None, company=company)
        mine, other = (deliver(engine.journal, group(0, 1)) for engine in (ours, theirs))
        take_in(ours)
        assert [ours.journal.delivery(mine).state, theirs.journal.delivery(other).state] == ["opened", "new"]
        take_in(theirs)
        assert theirs.journal.delivery(other).state == "opened"
        assert theirs.journal.delivery(other).incident != ours.journal.delivery(mine).incident
        shown = [list_deliveries(engine.journal, engine.company.plan, None, None, 10) for engine in (ours, theirs)]
        assert [{one.id for one in rows} for rows in shown] == [{mine}, {other}]
        with pytest.raises(AllclearError, match="belongs to other, not to vintstreet"):
            retry_delivery(ours.journal, other)
        theirs.journal.close()


def test_a_long_delivery_does_not_block_other_sources(tmp_path: Path) -> None:
    """An alert that arrives after a group of hundreds is decided before the last of the group; none is lost."""
    with engine_at(new_journal(tmp_path)) as engine:
        many = deliver(engine.journal, group(0, MANY))
        single = deliver(engine.journal, json.dumps({"key": "a", "title": "b"}).encode(), "json")
        take_in(engine)
        decisions = engine.journal.decisions(delivery=many)
        assert [row.position for row in decisions] == list(range(MANY))
        assert engine.journal.decisions(delivery=single)[0].number < decisions[-1].number
        delivery = engine.journal.delivery(many)
        assert (delivery.state, delivery.taken_in, delivery.incident) == ("opened", 0, decisions[0].incident)


def test_the_backlog_of_one_source_does_not_delay_another(tmp_path: Path) -> None:
    """If one source has more deliveries than one read of the inbox returns, an alert of another source comes next."""
    with engine_at(new_journal(tmp_path)) as engine:
        groups = [deliver(engine.journal, group(2 * number, 2 * number + 2)) for number in range(120)]
        single = deliver(engine.journal, json.dumps({"key": "a", "title": "b"}).encode(), "json")
        assert len(engine.journal.unread()) == 101
        InboxWorker(engine, pause=0).take_in()
        numbers = [
            engine.journal.decisions(delivery=delivery)[0].number for delivery in (groups[0], single, groups[-1])
        ]
        assert numbers == sorted(numbers)


@pytest.mark.parametrize("source", ["alertmanager", "grafana"])
def test_the_reason_says_how_many_alerts_the_sender_left_out(tmp_path: Path, source: str) -> None:
    """`truncatedAlerts` comes before the reasons of the alerts. Zero and values that are no numbers are ignored."""
    alerts = [{"status": "firing", "labels": {"alertname": "x"}}]
    with engine_at(new_journal(tmp_path)) as engine:
        for left_out, noted in ((12, True), (0, False), ("12", False), (True, False), (-1, False)):
            body = json.dumps({"alerts": alerts, "truncatedAlerts": left_out}).encode()
            delivery = deliver(engine.journal, body, source)
            take_in(engine)
            reason = engine.journal.delivery(delivery).reason
            assert reason.startswith("Its sender left 12 more of the group out") == noted
            assert reason.startswith("No route") != noted
            assert "No route" in reason


def test_deliveries_of_one_source_keep_their_order(tmp_path: Path) -> None:
    """The resolution of an alert is taken in after the long group in which the alert fires."""
    with engine_at(new_journal(tmp_path)) as engine:
        firing = deliver(engine.journal, group(0, MANY))
        resolved = deliver(engine.journal, group(MANY - 1, MANY, "resolved"))
        take_in(engine)
        incident = engine.journal.delivery(firing).incident
        delivery = engine.journal.delivery(resolved)
        assert (delivery.state, delivery.incident) == ("joined", incident)


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_the_next_process_finishes_a_delivery_after_a_crash(tmp_path: Path, part: float) -> None:
    """Each alert is taken in once. The alerts whose transaction was not durable are taken in by the next process."""
    url = new_journal(tmp_path)
    journal = Mortal(SqlJournal(url, REAL), int(MANY * part))
    with engine_at(url, journal) as engine:
        many = deliver(journal.inner, group(0, MANY))
        with pytest.raises(Killed):
            take_in(engine)
        half = journal.inner.delivery(many)
        assert (half.state, 0 < half.taken_in < MANY) == ("new", True)
    with engine_at(url) as engine:
        take_in(engine)
        decisions = engine.journal.decisions(delivery=many)
        assert [(row.position, row.count) for row in decisions] == [(place, 1) for place in range(MANY)]
        assert (engine.journal.delivery(many).state, engine.journal.delivery(many).incident) == ("opened", "VS-1")


def test_an_alert_that_cannot_be_taken_in_does_not_block_its_group(tmp_path: Path) -> None:
    """It is quarantined with the reason, the others are taken in, and the delivery can be retried."""
    url = new_journal(tmp_path)
    with engine_at(url, DamagedJournal(SqlJournal(url, REAL), "f7")) as engine:
        many = deliver(engine.journal, group(0, 10, name="LiveStreamFailures"))
        take_in(engine)
        decisions = [row.decision for row in engine.journal.decisions(delivery=many)]
        assert (decisions[7], decisions.count("quarantined")) == ("quarantined", 1)
        delivery = engine.journal.delivery(many)
        assert (delivery.state, delivery.incident) == ("quarantined", "VS-1")
        assert "The state of f7 cannot be read." in delivery.reason
        retry_delivery(engine.journal, many)
        take_in(engine)
        assert [row.count for row in engine.journal.decisions(delivery=many) if row.decision == "quarantined"] == [2]
