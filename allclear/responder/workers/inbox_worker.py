"""Takes in the deliveries that wait in the inbox, in short transactions, so that other writers get their turn.

A delivery may hold thousands of alerts. It is taken in over many transactions, each durable by itself. Deliveries of
other sources are taken in between them. Further deliveries of its own source wait, because an alert and its resolution
must stay in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic, sleep
from typing import Any, get_args

from allclear.bootstrap import Engine
from allclear.domain.alert import Alert, Decision
from allclear.domain.errors import AllclearError, JournalError, Unreadable
from allclear.domain.notify.page_news import PageNews
from allclear.domain.text import plain
from allclear.engine.alerts.received import IntakeResult
from allclear.journal.ports import INCIDENTS
from allclear.journal.rows import Delivery
from allclear.responder.deliveries import is_authenticated
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import stored_request
from allclear.responder.sources.source import IncompleteAlerts, NoAlert, ParseResult
from allclear.responder.workers.supervisor import report_progress

log = logging.getLogger("allclear.responder")

_LONGEST_REASON = 300
"""Characters: a reason may quote untrusted text."""

_LONGEST_REASONS = 1000
"""Characters, for the joined reasons of a delivery's alerts; each alert's own decision has its whole reason."""

_TURN, _PAUSE = 0.012, 0.002
"""Maximum length of one intake transaction, and the pause after it, in seconds.

Without the pause this thread would win the write lock every time.
"""

_READ_AHEAD = 50
"""Alerts that are parsed before a transaction begins, unless a single delivery holds more."""

_POLL = 1.0
"""Seconds after which the inbox is read even if `arrived` is not set."""


@dataclass(frozen=True)
class OpenDelivery:
    """A delivery that is being taken in."""

    delivery: Delivery
    alerts: tuple[Alert, ...] = ()
    taken: tuple[IntakeResult, ...] = ()
    """The decisions about the alerts taken in so far."""
    result: tuple[str, str] | None = None
    """The delivery's state and reason, if it holds no alerts."""
    note: str = ""
    """A sentence about the delivery that comes before the reasons of its alerts."""
    quarantined: bool = False
    """Whether it holds more alerts, which could not be read."""
    news: PageNews | None = None
    """What it reports about a page of ours: in place of alerts, or about an incident that holds our page and others."""

    @property
    def finished(self) -> bool:
        """Return whether all alerts are taken in."""
        return len(self.taken) == len(self.alerts)


class InboxWorker:
    """The reader of the inbox. `take_in` is for one thread at a time."""

    def __init__(
        self, engine: Engine, wake: asyncio.Event | None = None, *, turn: float = _TURN, pause: float = _PAUSE
    ) -> None:
        """`wake` is set when the worker has written something that the incident worker must see.

        `turn` is the maximum length of one transaction and `pause` the time between two, in seconds. A transaction
        takes in at least one alert.
        """
        self._journal = engine.journal
        self._intake = engine.intake
        self._people = engine.people
        self._grouped = engine.grouped_pages
        self._sources = engine.company.systems.alerts
        self._wake = wake or asyncio.Event()
        self._length, self._pause = turn, pause
        self._open: dict[str, OpenDelivery] = {}
        """Deliveries that are parsed and not completely taken in."""
        self.arrived = asyncio.Event()
        """Set whenever a new delivery is in the inbox."""

    async def run(self) -> None:
        """Take in deliveries until cancelled, beginning with those that an earlier process left."""
        while True:
            with suppress(TimeoutError):
                # `wait_for` of Python 3.11 drops a cancellation if the event is set in the same moment.
                async with asyncio.timeout(_POLL):
                    await self.arrived.wait()
            self.arrived.clear()
            try:
                await asyncio.to_thread(self.take_in)
                self._wake.set()
            except AllclearError as error:
                log.warning("%s", error)
            except Exception:  # the loop must go on after any error: it takes alerts in
                log.exception("Taking in the inbox failed; will retry.")
            report_progress()

    def take_in(self) -> None:
        """Take in every delivery that waits. Raises JournalError; the remaining deliveries then stay in the inbox."""
        while waiting := [one for one in self._journal.unread() if not self._waits_for_pager(*one)]:
            self._open = {delivery: self._open[delivery] for delivery, _ in waiting if delivery in self._open}
            while waiting:
                reached = self._turn(self._next(waiting))
                unfinished = {current.delivery.source for current in reached if not current.finished}
                waiting = [
                    (delivery, source) for delivery, source in waiting[len(reached) :] if source not in unfinished
                ]
                sleep(self._pause)
                report_progress()  # a long queue is not a stuck loop

    def _waits_for_pager(self, delivery_id: str, source: str) -> bool:
        """Return whether a report waits until the pager has said whether its incident holds a page of ours."""
        known = SOURCES.get(source)
        if known is None or not known.reports_pages or delivery_id in self._open:
            return False
        try:
            news = self._news(self._journal.delivery(delivery_id))
        except ValueError:  # `_parse` quarantines it
            return False
        return news is not None and self._grouped.key_of(news) is None

    def _news(self, delivery: Delivery) -> PageNews | None:
        """Return what an authenticated delivery reports about a page. Raises ValueError if it cannot be read."""
        if not is_authenticated(delivery):
            return None
        return SOURCES[delivery.source].page_news(stored_request(delivery.headers, delivery.body))

    # --- one transaction -------------------------------------------------------------------------------

    def _next(self, waiting: list[tuple[str, str]]) -> list[OpenDelivery]:
        """Parse the first deliveries, as many as one transaction may take in, before that transaction begins."""
        parsed, alerts = list[OpenDelivery](), 0
        for delivery_id, _ in waiting:
            if delivery_id not in self._open:
                self._open[delivery_id] = self._parse(self._journal.delivery(delivery_id))
            parsed.append(self._open[delivery_id])
            alerts += len(parsed[-1].alerts)
            if alerts >= _READ_AHEAD:
                break
        return parsed

    def _turn(self, waiting: list[OpenDelivery]) -> list[OpenDelivery]:
        """Take in as many deliveries as one transaction has time for, and return them; the last may be unfinished."""
        end, reached = monotonic() + self._length, list[OpenDelivery]()
        try:
            with self._journal.transaction(INCIDENTS):
                while len(reached) < len(waiting) and (not reached or monotonic() < end):
                    reached.append(self._take_until(waiting[len(reached)], end))
        except Exception:  # noqa: BLE001 - a delivery that cannot be taken in must not roll the others back
            reached = [self._take_alone(current) for current in waiting[: len(reached) + 1]]
        for current in reached:
            self._open.pop(current.delivery.id, None)
        self._open |= {current.delivery.id: current for current in reached if not current.finished}
        return reached

    def _take_until(self, current: OpenDelivery, end: float) -> OpenDelivery:
        """Take in the next alerts of a delivery, and record the delivery's result after the last."""
        while not current.finished:
            current = self._take_next(current)
            if not current.finished and monotonic() >= end:
                self._journal.set_taken_in(current.delivery.id, len(current.taken))
                return current
        self._finish(current)
        return current

    def _take_alone(self, current: OpenDelivery) -> OpenDelivery:
        """Take in the rest of a delivery, each alert in its own transaction; quarantine alerts that fail.

        Raises JournalError if the journal fails: the rest stays in the inbox until the journal works again.
        """
        while not current.finished:
            try:
                current = self._take_next_alone(current)
            except JournalError as error:
                if not isinstance(error, Unreadable):
                    raise
                current = self._quarantine(current, str(error))
            except AllclearError as error:
                current = self._quarantine(current, str(error))
            except Exception as error:  # one alert must not keep the others from being taken in
                log.exception("Taking in an alert of delivery %s failed; it is quarantined.", current.delivery.id)
                current = self._quarantine(current, f"An internal error occurred: {type(error).__name__}.")
            self._open[current.delivery.id] = current
            sleep(self._pause)
            report_progress()
        self._finish_alone(current)
        return current

    def _finish_alone(self, current: OpenDelivery) -> None:
        """Record a delivery's result. News of a page that cannot be taken in is quarantined. Raises JournalError."""
        try:
            self._finish(current)
        except Unreadable as error:
            self._journal.set_delivery_state(current.delivery.id, "quarantined", plain(str(error), _LONGEST_REASON))
        except AllclearError:
            raise
        except Exception as error:  # one delivery must not keep the others from being taken in
            log.exception("Taking in delivery %s failed; it is quarantined.", current.delivery.id)
            reason = f"An internal error occurred: {type(error).__name__}."
            self._journal.set_delivery_state(current.delivery.id, "quarantined", reason)

    # --- steps -----------------------------------------------------------------------------------------

    def _parse(self, delivery: Delivery) -> OpenDelivery:
        try:
            news, alerts = self._read(delivery)
        except (ValueError, KeyError) as error:
            return OpenDelivery(
                delivery, result=("quarantined", plain(f"It cannot be read: {error}.", _LONGEST_REASON))
            )
        except JournalError:
            raise
        except Exception as error:  # one delivery must not keep the others from being read
            log.exception("Parsing delivery %s failed; it is quarantined.", delivery.id)
            return OpenDelivery(
                delivery, result=("quarantined", f"An internal error occurred: {type(error).__name__}.")
            )
        if isinstance(alerts, NoAlert):
            result = None if news else ("ignored", plain(alerts.reason, _LONGEST_REASON))
            return OpenDelivery(delivery, news=news, result=result)
        if not alerts:
            return OpenDelivery(delivery, result=("quarantined", "Its source found no alert in it, and no reason why."))
        authenticated = is_authenticated(delivery)
        incomplete = alerts if isinstance(alerts, IncompleteAlerts) else IncompleteAlerts(alerts, "")
        checked = tuple(replace(alert, authenticated=authenticated) for alert in alerts)
        taken = self._taken_before(delivery)[: len(checked)]
        note, quarantined = incomplete.note, incomplete.quarantined
        return OpenDelivery(delivery, checked, taken, note=note, quarantined=quarantined, news=news)

    def _read(self, delivery: Delivery) -> tuple[PageNews | None, ParseResult]:
        """Return what a delivery reports about a page of ours, and its alerts.

        A report about a page of ours holds no alert, unless the pager's incident is another one that holds our page.
        Raises ValueError if it cannot be read.
        """
        source, news = SOURCES[delivery.source], self._news(delivery)
        key = self._grouped.key_of(news) if news else ""
        shared = bool(key)
        if news and not key:
            news, shared = (news, self._people.shares_page(news)) if self._people.is_our_page(news) else (None, False)
        if news and not shared:
            return news, NoAlert("It is about a page of ours.")
        request = stored_request(delivery.headers, delivery.body)
        alerts = source.parse_configured(request, self._options(delivery.source))
        return (replace(news, key=key) if news and key else news), alerts

    def _options(self, source: str) -> Mapping[str, Any]:
        configured = self._sources.get(source)
        return configured.options if configured else {}

    def _taken_before(self, delivery: Delivery) -> tuple[IntakeResult, ...]:
        """Return the decisions about the first alerts, which an earlier process took in."""
        if not delivery.taken_in:
            return ()
        rows = sorted(self._journal.decisions(delivery=delivery.id, limit=None), key=lambda row: row.at)
        last = {row.position: IntakeResult(row.decision, row.reason, row.incident) for row in rows}
        return tuple(last[position] for position in range(delivery.taken_in))

    def _take_next(self, current: OpenDelivery) -> OpenDelivery:
        delivery, position = current.delivery, len(current.taken)
        taken = self._intake.take(current.alerts[position], delivery.id, position)
        return replace(current, taken=(*current.taken, taken))

    def _take_next_alone(self, current: OpenDelivery) -> OpenDelivery:
        with self._journal.transaction(INCIDENTS):
            current = self._take_next(current)
            self._journal.set_taken_in(current.delivery.id, len(current.taken))
        return current

    def _quarantine(self, current: OpenDelivery, reason: str) -> OpenDelivery:
        with self._journal.transaction(INCIDENTS):
            position = len(current.taken)
            taken = self._intake.quarantine(current.alerts[position], current.delivery.id, position, reason)
            self._journal.set_taken_in(current.delivery.id, position + 1)
        return replace(current, taken=(*current.taken, taken))

    def _finish(self, current: OpenDelivery) -> None:
        if current.result:
            self._journal.set_delivery_state(current.delivery.id, *current.result)
            return
        heard = self._people.hear_page(current.news) if current.news else None
        if heard and not current.alerts:
            self._journal.set_delivery_state(
                current.delivery.id, heard.state, plain(heard.reason, _LONGEST_REASONS), heard.incident
            )
            return
        taken = sorted(current.taken, key=lambda result: get_args(Decision).index(result.state))
        incident = next((result.incident for result in taken if result.incident), None)
        reasons = plain(
            " ".join(
                dict.fromkeys([current.note, heard.reason if heard else "", *(taken.reason for taken in current.taken)])
            ),
            _LONGEST_REASONS,
        )
        state = "quarantined" if current.quarantined else taken[0].state
        self._journal.set_delivery_state(current.delivery.id, state, reasons, incident)
