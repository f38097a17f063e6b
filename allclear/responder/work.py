"""What the responder does after it has answered: reads the inbox, opens incidents, runs the errands."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from time import monotonic, sleep
from typing import get_args

from allclear.bootstrap import Engine
from allclear.domain.errors import AllclearError, JournalError, Unreadable
from allclear.domain.scribe import plain
from allclear.engine.intake import Became, Taken
from allclear.journal.port import INCIDENTS, Delivery
from allclear.orchestrator import Errands
from allclear.responder.inbox import is_authenticated, is_numbered
from allclear.responder.loops import go_round, round_made
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import kept
from allclear.responder.sources.source import Nothing

log = logging.getLogger("allclear.responder")

_LOOK_AGAIN = 0.25
"""Seconds between two looks at the outbox: others put errands there too."""


_LONGEST_WHY = 300
"""Characters: a reason may quote what a stranger wrote."""

_LONGEST_WHYS = 1000
"""Characters, where each alert of a delivery has a reason; each stands whole among what was heard."""

_TURN, _REST = 0.012, 0.002
"""Seconds: so long one transaction takes alerts in, and so long whoever else waits to write has the way to himself.

A lock goes to whoever asks first when it is free, and that would be the same thread again and again.
"""


class Work:
    """The loops behind the responder's doors."""

    def __init__(self, engine: Engine, errands: Errands, taken: asyncio.Event) -> None:
        self._engine = engine
        self._errands = errands
        self.arrived = asyncio.Event()
        """Set whenever something new is in the inbox."""
        self.taken = taken
        """Set whenever something of it has reached the journal."""

    async def read_inbox(self) -> None:
        """Takes in what arrives, for ever; what was left by an earlier process first."""
        while True:
            with suppress(TimeoutError):
                # `wait_for` of Python 3.11 forgets that it was cancelled when something arrives in the same moment.
                async with asyncio.timeout(1.0):
                    await self.arrived.wait()
            self.arrived.clear()
            try:
                await asyncio.to_thread(self.take_in)
                self.taken.set()
            except AllclearError as error:
                log.warning("%s", error)
            except Exception:  # the loop must go on, whatever it met: alerts are being taken in
                log.exception("An alert could not be taken in; it is tried again.")
            round_made()

    async def run_errands(self) -> None:
        """Takes the outbox to Prefect, for ever."""
        while True:
            await go_round(
                lambda: self._errands.deliver(each=round_made), "An errand could not be run; it is tried again."
            )
            await asyncio.sleep(_LOOK_AGAIN)

    def take_in(self) -> None:
        """Takes in every delivery that waits. Raises JournalError; what was not taken in then, waits."""
        while waiting := self._engine.journal.deliveries(state="new"):
            while waiting:
                waiting = waiting[self._take_some(waiting) :]
                sleep(_REST)
                round_made()  # many at once take their time, and are no standstill

    def _take_some(self, waiting: list[Delivery]) -> int:
        """Takes in as many as one turn has time for, and says how many: each commit waits for the disk."""
        end, done = monotonic() + _TURN, 0
        try:
            with self._engine.journal.together(INCIDENTS):
                while done < len(waiting) and (not done or monotonic() < end):
                    self._take(waiting[done])
                    done += 1
        except Exception:  # noqa: BLE001 - one that cannot be taken in never takes the others back with it
            for delivery in waiting[: done + 1]:
                self._take_alone(delivery)
            return done + 1
        return done

    def _take_alone(self, delivery: Delivery) -> None:
        settle = self._engine.journal.settle
        try:
            with self._engine.journal.together(INCIDENTS):
                self._take(delivery)
        except Unreadable as error:  # it waits for whoever mends the record, and no other alert waits with it
            settle(delivery.id, "quarantined", str(error))
        except JournalError:
            raise  # it stays where it is, and is taken in when the journal is back
        except AllclearError as error:
            settle(delivery.id, "quarantined", str(error))
        except Exception as error:  # one delivery never keeps the rest from being taken in
            log.exception("The delivery %s could not be taken in.", delivery.id)
            settle(delivery.id, "quarantined", f"It met a fault: {type(error).__name__}.")

    def _take(self, delivery: Delivery) -> None:
        settle = self._engine.journal.settle
        try:
            read = SOURCES[delivery.source].parse(kept(delivery.headers, delivery.body))
        except (ValueError, KeyError) as error:
            settle(delivery.id, "quarantined", plain(f"It cannot be read: {error}.", _LONGEST_WHY))
            return
        if isinstance(read, Nothing):
            settle(delivery.id, "ignored", plain(read.why, _LONGEST_WHY))
            return
        proven, numbered = is_authenticated(delivery), is_numbered(delivery)
        taken = [
            self._engine.intake.take(replace(alert, authenticated=proven), delivery.id, place, numbered=numbered)
            for place, alert in enumerate(read)
        ]
        best = min(taken, key=_weight)
        why = plain(" ".join(dict.fromkeys(one.why for one in taken)), _LONGEST_WHYS)
        settle(delivery.id, best.state, why, best.incident)


def _weight(taken: Taken) -> int:
    return get_args(Became).index(taken.state)
