"""What became of an act: after a crash, and by reading the target until the change shows. Nothing here writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
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
from allclear.domain.backoff import Backoff
from allclear.domain.errors import AllclearError, JournalError, Refused
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.concurrency import sleep_without_slot

log = logging.getLogger("allclear.acts")

PROPOSED_AGAIN = "A runbook proposes it again, for the present state. If you started it by hand, start it again."
"""The next step after a change that was not made because its target had changed."""

_CHECK_IT = "Check it yourself before you go on."
"""The next step after a change that was not seen to take effect."""

_FIRST_PAUSE = 0.05
"""Seconds between the first two reads of the target; each further pause is longer, up to the action's `reads_every`."""


async def after_interruption(loaded: LoadedAct, change: Change[Any], *, holder_dead: bool) -> Outcome | Change[Any]:
    """Return the outcome of an act that was interrupted, or the change that is still to be made.

    `holder_dead` is whether the process that began it has ended, and can no longer write. Raises VendorError.
    """
    action = loaded.action
    now = await action.observe_result(loaded.params)
    if action.target_reached(change, now):
        return await verified(loaded, change, None, "It had taken effect before the interruption.")
    same = now.matters() == change.before.matters()
    if not same or (action.fence is Fence.NONE and (action.shows_late or not holder_dead)):
        found = "its target is neither as it was before nor as intended."
        if same:
            late = "a read may not show yet that it took effect"
            why = late if holder_dead else "the process that began it may still write"
            found = f"{why}. Its target is unchanged so far."
        return Outcome(
            status=ActStatus.INDETERMINATE,
            changed=True,
            after=action.state_after(change, now, None).model_dump(mode="json"),
            sentence=f"It was interrupted, and {found}",
            next_step="Check it, and correct it by hand.",
        )
    return change.model_copy(update={"before": now})


def too_late(action: AnyAction, why: str) -> Outcome:
    """Return the outcome of an interrupted message that is not sent any more; `why` is a clause."""
    hidden = action.fence is Fence.KEY  # what it is sent to looks the same before and after
    sentence = f"It was interrupted, and {why} since, so it is not sent any more."
    return Outcome(
        status=ActStatus.INDETERMINATE if hidden else ActStatus.FAILED,
        changed=hidden,
        drifted=not hidden,  # a message that is still due is written anew, as one that had not begun
        sentence=f"{sentence} It may have been sent before." if hidden else sentence,
    )


def nothing_sent(why: str) -> Outcome:
    """Return the outcome of a message whose words are no longer right, so it was not sent; `why` is a clause.

    A message that is still due is written anew.
    """
    return Outcome(
        status=ActStatus.FAILED,
        changed=False,
        drifted=True,
        sentence=f"Nothing was sent: {why} since these words were written.",
        next_step=PROPOSED_AGAIN,
    )


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
        ticket=finding.ticket,
    )


@dataclass(frozen=True)
class Seen:
    """What the last read after a write showed."""

    after: State | None
    """The state, or None if it could not be read."""
    finding: Finding

    @property
    def conclusive(self) -> bool:
        """Return whether the change shows, or no later read can show it."""
        return self.finding.verdict is Verdict.SUCCESS or self.finding.final

    @property
    def never_known(self) -> bool:
        """Return whether no later read can tell if the change was made, as for an e-mail whose answer was lost."""
        return self.finding.final and self.finding.verdict is Verdict.INCONCLUSIVE

    def unchanged_since(self, change: Change[Any]) -> bool:
        """Return whether the state is as before the change; False if it could not be read."""
        return self.after is not None and self.after.matters() == change.before.matters()


async def read_until_shown(
    loaded: LoadedAct, change: Change[Any], receipt: Receipt | None, within: timedelta, *, readable: bool = False
) -> Seen:
    """Read the target until the change shows, no later read can show it, or `within` is over.

    With `readable`, stop at the first read that succeeds.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + within.total_seconds()
    pauses = Backoff(first=_FIRST_PAUSE, factor=1.5, longest=loaded.action.reads_every.total_seconds()).pauses()
    for pause in pauses:
        seen = await _read_once(loaded, change, receipt)
        if seen.conclusive or (readable and seen.after is not None) or loop.time() + pause > end:
            return seen
        await sleep_without_slot(pause)
    raise AssertionError  # the pauses have no end


async def verified(loaded: LoadedAct, change: Change[Any], receipt: Receipt | None, note: str) -> Outcome:
    """Read the target until the change shows or its deadline is over, and return the outcome.

    `note` comes before the sentence of the last finding. `receipt` is None if the vendor's answer is not known.
    """
    return outcome_of(change, await read_until_shown(loaded, change, receipt, change.deadline), note)


def outcome_of(change: Change[Any], seen: Seen, note: str) -> Outcome:
    """Return the outcome of a change that was written, as the last read showed it."""
    good = seen.finding.verdict is Verdict.SUCCESS
    without_effect = not good and seen.unchanged_since(change) and seen.finding.verdict is Verdict.FAILURE
    return Outcome(
        status=ActStatus.VERIFIED if good else ActStatus.FAILED if without_effect else ActStatus.UNVERIFIED,
        changed=not without_effect,
        after=seen.after.model_dump(mode="json") if seen.after else None,
        sentence=" ".join(part for part in (note, seen.finding.sentence) if part),
        next_step="" if good else _CHECK_IT,
        ticket=seen.finding.ticket,
    )


async def _read_once(loaded: LoadedAct, change: Change[Any], receipt: Receipt | None) -> Seen:
    """Read the target once. A fault in the action's code is a read that tells nothing: the write was made."""
    try:
        seen = await loaded.action.observe_result(loaded.params)
        after = loaded.action.state_after(change, seen, receipt)
        return Seen(after, loaded.action.verify(change, after, receipt))
    except JournalError:
        raise
    except AllclearError as error:
        why = error.message
    except Exception as error:
        log.exception("The action %s has a fault", loaded.action.name)
        why = f"its own code has a fault ({type(error).__name__})."
    sentence = f"Whether it took effect could not be read: {why}"
    return Seen(None, Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence))


def drifted(change: Change[Any], now: State, sentence: str) -> Outcome:
    """Return the outcome of a change that was not made because its target has changed; it names the current state."""
    before, writer = change.before.in_words(), now.last_changed()
    changed = f" It was {before} when this was proposed." if before and before != now.in_words() else ""
    last = f" It was last changed {writer}." if writer else ""
    return Outcome(
        status=ActStatus.FAILED,
        changed=False,
        drifted=True,
        after=now.model_dump(mode="json"),
        sentence=f"{sentence}{changed} {state_words(now)}".rstrip() + last,
        next_step=PROPOSED_AGAIN,
    )


def state_words(now: State) -> str:
    """Return a sentence about the present state; empty if the state has no words."""
    words = now.in_words()
    return f"It is {words} now." if words else ""


def refused(refusals: Sequence[Refusal]) -> Outcome:
    """Return the outcome of an act that was refused for these reasons."""
    return Outcome(
        status=ActStatus.REFUSED,
        changed=False,
        sentence=" ".join(refusal.sentence for refusal in refusals),
        next_step=refusals[0].next_step,
        passes=all(refusal.passes for refusal in refusals),
    )


def failed(error: AllclearError) -> Outcome:
    """Return the outcome of an act that ended with `error` before anything was changed."""
    status = ActStatus.REFUSED if isinstance(error, Refused) else ActStatus.FAILED
    return Outcome(status=status, changed=False, sentence=error.message, next_step=error.next_step)
