"""Takes in what waits in the inbox, in turns that are short enough for everybody else who writes to the journal.

A delivery may hold thousands of alerts. It is taken in over many turns, each durable by itself, while the deliveries of
other sources go on beside it; those of its own source wait, for a firing and its end must not change places.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from time import monotonic, sleep
from typing import get_args

from allclear.bootstrap import Engine
from allclear.domain.alert import Alert, Decision
from allclear.domain.errors import AllclearError, JournalError, Unreadable
from allclear.domain.text import plain
from allclear.engine.alerts.intake import Taken
from allclear.journal.ports import INCIDENTS, Delivery
from allclear.responder.deliveries import is_authenticated, is_numbered
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import kept
from allclear.responder.sources.source import Nothing, Partial
from allclear.responder.workers.supervisor import round_made

log = logging.getLogger("allclear.responder")

_LONGEST_WHY = 300
"""Characters: a reason may quote what a stranger wrote."""

_LONGEST_WHYS = 1000
"""Characters, where each alert of a delivery has a reason; each stands whole among what was heard."""

_TURN, _REST = 0.012, 0.002
"""Seconds: so long one transaction takes alerts in, and so long whoever else waits to write has the way to himself.

A lock goes to whoever asks first when it is free, and that would be the same thread again and again.
"""


_AT_ONCE = 50
"""Alerts that are read before a turn begins, where one delivery does not hold more."""


@dataclass(frozen=True)
class Read:
    """A delivery that is being taken in."""

    delivery: Delivery
    alerts: tuple[Alert, ...] = ()
    taken: tuple[Taken, ...] = ()
    """What became of the first of them."""
    end: tuple[str, str] | None = None
    """What it becomes and why, where it has no alerts."""
    note: str = ""

    @property
    def over(self) -> bool:
        """Return whether all of them are taken in."""
        return len(self.taken) == len(self.alerts)


class Taking:
    """The one who reads the inbox. Used by one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._journal = engine.journal
        self._intake = engine.intake
        self._world = engine.world
        self._open: dict[str, Read] = {}
        """Those that are read and not yet taken in to the end."""

    def take_in(self) -> None:
        """Take in every delivery that waits. Raises JournalError; what was not taken in then, waits."""
        while waiting := self._journal.unread(self._world):
            self._open = {one: self._open[one] for one, _ in waiting if one in self._open}
            while waiting:
                reached = self._turn(self._next(waiting))
                begun = {one.delivery.source for one in reached if not one.over}
                waiting = [(one, source) for one, source in waiting[len(reached) :] if source not in begun]
                sleep(_REST)
                round_made()  # many at once take their time, and are no standstill

    # --- a turn ----------------------------------------------------------------------------------------

    def _next(self, waiting: list[tuple[str, str]]) -> list[Read]:
        """Read the first of what waits: as much as a turn may take in, for to read takes time as well."""
        found, alerts = list[Read](), 0
        for one, _ in waiting:
            if one not in self._open:
                self._open[one] = self._read(self._journal.delivery(one))
            found.append(self._open[one])
            alerts += len(found[-1].alerts)
            if alerts >= _AT_ONCE:
                break
        return found

    def _turn(self, waiting: list[Read]) -> list[Read]:
        """Take in as many as one turn has time for, each commit waits for the disk; returns those it came to."""
        end, reached = monotonic() + _TURN, list[Read]()
        try:
            with self._journal.together(INCIDENTS):
                while len(reached) < len(waiting) and (not reached or monotonic() < end):
                    reached.append(self._go_on(waiting[len(reached)], end))
        except Exception:  # noqa: BLE001 - one that cannot be taken in never takes the others back with it
            reached = [self._take_alone(one) for one in waiting[: len(reached) + 1]]
        for one in reached:
            self._open.pop(one.delivery.id, None)
        self._open |= {one.delivery.id: one for one in reached if not one.over}
        return reached

    def _go_on(self, one: Read, end: float) -> Read:
        """Take in the next alerts of a delivery, and settles it after the last."""
        while not one.over:
            one = self._take_next(one)
            if not one.over and monotonic() >= end:
                self._journal.read_to(one.delivery.id, len(one.taken))
                return one
        self._settle(one)
        return one

    def _take_alone(self, one: Read) -> Read:
        """Take in what is left of a delivery, each alert by itself: one that cannot be taken in is set aside alone.

        Raises JournalError: the rest stays where it is until the journal is back.
        """
        while not one.over:
            try:
                one = self._take_by_itself(one)
            except JournalError as error:
                if not isinstance(error, Unreadable):
                    raise
                one = self._set_aside(one, str(error))
            except AllclearError as error:
                one = self._set_aside(one, str(error))
            except Exception as error:  # one alert never keeps the rest from being taken in
                log.exception("An alert of the delivery %s could not be taken in.", one.delivery.id)
                one = self._set_aside(one, f"It met a fault: {type(error).__name__}.")
            self._open[one.delivery.id] = one
            sleep(_REST)
            round_made()
        self._settle(one)
        return one

    # --- its parts -------------------------------------------------------------------------------------

    def _read(self, delivery: Delivery) -> Read:
        try:
            read = SOURCES[delivery.source].parse(kept(delivery.headers, delivery.body))
        except (ValueError, KeyError) as error:
            return Read(delivery, end=("quarantined", plain(f"It cannot be read: {error}.", _LONGEST_WHY)))
        except Exception as error:  # one delivery never keeps the rest from being read
            log.exception("The delivery %s could not be read.", delivery.id)
            return Read(delivery, end=("quarantined", f"It met a fault: {type(error).__name__}."))
        if isinstance(read, Nothing):
            return Read(delivery, end=("ignored", plain(read.reason, _LONGEST_WHY)))
        if not read:
            return Read(delivery, end=("ignored", "It holds no alert."))
        proven = is_authenticated(delivery)
        alerts = tuple(replace(alert, authenticated=proven) for alert in read)
        note = read.note if isinstance(read, Partial) else ""
        return Read(delivery, alerts, self._taken_before(delivery)[: len(alerts)], note=note)

    def _taken_before(self, delivery: Delivery) -> tuple[Taken, ...]:
        """Return what became of its first alerts, which a process took in that has ended."""
        if not delivery.read_to:
            return ()
        rows = sorted(self._journal.heard(delivery=delivery.id, limit=None), key=lambda row: row.at)
        last = {row.position: Taken(row.decision, row.reason, row.incident) for row in rows}
        return tuple(last[place] for place in range(delivery.read_to))

    def _take_next(self, one: Read) -> Read:
        delivery, place = one.delivery, len(one.taken)
        taken = self._intake.take(one.alerts[place], delivery.id, place, numbered=is_numbered(delivery))
        return replace(one, taken=(*one.taken, taken))

    def _take_by_itself(self, one: Read) -> Read:
        with self._journal.together(INCIDENTS):
            one = self._take_next(one)
            self._journal.read_to(one.delivery.id, len(one.taken))
        return one

    def _set_aside(self, one: Read, reason: str) -> Read:
        with self._journal.together(INCIDENTS):
            place = len(one.taken)
            taken = self._intake.set_aside(one.alerts[place], one.delivery.id, place, reason)
            self._journal.read_to(one.delivery.id, place + 1)
        return replace(one, taken=(*one.taken, taken))

    def _settle(self, one: Read) -> None:
        if one.end:
            self._journal.settle(one.delivery.id, *one.end)
            return
        taken = sorted(one.taken, key=lambda taken: get_args(Decision).index(taken.state))
        incident = next((one.incident for one in taken if one.incident), None)
        reasons = plain(" ".join(dict.fromkeys([one.note, *(taken.reason for taken in one.taken)])), _LONGEST_WHYS)
        self._journal.settle(one.delivery.id, taken[0].state, reasons, incident)
