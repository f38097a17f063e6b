"""What a command would do now, shown to a person before it is confirmed. Reading it changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from allclear.domain.action import Refusal
from allclear.domain.errors import AllclearError, NotAllowed, StillInPlace
from allclear.domain.incident import Incident
from allclear.domain.records import ActFinished, AskWithdrawn, By, IncidentEnded
from allclear.domain.text import LONG, WHOLE, asked_words, change_rows, plain

if TYPE_CHECKING:
    from allclear.bootstrap import Engine
    from allclear.engine.actions.executor import Preview
    from allclear.engine.people.close import Ending


@dataclass(frozen=True)
class ChangeShown:
    """A change as a person reads it."""

    summary: str
    rows: list[tuple[str, str, str]]
    """Name, before, after."""
    risk: str
    undo: str


@dataclass(frozen=True)
class Instead:
    """Another command that helps, as the undo of a change that keeps the incident from ending."""

    command: str
    values: Mapping[str, str]
    words: str


@dataclass(frozen=True)
class Effect:
    """What a command would do, and whether it would be refused."""

    sentences: tuple[str, ...] = ()
    change: ChangeShown | None = None
    digest: str = ""
    """Binds the confirmation to the change that was shown; empty if there is none."""
    refused: tuple[str, ...] = ()
    """Why it would be refused now, and what to do about it; or a warning."""
    stopped: bool = False
    """Whether it would be refused, so that it is not offered."""
    instead: tuple[Instead, ...] = ()


def effect_of(preview: Preview, approval: str = "") -> Effect:
    """Return what a previewed change would do; `approval` says who must approve it, empty for no one else."""
    change = preview.change
    sentences = [f"It needs an approval: {approval}."] if approval else []
    if preview.done:
        sentences.append("There is nothing to change: it is so already. The record will say so.")
    return Effect(
        sentences=tuple(sentences),
        change=ChangeShown(
            summary=plain(change.summary, LONG),
            rows=change_rows(change.model_dump(mode="json"), lambda text: plain(text, WHOLE)),
            risk=plain(change.risk, LONG),
            undo=plain(change.undo, LONG),
        ),
        digest="" if preview.done else change.digest,
        refused=tuple(_refusal(refusal) for refusal in preview.refusals),
        stopped=any(not (refusal.passes or refusal.warning) for refusal in preview.refusals),
    )


def _refusal(refusal: Refusal) -> str:
    return plain(f"{refusal.sentence} {refusal.next_step}".strip(), LONG)


def refused_effect(error: AllclearError) -> Effect:
    """Return the effect of a command that would be refused."""
    return Effect(refused=(plain(str(error), LONG),), stopped=True)


async def effect_of_undo(engine: Engine, incident: Incident, act: str, by: By) -> Effect:
    """Return what undoing an act would change. Raises NotFound, NotAllowed; Refused if it cannot be undone."""
    known = incident.acts.get(act)
    if known is not None and known.begun:  # to find out what became of it may write, and this only shows
        raise NotAllowed(f"{act} is being carried out.", "Wait for its outcome.")
    return effect_of(await engine.manual.preview_undo(incident.id, act, by))


async def effect_of_action(engine: Engine, action: str, values: Mapping[str, object], *, proposed: bool) -> Effect:
    """Return what an action would change. Raises NotFound, ConfigError, Refused, VendorError."""
    from allclear.engine.actions.manual import PHASE  # noqa: PLC0415 - the command line starts without it
    from allclear.engine.actions.proposals import ActionRequest  # noqa: PLC0415 - as above

    preview, policy = await engine.proposer.preview(ActionRequest(PHASE, "preview", action, dict(values), ""))
    others = policy is not None and (proposed or policy.people > 1)
    return effect_of(preview, asked_words(policy, engine.company.plan) if policy and others else "")


async def effect_of_move(engine: Engine, incident: Incident, start: str) -> Effect:
    """Return what another time for the meeting would change. Raises NotFound, NotAllowed, VendorError."""
    preview, why = await engine.meetings.preview_move(incident.id, start)
    effect = effect_of(preview)
    said = f"{why} This time is not in it, so say why." if why else "This is in the time that the plan sets."
    return replace(effect, sentences=(*effect.sentences, said))


async def effect_of_supersede(engine: Engine, incident: Incident, act: str) -> Effect:
    """Return what closing an act without an undo means. Raises NotFound, Refused while the change is in place."""
    found = await engine.ledger.found(incident.id, act)
    return Effect(
        (
            "Nothing is changed in production.",
            f"It is now: {plain(found, LONG)}.",
            "The change leaves the list of what is still in place, and no longer keeps the incident from ending.",
        )
    )


def effect_of_end(engine: Engine, incident: Incident, kind: Ending) -> Effect:
    """Return what the end of an incident does: the questions that are withdrawn, and what goes on."""
    from allclear.engine.response.ending import ending  # noqa: PLC0415 - as above

    try:
        engine.people.check_may_end(incident)
    except StillInPlace as error:
        acts = [act.id for act in incident.blocks_ending]
        undo = [Instead("undo", {"act": act}, f"Undo {act}…") for act in acts]
        stays = [Instead("supersede", {"act": act}, f"Close {act} as superseded…") for act in acts]
        ways = tuple(way for pair in zip(undo, stays, strict=True) for way in pair)
        return Effect(refused=(error.message,), stopped=True, instead=ways)
    except NotAllowed as error:
        return refused_effect(error)
    records, _ = ending(incident, IncidentEnded(ending=kind, reason="preview"))
    return Effect(tuple(_end_sentences(incident, kind, records)))


def _end_sentences(incident: Incident, kind: Ending, records: list[object]) -> list[str]:
    sentences = ["It cannot be opened again; new trouble opens a new incident."]
    if firing := [plain(alert.title) for alert in incident.alerts.values() if alert.state == "firing"]:
        sentences.insert(0, f"Still firing: {'; '.join(firing)}.")
    if not incident.recovery.current and kind == "resolved":
        sentences.insert(0, "No check has found the service healthy.")
    asks = [plain(incident.asks[one.ask].ask.title, LONG) for one in records if isinstance(one, AskWithdrawn)]
    if asks:
        sentences.append(f"Questions that are withdrawn: {'; '.join(one.rstrip('.') for one in asks)}.")
    acts = [plain(incident.acts[one.act].proposed.title) for one in records if isinstance(one, ActFinished)]
    if acts:
        sentences.append(f"Not done any more: {'; '.join(acts)}.")
    review = "The review begins: its questions, and the post-mortem." if kind == "resolved" else "There is no review."
    return [*sentences, review]
