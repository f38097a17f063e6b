"""Learns from the pager who is on duty, for rotas with `from_pager`, while nothing is wrong.

The answer is written as overrides of the rota. So every process knows it, and no one is looked up in the emergency. If
the pager does not answer for two hours, the turns of the rota count again.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from allclear.domain.action import AnyAction
from allclear.domain.base import Clock, person_key
from allclear.domain.errors import AllclearError
from allclear.domain.plan import Plan, Rota, RotaOverride
from allclear.engine.actions.executor import Executor
from allclear.journal.ports import Journal

log = logging.getLogger("allclear.responder")

_WRITE_EVERY = timedelta(minutes=50)
"""How often the same person is written again, so that the pager's word does not grow too old."""


class OnCallWatch:
    """Keeps the overrides of one company's rotas as the pager says."""

    def __init__(self, journal: Journal, executor: Executor, plan: Plan, clock: Clock) -> None:
        self._journal = journal
        self._executor = executor
        self._plan = plan
        self._clock = clock
        self._failed: set[str] = set()

    @property
    def needed(self) -> bool:
        """Return whether a rota of the plan asks for it."""
        return any(rota.from_pager for rota in self._plan.rotas)

    async def update(self) -> None:
        """Ask the pager once for each rota. A failure is logged once, and changes nothing. Raises JournalError."""
        page = self._plan.reminders.page
        for rota in self._plan.rotas:
            if not rota.from_pager or page is None or rota.role not in self._plan.roles:
                continue
            try:
                action = self._executor.action(page.action)
                await self._update(rota, action)
            except AllclearError as error:
                if rota.role not in self._failed:
                    log.warning("Who is on duty as %s cannot be read, so the rota counts: %s", rota.role, error)
                self._failed.add(rota.role)
            else:
                self._failed.discard(rota.role)

    async def _update(self, rota: Rota, action: AnyAction) -> None:
        """Write who is on duty in each layer, if that is news. Raises VendorError, JournalError."""
        policy = self._plan.roles[rota.role].pager_policy
        if not action.knows_on_call or not policy:
            return
        levels, now = await action.on_call(policy), self._clock()
        known = self._journal.overrides(rota.role)
        for layer, address in zip(rota.layers, levels, strict=False):
            person = self._plan.person_at(action.reaches or "", address)
            last = next((one for one in known if one.layer == layer.name), None)
            same = person and last and person_key(last.person) == person_key(person.name)
            if person and not (same and last and now - last.at < _WRITE_EVERY):
                self._journal.add_override(RotaOverride(role=rota.role, layer=layer.name, person=person.name, at=now))
