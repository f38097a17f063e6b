"""Does an act once: proposes it, and after the approval carries it out, whoever gets there first.

The order is the whole point. *Propose*: observe, plan, precheck; the journal has the exact change. *Carry out*:
observe again, refuse if what matters has drifted, write down the intent (which is the claim), apply, look, write down
the outcome. After a crash an intent without an outcome is never applied blindly: the world is read first.
See docs/decisions/0002-intent-is-the-claim.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allclear.domain.action import (
    ActionContext,
    ActStatus,
    AnyAction,
    Change,
    Fence,
    Finding,
    Outcome,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.errors import (
    AllclearError,
    AnswerLost,
    ConcurrentWrite,
    Conflict,
    JournalError,
    NotAllowed,
    NotFound,
    Refused,
    VendorError,
)
from allclear.domain.incident import Act, Incident
from allclear.domain.records import ActFinished, ActIntended, By
from allclear.engine.actions.registry import Registry, read_params
from allclear.engine.concurrency import rest
from allclear.engine.incidents import read_incident
from allclear.journal.ports import Acquired, Finished, Held, Journal

LEASE = timedelta(seconds=30)
"""How long a claim lives unrenewed: longer than any client's own timeout (15 s for a traffic update)."""

_AGAIN = 0.05
"""Seconds between two looks at an act that somebody else carries out."""

_PROBED = 1.0
"""Seconds between two tries to begin what somebody else holds; each looks at the world first."""

_PATIENCE = 2 * LEASE.total_seconds()
"""Seconds that an act waits while others change the same thing."""


@dataclass(frozen=True)
class Prepared:
    """An act's pieces, typed again from what the journal holds."""

    action: AnyAction
    params: Any
    change: Change[Any]


@dataclass(frozen=True)
class Preview:
    """What doing something now would change, worked out and not done."""

    action: AnyAction
    params: Any
    change: Change[Any]
    now: State
    done: bool
    refusals: list[Refusal]


class Executor:
    """Carries acts out. One a process; many may share a journal."""

    def __init__(self, journal: Journal, registry: Registry, context: ActionContext, world: str = "") -> None:
        """`world` tells whose resources these are: two companies, or a rehearsal, may have a flag of the same name."""
        self._world = world
        self._journal = journal
        self._registry = registry
        self._around = context
        self._actions: dict[str, AnyAction] = {}

    def action(self, name: str) -> AnyAction:
        """Return the action called `name`, ready for use. Raises NotFound."""
        if name not in self._actions:
            self._actions[name] = self._registry.action(name)(self._around)
        return self._actions[name]

    async def preview(self, name: str, raw: Mapping[str, Any]) -> Preview:
        """Return what doing `name` now would change: observe, plan and precheck; nothing is written anywhere.

        Raises Refused where no change can be named, ConfigError for parameters that do not fit, VendorError.
        """
        action = self.action(name)
        params = read_params(type(action), raw)
        before = await action.observe_for_plan(params)
        change = action.plan(params, before)
        done = action.target_reached(change, before)
        refusals = [] if done else await action.precheck(params, change)
        return Preview(action, params, change, before, done, list(refusals))

    async def preview_undo(self, act: Act) -> Preview:
        """Return what undoing `act` now would change. Raises Refused where the world has moved since."""
        prepared = self.prepared(act)
        action, params, done_change = prepared.action, prepared.params, prepared.change
        now = await action.observe(params)
        readable = action.fence is not Fence.KEY  # what cannot be read back looks the same before and after
        if readable and not action.target_reached(done_change, now) and now.matters() == done_change.before.matters():
            back = done_change.model_copy(
                update={"before": now, "after": done_change.before, "summary": f"Undo: {done_change.summary}"}
            )
            return Preview(action, params, back, now, done=True, refusals=[])
        change = action.undo(params, done_change, now)
        refusals = await action.precheck(params, change)
        return Preview(action, params, change, now, done=False, refusals=list(refusals))

    def prepared(self, act: Act) -> Prepared:
        """Return the act's action, parameters and change, typed again. Raises Refused for an act without a change."""
        action = self.action(act.proposed.action)
        params = read_params(type(action), act.proposed.params)
        if act.change is None:
            raise Refused(f"No change was worked out for {act.id}.", "Propose it again.")
        return Prepared(action, params, Change[action.state].model_validate(act.change))

    async def carry_out(self, incident_id: str, act_id: str, by: By) -> Outcome:
        """Return the act's outcome, doing it unless that is already known.

        Safe to call again, and by several processes at once: the write is issued at most once and then
        reconciled. Raises NotAllowed while the approval is missing, JournalError.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE
        while loop.time() < end:
            incident, act = self._read(incident_id, act_id)
            if act.outcome:
                return act.outcome
            with suppress(ConcurrentWrite):  # somebody wrote something meanwhile: look again
                outcome = await self._attempt(incident, act, by)
                if outcome is not None:
                    return outcome
                continue
            await rest(_AGAIN)
        return self._finish_unclaimed(
            incident_id,
            act_id,
            by,
            Outcome(
                status=ActStatus.FAILED,
                changed=False,
                drifted=True,
                sentence="Somebody else keeps changing the same thing; nothing was done.",
                next_step="Find out who, then propose it again.",
            ),
        )

    # --- the way of one attempt --------------------------------------------------------------------

    async def _attempt(self, incident: Incident, act: Act, by: By) -> Outcome | None:
        """Return the outcome, or None where another attempt must look again."""
        if not act.intended:
            _require_approval(incident, act)
        try:
            prepared = self.prepared(act)
            now = await prepared.action.observe(prepared.params)
        except AllclearError as error:
            if act.intended:
                raise
            return self._finish_unclaimed(incident.id, act.id, by, _failed(error))
        if not act.intended:
            verdict = await self._still_so(prepared, now)
            if verdict is not None:
                return self._finish_unclaimed(incident.id, act.id, by, verdict)
        fresh = prepared.change if act.intended else prepared.change.model_copy(update={"before": now})
        intent = ActIntended(
            act=act.id, digest=fresh.digest, change=fresh.model_dump(mode="json"), holder=self._journal.holder
        )
        claimed = f"{self._world}: {fresh.resource}" if self._world else fresh.resource
        claim = self._journal.claim(claimed, incident.id, act.id, LEASE, intent, by)
        match claim:
            case Finished():
                return None
            case Held():
                await self._make_way(claim, by)
                return None
            case Acquired():
                async with self._kept(claimed, claim.token):
                    outcome = await self._do(prepared, fresh, incident.id, act.id, claim)
                finished = ActFinished(act=act.id, outcome=outcome)
                if self._journal.finish(claimed, claim.token, incident.id, finished, by):
                    return outcome
                return None

    async def _still_so(self, prepared: Prepared, now: State) -> Outcome | None:
        """Return why the act ends before it begins, or None when it may go on."""
        action, change = prepared.action, prepared.change
        if action.target_reached(change, now):
            return await self._seen_done(prepared, change, now, "Found done already: nothing was left to change.")
        if now.matters() != change.before.matters():
            return Outcome(
                status=ActStatus.FAILED,
                changed=False,
                drifted=True,
                after=now.model_dump(mode="json"),
                sentence="The world has moved since this was proposed; nothing was done.",
                next_step="It is worked out again, on what is there now.",
            )
        refusals = await action.precheck(prepared.params, change.model_copy(update={"before": now}))
        if refusals:
            return Outcome(
                status=ActStatus.REFUSED,
                changed=False,
                sentence=" ".join(refusal.sentence for refusal in refusals),
                next_step=refusals[0].next_step,
            )
        return None

    async def _do(self, prepared: Prepared, change: Change[Any], incident: str, act: str, claim: Acquired) -> Outcome:
        action, params = prepared.action, prepared.params
        if claim.resumed:
            now = await action.observe(params)
            if action.target_reached(change, now):
                return await self._proof(prepared, change, None, "It had taken effect before the interruption.")
            same = now.matters() == change.before.matters()
            if not same or (action.fence is Fence.NONE and not claim.holder_dead):
                return Outcome(
                    status=ActStatus.INDETERMINATE,
                    changed=True,
                    after=now.model_dump(mode="json"),
                    sentence="It was interrupted, and what is there now is neither what was nor what was intended.",
                    next_step="Look at it, and set it right by hand.",
                )
            change = change.model_copy(update={"before": now})
        try:
            receipt = await action.apply(params, change, key=f"{incident}/{act}")
        except AnswerLost:
            return await self._after_lost_answer(prepared, change, key=f"{incident}/{act}")
        except Conflict as error:
            outcome = await self._after_conflict(prepared, change, error, f"{incident}/{act}")
            # Of a resumed act, who wrote first may be its own first holder, whose write was still under way: then
            # what is there is ours, and somebody has to undo it.
            return outcome.model_copy(update={"changed": True}) if claim.resumed and outcome.good else outcome
        except AllclearError as error:
            return _failed(error)
        return await self._proof(prepared, change, receipt, "")

    async def _after_conflict(
        self, prepared: Prepared, change: Change[Any], error: Conflict, key: str, left: int = 3
    ) -> Outcome:
        """Somebody wrote between our look and our write: done by them, unrelated (go on), or a drift (stop)."""
        action, params = prepared.action, prepared.params
        try:
            now = await action.observe(params)
            if action.target_reached(change, now):
                note = "Found done already: somebody else made the same change at the same moment."
                return await self._seen_done(prepared, change, now, note)
            if now.matters() == change.before.matters() and left:
                fresh = change.model_copy(update={"before": now})
                receipt = await action.apply(params, fresh, key=key)
                return await self._proof(prepared, fresh, receipt, "")
        except AnswerLost:
            return await self._after_lost_answer(prepared, change, key)
        except Conflict as again:
            return await self._after_conflict(prepared, change, again, key, left - 1)
        except AllclearError as other:
            return _failed(other)
        return Outcome(
            status=ActStatus.FAILED,
            changed=False,
            drifted=True,
            after=now.model_dump(mode="json"),
            sentence=f"{error.message} Nothing was done.",
            next_step="It is worked out again, on what is there now.",
        )

    async def _after_lost_answer(self, prepared: Prepared, change: Change[Any], key: str) -> Outcome:
        """We wrote and heard nothing: look until it shows; where the vendor fences, write once more."""
        action, params = prepared.action, prepared.params
        grace = min(change.deadline, timedelta(seconds=5))
        if action.fence is not Fence.KEY:
            seen = await self._proof(prepared, change, None, "The answer to the write was lost.", within=grace)
            if seen.good:
                return seen
        if action.fence is Fence.NONE:
            return Outcome(
                status=ActStatus.INDETERMINATE,
                changed=True,
                sentence="It was sent, no answer came, and it does not show.",
                next_step="Look at it by hand.",
            )
        try:
            now = await action.observe(params)
            if now.matters() != change.before.matters():
                return await self._proof(prepared, change, None, "The answer to the write was lost.")
            fresh = change.model_copy(update={"before": now})
            receipt = await action.apply(params, fresh, key=key)
        except AllclearError as error:
            return Outcome(
                status=ActStatus.INDETERMINATE,
                changed=True,
                sentence=f"It was sent, no answer came, and then: {error.message}",
                next_step=error.next_step,
            )
        return await self._proof(prepared, change, receipt, "The first answer was lost; it was sent again.")

    async def _seen_done(self, prepared: Prepared, change: Change[Any], now: State, note: str) -> Outcome:
        """Return the outcome of what somebody else has done; where it is still under way, once it shows."""
        found = found_done(prepared.action, change, now, note)
        if found.good:
            return found
        seen = await self._proof(prepared, change.model_copy(update={"before": now}), None, note)
        return seen.model_copy(update={"changed": False})

    async def _proof(
        self,
        prepared: Prepared,
        change: Change[Any],
        receipt: Receipt | None,
        note: str,
        within: timedelta | None = None,
    ) -> Outcome:
        """Look until the change shows, or its deadline has passed."""
        action, params = prepared.action, prepared.params
        loop = asyncio.get_running_loop()
        end = loop.time() + (within or change.deadline).total_seconds()
        pause, after, finding = 0.05, None, Finding(verdict=Verdict.INCONCLUSIVE, sentence="It was not seen yet.")
        while True:
            try:
                after = await action.observe(params)
                finding = action.verify(change, after, receipt)
            except VendorError as error:
                finding = Finding(verdict=Verdict.INCONCLUSIVE, sentence=error.message)
            if finding.verdict is Verdict.SUCCESS or finding.final or loop.time() + pause > end:
                break
            await rest(pause)
            pause = min(pause * 1.5, 1.0)
        good = finding.verdict is Verdict.SUCCESS
        seen = after.model_dump(mode="json") if after else None
        unchanged = after is not None and after.matters() == change.before.matters() and not good
        failed = unchanged and finding.verdict is Verdict.FAILURE
        return Outcome(
            status=ActStatus.VERIFIED if good else ActStatus.FAILED if failed else ActStatus.UNVERIFIED,
            changed=not failed,
            after=seen,
            sentence=" ".join(part for part in (note, finding.sentence) if part),
            next_step="" if good else "Look at it before going on.",
        )

    # --- claims --------------------------------------------------------------------------------------

    async def _make_way(self, busy: Held, by: By) -> None:
        """Wait while another act changes the same thing; finishes for it when its holder is gone.

        It looks into the journal meanwhile, and only now and then at what is changed: that is the vendor's to count.
        """
        if not busy.gone:
            loop = asyncio.get_running_loop()
            end = loop.time() + _PROBED
            while loop.time() < end and self._read(busy.incident, busy.act)[1].outcome is None:
                await rest(_AGAIN)
            return
        with suppress(AllclearError):
            await self.carry_out(busy.incident, busy.act, by)

    @asynccontextmanager
    async def _kept(self, resource: str, token: str) -> AsyncGenerator[None]:
        async def renew() -> None:
            while True:
                await asyncio.sleep(LEASE.total_seconds() / 3)
                with suppress(JournalError):  # it may be back next time; `finish` says whether the claim is still ours
                    if not self._journal.renew(resource, token, LEASE):
                        return

        renewal = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewal.cancel()
            with suppress(asyncio.CancelledError):
                await renewal

    def _finish_unclaimed(self, incident_id: str, act_id: str, by: By, outcome: Outcome) -> Outcome:
        """Write the outcome of an act that never began; another's outcome, written meanwhile, is adopted.

        Raises Moved where somebody has begun it meanwhile: what was seen may be that one's own work, half done, and
        its outcome is the holder's to write.
        """
        incident, act = self._read(incident_id, act_id)
        if act.outcome:
            return act.outcome
        if act.intended:
            raise ConcurrentWrite(
                f"{act_id} of {incident_id} is being carried out by somebody else.", "Ask again in a moment."
            )
        self._journal.append(incident_id, [ActFinished(act=act_id, outcome=outcome)], by, expect=incident.length)
        return outcome

    def _read(self, incident_id: str, act_id: str) -> tuple[Incident, Act]:
        incident = read_incident(self._journal, incident_id)
        if act_id not in incident.acts:
            raise NotFound(f"There is no act {act_id} in {incident_id}.", f"`allclear show {incident_id}` lists them.")
        return incident, incident.acts[act_id]


def found_done(action: AnyAction, change: Change[Any], now: State, sentence: str) -> Outcome:
    """Return the outcome of an act that had nothing left to do: proven, or on its way."""
    finding = action.verify(change, now, None)
    good = finding.verdict is Verdict.SUCCESS
    return Outcome(
        status=ActStatus.VERIFIED if good else ActStatus.UNVERIFIED,
        changed=False,
        after=now.model_dump(mode="json"),
        sentence=sentence if good else f"{sentence} {finding.sentence}",
        next_step="" if good else "Look at it before going on.",
    )


def _failed(error: AllclearError) -> Outcome:
    status = ActStatus.REFUSED if isinstance(error, Refused) else ActStatus.FAILED
    return Outcome(status=status, changed=False, sentence=error.message, next_step=error.next_step)


def _require_approval(incident: Incident, act: Act) -> None:
    for ask_id in act.asks:
        ask = incident.asks[ask_id]
        if not ask.granted or ask.ask.digest != act.proposed.digest:
            raise NotAllowed(
                f"{act.id} of {incident.id} is not approved.", f"Ask for it: allclear approve {ask_id} --as NAME."
            )
