"""One incident whose acts go from proposal through approval and executor to an outcome in a journal."""

# ruff: noqa: ANN401 - the parameters of any action

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from allclear.domain.act import Act
from allclear.domain.action import ActionContext, AnyAction, Outcome
from allclear.domain.base import JsonDict, utc_now
from allclear.domain.incident import Incident
from allclear.domain.records import AskAnswered, IncidentOpened
from allclear.domain.replay import replay
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.actions.registry import Registry
from allclear.journal.sql_journal import SqlJournal
from tests.patience import HUNG, patient_kind
from tests.scenario.response_support import new_journal
from tests.scopes import REAL
from tests.unit.domain.stories import MACHINE, plan
from tests.unit.fakes_actions import ANA

LONG = timedelta(seconds=HUNG)


class Acts:
    """One incident, its journal, and an executor of some actions. The first of them is meant if no other is named."""

    def __init__(
        self,
        folder: Path,
        context: ActionContext,
        kinds: Sequence[type[Any]],
        params: JsonDict,
        deadline: timedelta = LONG,
    ) -> None:
        """`params` are those of every act; its change may take `deadline` to show."""
        self.journal = SqlJournal(new_journal(folder), REAL)
        self.context = context
        self._params, self._first = params, kinds[0]
        registry = Registry.of(patient_kind(kind, deadline) for kind in kinds)
        self.executor = Executor(self.journal, registry, context)
        self._proposer = Proposer(self.journal, self.executor, plan(), utc_now)
        opened = IncidentOpened(
            company="vintstreet", title="Trouble", severity="P0", service="shop", runbook="outage", reported="by Ana"
        )
        self.id = self.journal.open_incident("VS", opened, MACHINE)[0]

    @property
    def incident(self) -> Incident:
        """Return the incident."""
        incident = replay(self.journal.entries(self.id))
        assert incident is not None
        return incident

    async def proposed(self, kind: type[AnyAction] | None = None, undoes: Act | None = None, **params: Any) -> Act:
        """Propose an act, and return it."""
        kind = kind or self._first
        raw = self._params | params if undoes is None else undoes.proposed.params
        request = ActionRequest("contain", "undo" if undoes else "act", kind.name, raw, kind.title, undoes=undoes)
        act = await self._proposer.propose(self.incident, request, MACHINE)
        return self.incident.acts[act]

    async def approved(self, kind: type[AnyAction] | None = None, **params: Any) -> Act:
        """Propose an act, approve it, and return it."""
        act = await self.proposed(kind, **params)
        self.approve(act)
        return act

    def approve(self, act: Act) -> None:
        """Approve, as Ana, each question about the act."""
        for ask in act.asks:
            self.journal.append(self.id, [AskAnswered(ask=ask, yes=True)], ANA)

    async def carried_out(self, act: Act) -> Outcome:
        """Carry out an approved act."""
        return await self.executor.carry_out(self.id, act.id, MACHINE)

    async def done(self, kind: type[AnyAction] | None = None, **params: Any) -> Outcome:
        """Propose, approve and carry out an act."""
        return await self.carried_out(await self.approved(kind, **params))

    async def undone(self) -> Outcome:
        """Propose, approve and carry out the undo of the incident's first act."""
        first = next(iter(self.incident.acts.values()))
        undo = await self.proposed(type(self.executor.action(first.proposed.action)), undoes=first)
        if undo.outcome:
            return undo.outcome
        self.approve(undo)
        return await self.carried_out(undo)
