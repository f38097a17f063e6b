"""The write of a claimed act, until its outcome is known: waits, conflicts and lost answers.

A rate limit is waited for. After a conflict or a lost answer the target is read first. The write is repeated if the
read proves that it has not taken effect, or if the vendor refuses or ignores a second one. All of it happens within the
change's own deadline, which the proof that follows may use once more. A message is not repeated if its words are no
longer right: its incident may have become private, or have ended, during the wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allclear.domain.action import ActStatus, Change, Fence, Outcome, Receipt, State
from allclear.domain.backoff import Backoff
from allclear.domain.errors import AllclearError, AnswerLost, Conflict, Denied, Refused, VendorRefused
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.reconcile import (
    Seen,
    already_done,
    drifted,
    failed,
    nothing_sent,
    outcome_of,
    read_until_shown,
    state_words,
    verified,
)
from allclear.engine.concurrency import sleep_without_slot

log = logging.getLogger("allclear.acts")

_MOST_TRIES = 3
"""How often a change is written if other writers keep changing the same resource without concerning it."""

_GRACE = timedelta(seconds=5)
"""How long a write whose answer was lost may take to show before it is written again, if its deadline is longer."""

_AFTER_CONFLICT = Backoff(first=0.3, factor=3.0)
_WHILE_LIMITED = Backoff(first=1.0, longest=10.0)


class _TooLate(AllclearError):
    """The write must not be repeated: what it says is no longer right. The message is why, as a clause."""


class Write:
    """One act's write, and its repetitions."""

    def __init__(
        self,
        loaded: LoadedAct,
        change: Change[Any],
        key: str,
        *,
        sent_before: bool = False,
        why_too_late: Callable[[], str] = lambda: "",
    ) -> None:
        """`sent_before`: whether a write of the same act may be under way already, after a crash.

        `why_too_late` is called before each repetition. It returns why the write must not be repeated, as a clause;
        empty if it may.
        """
        self._loaded = loaded
        self._change = change
        self._key = key
        self._why_too_late = why_too_late
        self._tried = False
        """Whether the write was tried."""
        self._maybe_sent = sent_before
        """Whether an earlier write of this act may have taken effect, or may still."""
        self._refusal = ""
        """Why it could not be written again after a lost answer."""
        self._fault = ""
        """The kind of an exception that the action itself has raised, as `KeyError`; it is not tried again then."""
        self._end = asyncio.get_running_loop().time() + change.deadline.total_seconds()

    async def issue(self) -> Outcome:
        """Write, prove the effect, and return the outcome."""
        try:
            receipt = await self._apply(self._change)
        except AnswerLost:
            return await self._after_lost_answer()
        except Conflict as error:
            return await self._after_conflict(error)
        except AllclearError as error:
            return self._not_sent(error)
        return await verified(self._loaded, self._change, receipt, "")

    async def _apply(self, change: Change[Any]) -> Receipt:
        """Write once. While the vendor limits our requests, wait and try again until the deadline.

        A pause is as long as the vendor asks for, and never shorter than our own back-off: some ask for 0 seconds.
        A page does not wait: it must reach people in another way. Raises as `Action.apply` does, and _TooLate.

        An exception that is none of ours comes from a fault in the action's code, and the write may have been sent by
        then: it is a lost answer.
        """
        action, params = self._loaded.action, self._loaded.params
        pauses = _WHILE_LIMITED.pauses()
        while True:
            if self._tried and (why := self._why_too_late()):
                raise _TooLate(why, "")
            self._tried = True
            try:
                return await action.apply(params, change, key=self._key)
            except VendorRefused as error:
                pause = max(next(pauses), error.seconds or 0)
                if not error.passes or action.pages or pause > self._left():
                    raise
                await sleep_without_slot(pause)
            except AllclearError:
                raise
            except Exception as error:
                log.exception("The action %s has a fault", action.name)
                self._fault = type(error).__name__  # its text may quote a secret
                raise AnswerLost(f"The action stopped ({self._fault}).", "Check it by hand.") from None

    def _left(self) -> float:
        """Return the seconds until the deadline."""
        return self._end - asyncio.get_running_loop().time()

    # --- conflicts ---------------------------------------------------------------------------------------

    async def _after_conflict(self, error: Conflict) -> Outcome:
        """Return the outcome after the vendor refused the write because of another version of the target.

        If the same change was made, the act is done. If the conflict does not concern the act, it is written again, at
        most three times in all. If it does concern the act, or if nothing was written in between, nothing is done.
        """
        change, pauses = self._change, _AFTER_CONFLICT.pauses()
        for tries in range(1, _MOST_TRIES + 1):
            await sleep_without_slot(next(pauses))
            try:
                now = await self._loaded.action.observe_result(self._loaded.params)
            except AllclearError:
                return await self._watch() if self._maybe_sent else failed(error)
            decided = await self._decided_by(now, change, error)
            if decided is not None:
                return decided
            if tries == _MOST_TRIES:
                return _crowded_out(change, now, tries)
            change = change.model_copy(update={"before": now})
            try:
                receipt = await self._apply(change)
            except Conflict as next_error:
                error = next_error
            except AnswerLost:
                self._change = change
                return await self._after_lost_answer()
            except AllclearError as other:
                return self._not_sent(other)
            else:
                return await verified(self._loaded, change, receipt, "")
        raise AssertionError  # the last round returns

    async def _decided_by(self, now: State, change: Change[Any], error: Conflict) -> Outcome | None:
        """Return the outcome if the state after a conflict decides it, or None if the write may be repeated."""
        loaded = self._loaded
        if loaded.action.target_reached(change, now):
            if self._maybe_sent:  # it may be our own change, which is then ours to undo
                return await verified(loaded, change, None, _LOST)
            return await already_done(loaded, change, now, "It was already done: the same change was made meanwhile.")
        token = now.fence_token()
        same_version = bool(token) and token == change.before.fence_token()
        unfenced = loaded.action.fence is Fence.NONE and bool(error.reason)
        changed = now.matters() != change.before.matters()
        if not (changed or same_version or unfenced):
            return None
        if self._maybe_sent:
            return await self._watch()  # the conflict may be with our own write, which a stale read hides
        return drifted(change, now, f"{error.message} Nothing was done.") if changed else _no_race(error)

    # --- lost answers ------------------------------------------------------------------------------------

    async def _after_lost_answer(self) -> Outcome:
        """Return the outcome after a write whose answer was lost.

        The target is read until the change shows. If it does not show for a while and the vendor fences writes, it is
        written again. If no read can tell by the deadline, the outcome is indeterminate until a later read can tell.
        """
        self._maybe_sent = True
        if self._fault:
            return await self._watch()
        if self._loaded.action.fence is Fence.KEY:
            return await self._send_key_again()
        if self._loaded.action.fence is Fence.NONE:
            return await self._watch()
        seen = await read_until_shown(self._loaded, self._change, None, min(_GRACE, self._change.deadline / 2))
        if seen.after is None:  # nothing is written while reads fail
            left = timedelta(seconds=max(self._left(), 0))
            seen = await read_until_shown(self._loaded, self._change, None, left, readable=True)
        if seen.conclusive:
            return outcome_of(self._change, seen, _LOST)
        return await self._write_again(seen) if seen.unchanged_since(self._change) else await self._watch()

    async def _send_key_again(self) -> Outcome:
        """Write again with the same key, which the vendor recognises."""
        try:
            receipt = await self._apply(self._change)
        except AllclearError as error:
            self._refusal = _why(error)
            return self._unknown()
        return await verified(self._loaded, self._change, receipt, _SENT_AGAIN)

    async def _write_again(self, seen: Seen) -> Outcome:
        """Write again against the version that was read; a write that landed since makes the vendor refuse it."""
        fresh = self._change.model_copy(update={"before": seen.after})
        try:
            receipt = await self._apply(fresh)
        except AllclearError as error:
            self._refusal = _why(error)
            return await self._watch()
        return await verified(self._loaded, fresh, receipt, _SENT_AGAIN)

    async def _watch(self) -> Outcome:
        """Read the target until the change shows, or until the deadline; then the outcome is indeterminate."""
        left = timedelta(seconds=max(self._left(), 0))
        if self._loaded.action.text_params:  # nothing may wait long for a message
            left = min(left, _GRACE)
        seen = await read_until_shown(self._loaded, self._change, None, left)
        if seen.never_known:
            return self._unknown(seen)
        if seen.conclusive or (seen.after is not None and not seen.unchanged_since(self._change)):
            return outcome_of(self._change, seen, self._stopped or _LOST)
        return self._unknown()

    def _not_sent(self, error: AllclearError) -> Outcome:
        """Return the outcome of a write that changed nothing; unknown if an earlier one of this act may have."""
        if not self._maybe_sent:
            return nothing_sent(error.message) if isinstance(error, _TooLate) else failed(error)
        self._refusal = _why(error)
        return self._unknown()

    @property
    def _stopped(self) -> str:
        """Return that a fault of the action has stopped it, as a sentence; empty if none has."""
        return f"The action stopped because of a fault in its own code ({self._fault})." if self._fault else ""

    def _unknown(self, seen: Seen | None = None) -> Outcome:
        again = f" It could not be sent again: {self._refusal}." if self._refusal else ""
        sent = f"It was sent, no answer came, and it has not been seen to take effect.{again}"
        if self._fault:
            sent = f"{self._stopped} Whether it was sent is not known, and it has not been seen to take effect."
        return Outcome(
            status=ActStatus.INDETERMINATE,
            changed=True,
            after=seen.after.model_dump(mode="json") if seen and seen.after else None,
            sentence=sent,
            next_step="Check it by hand before you do it again. If a later read can tell, the record will say so.",
        )


_LOST = "The answer to the write was lost."
_SENT_AGAIN = "The first answer was lost; it was sent again."


def _why(error: AllclearError) -> str:
    """Return why a second write was refused; empty for an error that only says that nothing was changed."""
    return error.message.rstrip(".") if isinstance(error, VendorRefused | Denied | Refused | _TooLate) else ""


def _no_race(error: Conflict) -> Outcome:
    """Return the outcome of a write that the vendor refused although nothing was written since our read."""
    return Outcome(
        status=ActStatus.FAILED,
        changed=False,
        sentence=f"The vendor refused it, and not because of another writer: {error.reason or error.message}",
        next_step="Correct what the reason names, or make the change by hand.",
    )


def _crowded_out(change: Change[Any], now: State, tries: int) -> Outcome:
    """Return the outcome of a change whose every write met a newer version of the resource."""
    writer = now.last_changed()
    return Outcome(
        status=ActStatus.FAILED,
        changed=False,
        after=now.model_dump(mode="json"),
        sentence=f"Nothing was done: another client keeps writing to {change.resource}, so that {tries} writes met a "
        f"newer version{f' (last changed {writer})' if writer else ''}. {state_words(now)}".strip(),
        next_step="Stop that client or wait until it is done. Then start this again.",
    )
