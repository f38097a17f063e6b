"""The commands that a person gives in an incident from Prefect's UI, one small flow for each.

Each flow sends the commands of `allclear.commands`, as the page, the API, the command line and Slack do. `OFFERED` says
which flow sends which, and `NOT_OFFERED` why the others are not given in Prefect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prefect import Flow, flow

from allclear.bootstrap import Engine
from allclear.commands.acts import Act, Propose, Supersede
from allclear.commands.answers import Answer
from allclear.commands.assess import Assess, ChangeSeverity, read_facts
from allclear.commands.base import Command, read_fields
from allclear.commands.close import FalseAlarm, Resolve
from allclear.commands.company import Declare, RevokeLinks, TakeOver
from allclear.commands.hold import Hold, Release
from allclear.commands.meetings import CancelMeeting, InvitePeople, MoveMeeting
from allclear.commands.notes import Decide, FollowUp, FollowUpDone, Note, Told
from allclear.commands.post_mortem import WritePostMortem
from allclear.commands.roles import Acknowledge, HandOver, TakeRole
from allclear.commands.undo import Undo
from flows.artifacts import publish
from flows.manual_action import manual_action
from flows.respond import respond
from flows.run_context import Ended, author, deliver, name_run
from flows.shown import Shown, carried_out


async def give(
    kind: type[Command], incident: str, name: str, role: str, said: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
) -> Ended:
    """Carry out a command in a person's name; end as Failed, with the reason, if the person may not give it.

    `said` are the command's fields, or a function that reads them and may raise AllclearError. The run's id is the key
    of the request: a run that starts again repeats nothing.
    """
    incident = incident.strip().upper()

    async def work(engine: Engine, _: Shown) -> str:
        by = author(engine, name, role)
        engine.conductor.incident(incident)
        try:
            fields = said() if callable(said) else said
            return await read_fields(kind, fields).carry_out(engine, incident, by)
        finally:
            await name_run(engine, engine.conductor.incident(incident))
            await publish(engine, incident)
            await deliver(engine, incident)

    return await carried_out(work, incident)


@flow(name="acknowledge", persist_result=False)
async def acknowledge(incident: str, name: str, role: str = "") -> Ended:
    """Record that you are working on the incident. The first to acknowledge leads until the lead is handed over.

    Args:
        incident: The incident's id, as VS-12.
        name: Who you are.
        role: The role in which you act. Leave it out if the plan names you.
    """
    return await give(Acknowledge, incident, name, role, {})


@flow(name="answer", persist_result=False)
async def answer(ask: str, decision: str, name: str, role: str = "", reason: str = "", choice: str = "") -> Ended:
    """Answer a question of a response: an approval, a step or a choice. The form of the suspended run does the same.

    Args:
        ask: The question's id, as VS-12/contain/roll-back. Messages about the question name it.
        decision: Your answer, in the words of the question: each kind of question has one for yes and one for no.
        name: Who you are.
        role: The role in which you answer. Leave it out if the plan names you.
        reason: Why, or how. Some answers need it.
        choice: The candidate, if the question is which one.
    """
    incident, _, step = ask.strip().partition("/")

    given = f"{incident.upper()}/{step}"
    said = {"ask": given, "word": decision, "reason": reason, "choice": choice.strip() or None}
    return await give(Answer, incident, name, role, said)


@flow(name="note", persist_result=False)
async def note(incident: str, text: str, name: str, role: str = "scribe", post_mortem: str = "") -> Ended:
    """Add a note to the incident's timeline.

    Args:
        incident: The incident's id, as VS-12.
        text: What you saw, heard or did.
        name: Who you are.
        role: The role in which you write.
        post_mortem: Where the post-mortem shows it: among its key events (timeline), or as the suggestion for a field.
    """
    return await give(Note, incident, name, role, {"text": text, "post_mortem": post_mortem})


@flow(name="decide", persist_result=False)
async def decide(incident: str, text: str, name: str, reason: str = "", role: str = "incident_commander") -> Ended:
    """Record a decision and its reason.

    Args:
        incident: The incident's id, as VS-12.
        text: What was decided.
        name: Who you are.
        reason: Why it was decided.
        role: The role in which you decide.
    """
    return await give(Decide, incident, name, role, {"text": text, "reason": reason})


@flow(name="change_severity", persist_result=False)
async def change_severity(
    incident: str, severity: str, reason: str, name: str, role: str = "incident_commander"
) -> Ended:
    """Raise or lower the severity. The incident's clocks keep running.

    Args:
        incident: The incident's id, as VS-12.
        severity: The new severity.
        reason: Why it changes.
        name: Who you are.
        role: The role in which you decide.
    """
    return await give(ChangeSeverity, incident, name, role, {"severity": severity, "reason": reason})


@flow(name="assess", persist_result=False)
async def assess(  # noqa: PLR0913 - the fields of its form
    incident: str,
    name: str,
    facts: list[str] | None = None,
    kind: str = "",
    reason: str = "",
    known_since: str = "",
    role: str = "incident_commander",
) -> Ended:
    """Record what is known about the incident. If the plan's rules say so, its severity rises.

    Args:
        incident: The incident's id, as VS-12.
        name: Who you are.
        facts: What is known, each as facet=value, as customer_facing=yes. Empty if only the kind or the time is known.
        kind: The incident's kind, if it changes. Empty leaves it as it is.
        reason: How that is known.
        known_since: When the company became aware of it, as 2026-11-20 17:00. Duties that count from it start then.
        role: The role in which you assess it.
    """

    def said() -> dict[str, Any]:
        return {"facts": read_facts(facts or []), "kind": kind or None, "reason": reason, "known_since": known_since}

    return await give(Assess, incident, name, role, said)


@flow(name="hand_over", persist_result=False)
async def hand_over(
    incident: str, role_to_hand_over: str, to: str, name: str, role: str = "incident_commander"
) -> Ended:
    """Ask another person to take a role in this incident. Its holder keeps it until that person accepts.

    Args:
        incident: The incident's id, as VS-12.
        role_to_hand_over: The role that the other person takes.
        to: The person who is asked to take it.
        name: Who you are.
        role: The role in which you act.
    """
    return await give(HandOver, incident, name, role, {"role": role_to_hand_over, "to": to})


@flow(name="take_role", persist_result=False)
async def take_role(incident: str, role_to_take: str, name: str) -> Ended:
    """Take a role in this incident: one that was offered to you, a free one, or another's, who receives a message.

    Args:
        incident: The incident's id, as VS-12.
        role_to_take: The role that you take.
        name: Who you are.
    """
    return await give(TakeRole, incident, name, role_to_take, {"role": role_to_take})


@flow(name="tell", persist_result=False)
async def tell(incident: str, audience: str, name: str, text: str = "", role: str = "communications_lead") -> Ended:
    """Record that you have told an audience. Until then people are reminded of it.

    Args:
        incident: The incident's id, as VS-12.
        audience: Whom you told: a role, or an audience of the plan, as customers.
        name: Who you are.
        text: What you said, and how.
        role: The role in which you told it.
    """
    return await give(Told, incident, name, role, {"audience": audience, "text": text})


@flow(name="hold", persist_result=False)
async def hold(incident: str, reason: str, name: str, role: str = "") -> Ended:
    """Stop everything automatic in the incident until it is released. What people approve is still done.

    Args:
        incident: The incident's id, as VS-12.
        reason: Why.
        name: Who you are.
        role: The role in which you act. Leave it out if the plan names you.
    """
    return await give(Hold, incident, name, role, {"reason": reason})


@flow(name="release", persist_result=False)
async def release(incident: str, name: str, reason: str = "", role: str = "") -> Ended:
    """Allow automatic action in the incident again.

    Args:
        incident: The incident's id, as VS-12.
        name: Who you are.
        reason: Why, or what has changed.
        role: The role in which you act. Leave it out if the plan names you.
    """
    return await give(Release, incident, name, role, {"reason": reason})


@flow(name="end_incident", persist_result=False)
async def end_incident(incident: str, reason: str, name: str, false_alarm: bool = False, role: str = "") -> Ended:
    """End an incident: all clear, or a false alarm. Refused while something that containment changed is in place.

    Args:
        incident: The incident's id, as VS-12.
        reason: How you know that it is over.
        name: Who you are.
        false_alarm: On if there was no trouble at all.
        role: The role in which you act. Leave it out if the plan names you.
    """
    return await give(FalseAlarm if false_alarm else Resolve, incident, name, role, {"reason": reason})


@flow(name="write_post_mortem", persist_result=False)
async def write_post_mortem(incident: str, field: str, text: str, name: str, role: str = "scribe") -> Ended:
    """Write one field of the post-mortem. A later text replaces an earlier one.

    Args:
        incident: The incident's id, as VS-12.
        field: The field of the document.
        text: The field's new text.
        name: Who you are.
        role: The role in which you write.
    """
    return await give(WritePostMortem, incident, name, role, {"field": field, "text": text})


@flow(name="add_follow_up", persist_result=False)
async def add_follow_up(
    incident: str, text: str, owner: str, name: str, due_in_days: int = 14, role: str = "scribe"
) -> Ended:
    """Add a follow-up: something to be done so that the incident does not happen again.

    Args:
        incident: The incident's id, as VS-12.
        text: What has to be done.
        owner: The person who sees to it.
        name: Who you are.
        due_in_days: The number of days from now until it is due.
        role: The role in which you act.
    """
    said = {"text": text, "owner": owner, "days": due_in_days}
    return await give(FollowUp, incident, name, role, said)


@flow(name="finish_follow_up", persist_result=False)
async def finish_follow_up(incident: str, number: int, name: str, note: str = "", role: str = "scribe") -> Ended:
    """Report that a follow-up is done. Its reminders end.

    Args:
        incident: The incident's id, as VS-12.
        number: Its number among the incident's follow-ups, 1 for the first.
        name: Who you are.
        note: What was done.
        role: The role in which you act.
    """
    return await give(FollowUpDone, incident, name, role, {"number": number, "note": note})


OFFERED: Mapping[type[Command], Flow[..., Any]] = {
    Acknowledge: acknowledge,
    Act: manual_action,
    Answer: answer,
    Assess: assess,
    ChangeSeverity: change_severity,
    Decide: decide,
    Declare: respond,
    FalseAlarm: end_incident,
    FollowUp: add_follow_up,
    FollowUpDone: finish_follow_up,
    HandOver: hand_over,
    Hold: hold,
    Note: note,
    Release: release,
    Resolve: end_incident,
    TakeRole: take_role,
    Told: tell,
    WritePostMortem: write_post_mortem,
}
"""The command -> the flow by which a person gives it in Prefect."""

NOT_OFFERED: Mapping[type[Command], str] = {
    Propose: "A person starts the action itself: if another one must approve it, its run waits and asks.",
    Undo: "The change is shown before it is undone, and a form of Prefect cannot show it: the page and `undo` do.",
    Supersede: "It needs a look at the change that stays: the page shows it, and `in-place` lists it.",
    TakeOver: "It changes the rota of everyone and belongs to no incident: `take-over`.",
    MoveMeeting: "The change and the time that the plan sets are shown before: the page and `move-meeting` do.",
    InvitePeople: "Who is invited is shown there: the page does, and `meeting-people`.",
    CancelMeeting: "Whom it reaches is shown before: the page does, and `cancel-meeting`.",
    RevokeLinks: "It is about the keys of people, and not about an incident: `revoke-links`.",
}
"""The other commands, with the reason why no flow of Prefect sends them."""
