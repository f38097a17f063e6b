"""What waits in the inbox is taken in in short turns: by whom it belongs to, in order, once, and all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
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

MANY = 300
"""Alerts: more than one turn takes in."""


def group(first: int, end: int, status: str = "firing", name: str = "PaymentProcessingFailures") -> bytes:
    """Return Alertmanager's group of alerts with these numbers."""
    alerts = [
        {"status": status, "labels": {"alertname": name}, "fingerprint": f"f{number}"} for number in range(first, end)
    ]
    return json.dumps({"status": status, "alerts": alerts}).encode()


def arrives(journal: Journal, body: bytes, source: str = "alertmanager") -> str:
    """Put a request into the inbox and returns its id."""
    return received(journal, source, {AUTHENTICATION: AuthenticationLevel.AUTHENTICATED.value}, body, str(hash(body)))[
        0
    ]


@contextmanager
def engine_at(url: str, journal: Any = None) -> Iterator[Engine]:  # noqa: ANN401 - a journal, or one that dies
    """Yield VintStreet's engine on a journal."""
    engine = engine_on(url, None, journal)
    with closing(engine.journal):
        yield engine


class Torn:
    """A journal (the port `Journal`, by delegation) in which it cannot be read how one alert stands."""

    def __init__(self, inner: SqlJournal, fingerprint: str) -> None:
        self.inner = inner
        self._fingerprint = fingerprint

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the journal has
        """Return the journal's own."""
        return getattr(self.inner, name)

    def alert(self, key: str) -> AlertState | None:
        """Return how an alert stands; raises Unreadable for the one."""
        if key.endswith(f":{self._fingerprint}"):
            raise Unreadable(f"How {self._fingerprint} stands cannot be read.", "Restore a backup.")
        return self.inner.alert(key)


def test_each_company_takes_its_own_alerts_in(tmp_path: Path) -> None:
    """Of two on one journal; the same words for both are two deliveries, and neither sees the other's."""
    with engine_at(new_journal(tmp_path)) as ours:
        company = replace(vintstreet(), name="other")
        theirs = engine_on(ours.settings.journal_url, None, company=company)
        mine, other = (arrives(engine.journal, group(0, 1)) for engine in (ours, theirs))
        InboxWorker(ours).take_in()
        assert [ours.journal.delivery(mine).state, theirs.journal.delivery(other).state] == ["opened", "new"]
        InboxWorker(theirs).take_in()
        assert theirs.journal.delivery(other).state == "opened"
        assert theirs.journal.delivery(other).incident != ours.journal.delivery(mine).incident
        shown = [list_deliveries(engine.journal, None, None, 10) for engine in (ours, theirs)]
        assert [{one.id for one in rows} for rows in shown] == [{mine}, {other}]
        with pytest.raises(AllclearError, match="belongs to other, not to vintstreet"):
            retry_delivery(ours.journal, other)
        theirs.journal.close()


def test_a_long_delivery_lets_other_sources_go_on(tmp_path: Path) -> None:
    """One alert that came after a group of hundreds is taken in before the group's last, and the group is whole."""
    with engine_at(new_journal(tmp_path)) as engine:
        many = arrives(engine.journal, group(0, MANY))
        one = arrives(engine.journal, json.dumps({"key": "a", "title": "b"}).encode(), "json")
        InboxWorker(engine).take_in()
        heard = engine.journal.decisions(delivery=many)
        assert [row.position for row in heard] == list(range(MANY))
        assert engine.journal.decisions(delivery=one)[0].number < heard[-1].number
        kept = engine.journal.delivery(many)
        assert (kept.state, kept.taken_in, kept.incident) == ("opened", 0, heard[0].incident)


def test_a_source_with_a_backlog_hides_no_other(tmp_path: Path) -> None:
    """Behind more groups of one source than are looked at together, another's alert is taken in after the first."""
    with engine_at(new_journal(tmp_path)) as engine:
        groups = [arrives(engine.journal, group(2 * number, 2 * number + 2)) for number in range(120)]
        one = arrives(engine.journal, json.dumps({"key": "a", "title": "b"}).encode(), "json")
        assert len(engine.journal.unread()) == 101
        InboxWorker(engine).take_in()
        numbers = [engine.journal.decisions(delivery=delivery)[0].number for delivery in (groups[0], one, groups[-1])]
        assert numbers == sorted(numbers)


@pytest.mark.parametrize("source", ["alertmanager", "grafana"])
def test_what_the_sender_left_out_of_a_group_is_told(tmp_path: Path, source: str) -> None:
    """`truncatedAlerts` stands in the reason, before those of the alerts; zero and nonsense say nothing."""
    alerts = [{"status": "firing", "labels": {"alertname": "x"}}]
    with engine_at(new_journal(tmp_path)) as engine:
        for left_out, told in ((12, True), (0, False), ("12", False), (True, False), (-1, False)):
            body = json.dumps({"alerts": alerts, "truncatedAlerts": left_out}).encode()
            delivery = arrives(engine.journal, body, source)
            InboxWorker(engine).take_in()
            reason = engine.journal.delivery(delivery).reason
            assert reason.startswith("Its sender left 12 more of the group out") == told
            assert reason.startswith("No route") != told
            assert "No route" in reason


def test_what_one_source_says_keeps_its_order(tmp_path: Path) -> None:
    """The end of an alert that waits behind the group in which it fires is taken in after it."""
    with engine_at(new_journal(tmp_path)) as engine:
        firing = arrives(engine.journal, group(0, MANY))
        over = arrives(engine.journal, group(MANY - 1, MANY, "resolved"))
        InboxWorker(engine).take_in()
        incident = engine.journal.delivery(firing).incident
        assert (engine.journal.delivery(over).state, engine.journal.delivery(over).incident) == ("joined", incident)


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_process_that_dies_within_a_long_delivery_leaves_the_rest_to_the_next(tmp_path: Path, part: float) -> None:
    """Each alert is taken in once: what was durable stays, what was not is taken in by the next process."""
    url = new_journal(tmp_path)
    journal = Mortal(SqlJournal(url, REAL), int(MANY * part))
    with engine_at(url, journal) as engine:
        many = arrives(journal.inner, group(0, MANY))
        with pytest.raises(Killed):
            InboxWorker(engine).take_in()
        half = journal.inner.delivery(many)
        assert (half.state, 0 < half.taken_in < MANY) == ("new", True)
    with engine_at(url) as engine:
        InboxWorker(engine).take_in()
        heard = engine.journal.decisions(delivery=many)
        assert [(row.position, row.count) for row in heard] == [(place, 1) for place in range(MANY)]
        assert (engine.journal.delivery(many).state, engine.journal.delivery(many).incident) == ("opened", "VS-1")


def test_one_alert_that_cannot_be_taken_in_holds_up_none_of_its_group(tmp_path: Path) -> None:
    """It is set aside with the reason, the others are taken in, and the delivery can be tried again."""
    url = new_journal(tmp_path)
    with engine_at(url, Torn(SqlJournal(url, REAL), "f7")) as engine:
        many = arrives(engine.journal, group(0, 10, name="LiveStreamFailures"))
        InboxWorker(engine).take_in()
        decision = [row.decision for row in engine.journal.decisions(delivery=many)]
        assert (decision[7], decision.count("quarantined")) == ("quarantined", 1)
        kept = engine.journal.delivery(many)
        assert (kept.state, kept.incident) == ("quarantined", "VS-1")
        assert "How f7 stands cannot be read." in kept.reason
        retry_delivery(engine.journal, many)
        InboxWorker(engine).take_in()
        assert [row.count for row in engine.journal.decisions(delivery=many) if row.decision == "quarantined"] == [2]
