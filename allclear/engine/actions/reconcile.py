"""What became of a write: after a crash, a conflict or a lost answer, and by reading the target until it shows.

Nothing here writes blindly. The target is read first, and the write is repeated only if the read proves that it has not
taken effect, or if the vendor refuses or ignores a second write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from allclear.domain.action import (
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
from allclear.domain.errors import AllclearError, AnswerLost, Conflict, Refused, VendorError
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.concurrency import sleep_without_slot

PROPOSED_AGAIN = "A runbook proposes it again, for the present state. If you started it by hand, start it again."
"""The next step after a change that was not made because its target had changed."""

_CHECK_IT = "Check it yourself before you go on."
"""The next step after a change that was not seen to take effect."""

_GRACE = timedelta(seconds=5)
"""How long a write whose answer was lost may take to show, if the change's own deadline is longer."""

_MOST_CONFLICTS = 3
"""How often a write is repeated because of conflicts that did not concern it."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
"""The pause between two reads of the target, in seconds. It grows from the first to the longest."""


async def after_interruption(loaded: LoadedAct, change: Change[Any], *, holder_dead: bool) -> Outcome | Change[Any]:
    """Return the outcome of an act that was interrupted, or the change that is still to be made.

    `holder_dead` is whether the process that began it has ended, and can no longer write. Raises VendorError.
    """
    action = loaded.action
    now = await action.observe(loaded.params)
    if action.target_reached(change, now):
        return await verified(loaded, change, None, "It had taken effect before the interruption.")
    same = now.matters() == change.before.matters()
    if not same or (action.fence is Fence.NONE and not holder_dead):
        found = (
            "the process that began it may still write. Its target is unchanged so far."
            if same
            else "its target is neither as it was before nor as intended."
        )
        return Outcome(
            status=ActStatus.INDETERMINATE,
            changed=True,
            after=now.model_dump(mode="json"),
            sentence=f"It was interrupted, and {found}",
            next_step="Check it, and correct it by hand.",
        )
    return change.model_copy(update={"before": now})


async def after_conflict(
    loaded: LoadedAct, change: Change[Any], error: Conflict, key: str, left: int = _MOST_CONFLICTS
) -> Outcome:
    """Return the outcome after the target was changed between our read and our write.

    If the same change was made, the act is done. If the conflict does not concern the act, it is written again. If it
    does, nothing is done. `left` is how often it may be written again.
    """
    action, params = loaded.action, loaded.params
    try:
        now = await action.observe(params)
        if action.target_reached(change, now):
            return await already_done(loaded, change, now, "It was already done: the same change was made meanwhile.")
        if now.matters() == change.before.matters() and left:
            fresh = change.model_copy(update={"before": now})
            receipt = await action.apply(params, fresh, key=key)
            return await verified(loaded, fresh, receipt, "")
    except AnswerLost:
        return await after_lost_answer(loaded, change, key)
    except Conflict as next_error:
        return await after_conflict(loaded, change, next_error, key, left - 1)
    except AllclearError as other:
        return failed(other)
    return Outcome(
        status=ActStatus.FAILED,
        changed=False,
        drifted=True,
        after=now.model_dump(mode="json"),
        sentence=f"{error.message} Nothing was done.",
        next_step=PROPOSED_AGAIN,
    )


async def after_lost_answer(loaded: LoadedAct, change: Change[Any], key: str) -> Outcome:
    """Return the outcome after a write whose answer was lost.

    The target is read until the change shows. If it does not show and the vendor fences writes, it is written again.
    """
    action, params = loaded.action, loaded.params
    if action.fence is not Fence.KEY:
        note = "The answer to the write was lost."
        outcome = await verified(loaded, change, None, note, within=min(change.deadline, _GRACE))
        if outcome.good:
            return outcome
    if action.fence is Fence.NONE:
        return Outcome(
            status=ActStatus.INDETERMINATE,
            changed=True,
            sentence="It was sent, no answer came, and it has not been seen to take effect.",
            next_step="Check it by hand.",
        )
    try:
        now = await action.observe(params)
        if now.matters() != change.before.matters():
            return await verified(loaded, change, None, "The answer to the write was lost.")
        fresh = change.model_copy(update={"before": now})
        receipt = await action.apply(params, fresh, key=key)
    except AllclearError as error:
        return Outcome(
            status=ActStatus.INDETERMINATE,
            changed=True,
            sentence=f"It was sent and no answer came. The next attempt failed: {error.message}",
            next_step=error.next_step,
        )
    return await verified(loaded, change, receipt, "The first answer was lost; it was sent again.")


async def already_done(loaded: LoadedAct, change: Change[Any], now: State, note: str) -> Outcome:
    """Return the outcome of a change that was made elsewhere; if it is still being rolled out, wait until it shows."""
    outcome = done_already(loaded.action, change, now, note)
    if outcome.good:
        return outcome
    outcome = await verified(loaded, change.model_copy(update={"before": now}), None, note)
    return outcome.model_copy(update={"changed": False})


def done_already(action: AnyAction, change: Change[Any], now: State, sentence: str) -> Outcome:
    """Return the outcome of an act that had nothing left to do: verified, or unverified while it is rolled out."""
    finding = action.verify(change, now, None)
    good = finding.verdict is Verdict.SUCCESS
    return Outcome(
        status=ActStatus.VERIFIED if good else ActStatus.UNVERIFIED,
        changed=False,
        after=now.model_dump(mode="json"),
        sentence=sentence if good else f"{sentence} {finding.sentence}",
        next_step="" if good else _CHECK_IT,
    )


async def verified(
    loaded: LoadedAct, change: Change[Any], receipt: Receipt | None, note: str, within: timedelta | None = None
) -> Outcome:
    """Read the target until the change shows or its deadline (or `within`) is over, and return the outcome.

    `note` comes before the sentence of the last finding. `receipt` is None if the vendor's answer is not known.
    """
    action, params = loaded.action, loaded.params
    loop = asyncio.get_running_loop()
    end = loop.time() + (within or change.deadline).total_seconds()
    after, finding = None, Finding(verdict=Verdict.INCONCLUSIVE, sentence="It has not been seen yet.")
    pause = _FIRST_PAUSE
    while True:
        try:
            after = await action.observe(params)
            finding = action.verify(change, after, receipt)
        except VendorError as error:
            finding = Finding(verdict=Verdict.INCONCLUSIVE, sentence=error.message)
        if finding.verdict is Verdict.SUCCESS or finding.final or loop.time() + pause > end:
            break
        await sleep_without_slot(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    good = finding.verdict is Verdict.SUCCESS
    unchanged = after is not None and after.matters() == change.before.matters() and not good
    without_effect = unchanged and finding.verdict is Verdict.FAILURE
    return Outcome(
        status=ActStatus.VERIFIED if good else ActStatus.FAILED if without_effect else ActStatus.UNVERIFIED,
        changed=not without_effect,
        after=after.model_dump(mode="json") if after else None,
        sentence=" ".join(part for part in (note, finding.sentence) if part),
        next_step="" if good else _CHECK_IT,
    )


def refused(refusals: Sequence[Refusal]) -> Outcome:
    """Return the outcome of an act that was refused for these reasons."""
    return Outcome(
        status=ActStatus.REFUSED,
        changed=False,
        sentence=" ".join(refusal.sentence for refusal in refusals),
        next_step=refusals[0].next_step,
    )


def failed(error: AllclearError) -> Outcome:
    """Return the outcome of an act that ended with `error` before anything was changed."""
    status = ActStatus.REFUSED if isinstance(error, Refused) else ActStatus.FAILED
    return Outcome(status=status, changed=False, sentence=error.message, next_step=error.next_step)
