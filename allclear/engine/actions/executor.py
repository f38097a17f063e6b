"""Carries out an act once, whichever process comes first.

The order is the point. *Preview*: observe, plan, precheck; the proposal in the journal holds the exact change. *Carry
out*: observe again, refuse if what matters has changed, journal the intent (which is the claim), apply, verify, journal
the outcome. After a crash an intent without an outcome is never applied blindly: the target is read first
(`allclear.engine.actions.reconcile`). See docs/decisions/0002-claims.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from allclear.domain.act import Act
from allclear.domain.action import (
    COMPANY,
    ActionContext,
    ActStatus,
    AnyAction,
    Change,
    Fence,
    Outcome,
    Params,
    Refusal,
    State,
)
from allclear.domain.after_end import is_too_late
from allclear.domain.approved_change import Clearance, clearance, missing_approvals
from allclear.domain.backoff import Backoff
from allclear.domain.errors import (
    AllclearError,
    ConcurrentWrite,
    JournalError,
    NotAllowed,
    NotFound,
    Refused,
)
from allclear.domain.incident import Incident
from allclear.domain.notify.published import is_from_before
from allclear.domain.plan import Plan
from allclear.domain.records import ActFinished, ActIntended, By
from allclear.domain.text import AS_NAME, must_answer, signature
from allclear.engine.actions import reconcile
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.registry import Registry, read_params
from allclear.engine.actions.write_retries import Write
from allclear.engine.concurrency import sleep_without_slot
from allclear.engine.incidents import read_incident
from allclear.journal.ports import Journal
from allclear.journal.rows import Acquired, Claim, Finished, Held

LEASE = timedelta(seconds=30)
"""How long a claim lasts unless it is renewed: longer than any client's own timeout (15 s for a traffic update)."""

_POLL = 0.05
"""Seconds between two reads of the journal while another process carries out the act."""

RETRY_CLAIM = 1.0
"""Seconds between two attempts to claim a resource that another act holds. Each attempt reads the target first."""

_CLAIM_TRIES = 10
"""How often a claim is tried at once while other entries are written to the incident."""

WHILE_REFUSED = Backoff(first=0.2, factor=1.5, longest=2.0)
"""The pauses while a refusal is waited for that passes by itself, as a rollout does."""

_LONGEST_WAIT = 2 * LEASE.total_seconds()
"""Seconds that an act waits while other acts change the same resource."""


@dataclass(frozen=True)
class Preview:
    """What an action would change now, and why it would be refused."""

    action: AnyAction
    params: Any
    change: Change[Any]
    now: State
    done: bool
    """Whether nothing is left to change."""
    refusals: list[Refusal]


class Executor:
    """Carries out acts. There is one in each process; several may share a journal."""

    def __init__(self, journal: Journal, registry: Registry, context: ActionContext, plan: Plan | None = None) -> None:
        """`plan` says which incidents are private, and how the commands in a next step say who gives them."""
        self._journal = journal
        self._registry = registry
        self._context = context
        self._plan = plan
        self._sign = signature(plan) if plan else AS_NAME
        self._actions: dict[str, AnyAction] = {}

    def action(self, name: str) -> AnyAction:
        """Return the action called `name`, ready for use. Raises NotFound."""
        if name not in self._actions:
            self._actions[name] = self._registry.action(name)(self._context)
        return self._actions[name]

    async def preview(self, name: str, raw: Mapping[str, Any]) -> Preview:
        """Return what the action `name` would change now: observe, plan and precheck. Nothing is written.

        Raises Refused if no change can be worked out, ConfigError for parameters that do not fit, MissingSecret,
        VendorError.
        """
        action = self.action(name)
        params = read_params(type(action), raw)
        self._require_clients(action, params)
        before = await action.observe_for_plan(params)
        try:
            change = action.plan(params, before)
        except Refused as error:
            raise Refused(error.message, self._named(error.next_step), error.candidates, typed=error.typed) from error
        done = action.target_reached(change, before)
        refusals = [] if done else await action.precheck(params, change)
        return self._preview(action, params, change, before, done=done, refusals=refusals)

    async def preview_undo(self, incident_id: str, act: Act, raw: Mapping[str, Any] | None = None) -> Preview:
        """Return what undoing `act` would change now; `raw` replaces its parameters, as with other texts.

        Raises Refused if its target has been changed since; the next step then names the command that closes it.
        """
        loaded = self.load(act)
        action, done_change = loaded.action, loaded.change
        params = loaded.params if raw is None else read_params(type(action), raw)
        self._require_clients(action, params)
        now = await action.observe(params)
        # With a key fence the target cannot be read back: it looks the same before the act and after it.
        readable = action.fence is not Fence.KEY
        if readable and action.nothing_left(done_change, now):
            back = done_change.model_copy(
                update={"before": now, "after": done_change.before, "summary": f"Undo: {done_change.summary}"}
            )
            return Preview(action, params, back, now, done=True, refusals=[])
        try:
            change = action.undo(params, done_change, now)
        except Refused as error:
            moved = not action.target_reached(done_change, now)
            out = f" {_way_out(incident_id, act)}" if moved else ""
            raise Refused(
                error.message, self._named(error.next_step + out).rstrip(), error.candidates, typed=error.typed
            ) from error
        refusals = await action.precheck(params, change)
        return self._preview(action, params, change, now, done=False, refusals=refusals)

    def _preview(
        self,
        action: AnyAction,
        params: Params,
        change: Change[Any],
        now: State,
        *,
        done: bool,
        refusals: Sequence[Refusal],
    ) -> Preview:
        """Return the preview. A check that could not be made refuses nothing: people read it as part of the risk."""
        warnings = [refusal.sentence for refusal in refusals if refusal.warning]
        change = change.model_copy(update={"risk": " ".join([change.risk, *warnings])}) if warnings else change
        standing = [
            refusal.model_copy(update={"next_step": self._named(refusal.next_step)})
            for refusal in refusals
            if not refusal.warning
        ]
        return Preview(action, params, change, now, done, standing)

    def _named(self, next_step: str) -> str:
        """Return a next step with the company's name in its commands, and with what the plan needs to know who acts."""
        return next_step.replace(COMPANY, self._journal.scope.company).replace(AS_NAME, self._sign)

    def _require_clients(self, action: AnyAction, params: Any) -> None:  # noqa: ANN401 - the action's own
        """Raise MissingSecret or ConfigError if the act could not be sent, even if planning it needs no client."""
        for vendor in action.clients(params):
            self._context.client(vendor)

    def load(self, act: Act) -> LoadedAct:
        """Return the act's action, parameters and change with their types. Raises Refused if it has no change."""
        action = self.action(act.proposed.action)
        params = read_params(type(action), act.proposed.params)
        if act.change is None:
            raise Refused(f"No change was worked out for {act.id}.", "Propose it again.")
        return LoadedAct(action, params, Change[action.state].model_validate(act.change))

    async def carry_out(self, incident_id: str, act_id: str, by: By) -> Outcome:
        """Carry out the act, unless it has an outcome, and return the outcome.

        Safe to call again, and from several processes at once: the write is issued at most once and then
        reconciled. Raises NotAllowed if the act is not cleared to go ahead, NotFound, JournalError, and VendorError
        if what became of an interrupted act cannot be read.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + _LONGEST_WAIT
        while loop.time() < end:
            incident, act = self._read(incident_id, act_id)
            if act.outcome:
                return act.outcome
            with suppress(ConcurrentWrite):  # the incident changed meanwhile: read it and try again
                outcome = await self._attempt(incident, act, by)
                if outcome is not None:
                    return outcome
                continue
            await sleep_without_slot(_POLL)
        return self._finish_unclaimed(
            incident_id,
            act_id,
            by,
            Outcome(
                status=ActStatus.FAILED,
                changed=False,
                drifted=True,
                sentence=f"Nothing was done: other acts kept changing the same resource for {_LONGEST_WAIT:.0f} s.",
                next_step=f"Find out which ones (`allclear incidents`). {reconcile.PROPOSED_AGAIN}",
            ),
        )

    # --- one attempt ---------------------------------------------------------------------------------

    async def _attempt(self, incident: Incident, act: Act, by: By) -> Outcome | None:
        """Return the outcome, or None if the caller must read the incident and try again."""
        _require_clearance(incident, act)
        try:
            loaded = self.load(act)
            now = await loaded.action.observe(loaded.params)
        except AllclearError as error:
            if act.intended:
                raise
            return self._finish_unclaimed(incident.id, act.id, by, reconcile.failed(error))
        if not act.intended:
            outdated = self._has_words_from_before(incident, act)
            over = reconcile.nothing_sent(_private(incident)) if outdated else None
            outcome, now = (over, now) if over else await _final_check(loaded, now)
            if outcome is not None:
                return self._finish_unclaimed(incident.id, act.id, by, outcome)
        change = loaded.change if act.intended else loaded.change.model_copy(update={"before": now})
        intent = ActIntended(
            act=act.id, digest=change.digest, change=change.model_dump(mode="json"), holder=self._journal.holder
        )
        claim = self._claim(incident.id, act.id, change.resource, intent, by)
        match claim:
            case Finished():
                return None
            case Held():
                await self._wait_for(claim, by)
                return None
            case Acquired():
                async with self._renewed(change.resource, claim.token):
                    why = partial(self._why_too_late, incident.id, act)
                    outcome = await _issue(loaded, change, f"{incident.id}/{act.id}", claim, why_too_late=why)
                finished = ActFinished(act=act.id, outcome=outcome)
                if self._journal.finish(change.resource, claim.token, incident.id, finished, by):
                    return outcome
                return None

    def _why_too_late(self, incident_id: str, begun: Act) -> str:
        """Return why a message that has begun must not be sent any more; empty if it may. Reads the record anew.

        It is empty for everything else, without a read: a journal that is locked must not stop a containment.
        """
        if not self._has_words(begun):
            return ""
        incident, act = self._read(incident_id, begun.id)
        if self._has_words_from_before(incident, act):
            return _private(incident)
        return "the incident has ended" if is_too_late(incident, act) else ""

    def _has_words_from_before(self, incident: Incident, act: Act) -> bool:
        """Return whether the act is a message whose text was written before the incident became private."""
        return self._plan is not None and self._has_words(act) and is_from_before(self._plan, incident, act)

    def _has_words(self, act: Act) -> bool:
        action = self.action(act.proposed.action)
        return bool(action.text_params) or action.pages or action.public

    # --- claims --------------------------------------------------------------------------------------

    def _claim(self, incident_id: str, act_id: str, resource: str, intent: ActIntended, by: By) -> Claim:
        """Claim the resource and journal the intent, unless the act is no longer cleared: a person may hold it now.

        Raises NotAllowed if it is not cleared, ConcurrentWrite if entries keep being written meanwhile.
        """
        for _ in range(_CLAIM_TRIES):
            incident, act = self._read(incident_id, act_id)
            if act.outcome is None:
                _require_clearance(incident, act)
            if not act.intended and self._has_words_from_before(incident, act):
                break  # it became private while the target was read
            with suppress(ConcurrentWrite):
                return self._journal.claim(resource, incident_id, act_id, LEASE, intent, by, expect=incident.length)
        raise ConcurrentWrite(f"Entries keep being written to {incident_id}.", "Try again in a moment.")

    async def _wait_for(self, held: Held, by: By) -> None:
        """Wait while another act changes the same resource; if the process that holds it is gone, finish that act.

        The journal is polled. The target is read only once in a while, because vendors limit the number of reads.
        """
        if not held.gone:
            loop = asyncio.get_running_loop()
            end = loop.time() + RETRY_CLAIM
            while loop.time() < end and self._read(held.incident, held.act)[1].outcome is None:
                await sleep_without_slot(_POLL)
            return
        with suppress(AllclearError):
            await self.carry_out(held.incident, held.act, by)

    @asynccontextmanager
    async def _renewed(self, resource: str, token: str) -> AsyncGenerator[None]:
        """Renew the claim on `resource` as long as the body runs."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(LEASE.total_seconds() / 3)
                with suppress(JournalError):  # the next renewal may work; `finish` checks that the claim is still ours
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
        """Journal the outcome of an act that never began; if another process wrote an outcome meanwhile, return that.

        Raises ConcurrentWrite if another process has begun the act meanwhile: `outcome` may then describe a change that
        is half made, and that process writes the outcome.
        """
        incident, act = self._read(incident_id, act_id)
        if act.outcome:
            return act.outcome
        if act.intended:
            raise ConcurrentWrite(
                f"Another process is carrying out {act_id} of {incident_id}.", "Ask for its outcome again in a moment."
            )
        self._journal.append(incident_id, [ActFinished(act=act_id, outcome=outcome)], by, expect=incident.length)
        return outcome

    def _read(self, incident_id: str, act_id: str) -> tuple[Incident, Act]:
        incident = read_incident(self._journal, incident_id)
        if act_id not in incident.acts:
            raise NotFound(f"There is no act {act_id} in {incident_id}.", f"`allclear show {incident_id}` lists them.")
        return incident, incident.acts[act_id]


def _way_out(incident_id: str, act: Act) -> str:
    """Return what a person can do about an act whose undo is refused because its target was changed since."""
    if act.proposed.invites:
        return (
            f'To change it: allclear move-meeting {incident_id} "DAY TIME" {AS_NAME}, or '
            f"allclear cancel-meeting {incident_id} --reason WHY {AS_NAME}"
        )
    return supersede_command(incident_id, act.id) if act.in_place else ""


def supersede_command(incident_id: str, act_id: str) -> str:
    """Return the command that closes a change whose undo is refused because the world has moved on."""
    return f"If it is to stay as it is now: allclear supersede {incident_id} {act_id} --reason WHY {AS_NAME}"


def _private(incident: Incident) -> str:
    """Return why words from before are not sent, as a clause."""
    return f"{incident.id} has become private"


def _require_clearance(incident: Incident, act: Act) -> None:
    cleared = clearance(incident, act)
    if cleared.may_go_ahead:
        return
    if cleared is Clearance.ENDED:
        raise NotAllowed(
            f"{act.id} is NOT done: {incident.id} has ended.",
            "If it is still needed, start it by hand: allclear act. It then belongs to an incident of its own.",
        )
    if cleared is Clearance.HELD:
        raise NotAllowed(
            f"{act.id} of {incident.id} is not done, because the incident is held.",
            f"When automatic action may go on: allclear release {incident.id} {AS_NAME}",
        )
    state = incident.asks[missing_approvals(incident, act)[0]]
    next_step = must_answer(state.ask) if state.open else f"Read on: allclear show {incident.id}."
    raise NotAllowed(f"{act.id} of {incident.id} is not approved.", next_step)


async def _final_check(loaded: LoadedAct, now: State) -> tuple[Outcome | None, State]:
    """Return the outcome of an act that ends before it begins, or None if it may go on; and the state read last.

    A refusal that passes is waited for, within the change's deadline. Raises VendorError.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + loaded.change.deadline.total_seconds()
    for pause in WHILE_REFUSED.pauses():
        outcome = await _check_once(loaded, now)
        if outcome is None or not outcome.passes or loop.time() + pause > end:
            return outcome, now
        await sleep_without_slot(pause)
        now = await loaded.action.observe(loaded.params)
    raise AssertionError  # the pauses have no end


async def _check_once(loaded: LoadedAct, now: State) -> Outcome | None:
    action, change = loaded.action, loaded.change
    if action.target_reached(change, now):
        return await reconcile.already_done(loaded, change, now, "It was already done: nothing was left to change.")
    if now.matters() != change.before.matters():
        return reconcile.drifted(change, now, "Nothing was done: the target has changed since this was proposed.")
    refusals = await action.precheck(loaded.params, change.model_copy(update={"before": now}))
    standing = [refusal for refusal in refusals if not refusal.warning]
    return reconcile.refused(standing) if standing else None


async def _issue(
    loaded: LoadedAct, change: Change[Any], key: str, claim: Acquired, *, why_too_late: Callable[[], str]
) -> Outcome:
    """Apply the claimed change, or find out what became of it if it was begun before, and return the outcome.

    `why_too_late` is called right before each write but the first of an act. It returns why the change must not be made
    any more; empty if it may.
    """
    if claim.resumed:
        found = await reconcile.after_interruption(loaded, change, holder_dead=claim.holder_dead)
        if isinstance(found, Outcome):
            return found
        if why := why_too_late():
            return reconcile.too_late(loaded.action, why)
        change = found
    return await Write(loaded, change, key, sent_before=claim.resumed, why_too_late=why_too_late).issue()
