"""The acts of an incident as Markdown tables and lists: before and after, who approved it, what is still in place."""

from __future__ import annotations

from allclear.domain.act import Act
from allclear.domain.ask_state import Answer, AskState
from allclear.domain.incident import Incident
from allclear.domain.local_times import clock, zone_name
from allclear.domain.plan import Plan
from allclear.domain.pseudo_phases import LIVE_MESSAGE, MEETING, NOTICE, THREAD, TICKET
from allclear.domain.review.follow_up_tickets import shown_ticket
from allclear.domain.review.incident_ticket import is_own_ticket
from allclear.domain.sentences.acts import outcome_words
from allclear.domain.template_values import left_lines
from allclear.domain.text import change_rows, markdown_safe, plain, role_words

CELL = 200
"""Characters of a table's cell."""

_HEAD = ("| Act | Before | After | Approved by | When ({zone}) | Outcome |", "|---|---|---|---|---|---|")


def markdown_acts(incident: Incident, plan: Plan) -> str:
    """Return a table of the acts on production, and below it a list of messages and pages; safe in Markdown."""
    if not incident.acts:
        return "allclear took no action."
    messages = messages_list(incident, plan)
    heard = ["", "**Messages and pages:**", "", messages] if messages else []
    return "\n".join([acts_table(incident, plan), *heard])


def acts_table(incident: Incident, plan: Plan) -> str:
    """Return a table of the acts on production; `None.` without one."""
    rows = [_row(incident, act, plan) for act in incident.acts.values() if _on_production(act)]
    head = [line.format(zone=zone_name(plan.zone, incident.opened_at)) for line in _HEAD]
    return "\n".join([*head, *rows]) if rows else "None."


def messages_list(incident: Incident, plan: Plan) -> str:
    """Return a list of the messages, pages and the incident's own ticket; empty without one.

    Updates of live messages and the tickets of follow-ups are left out: those stand with the action items.
    """
    listed = [
        act
        for act in incident.acts.values()
        if not _on_production(act)
        and act.proposed.phase not in {LIVE_MESSAGE, MEETING, NOTICE, THREAD}
        and (act.proposed.phase != TICKET or is_own_ticket(act))
    ]
    return "\n".join(_message(incident, act, plan) for act in sorted(listed, key=lambda act: act.stage_at))


def _message(incident: Incident, act: Act, plan: Plan) -> str:
    approved = f" ({approvals(incident, act, plan)})" if act.asks and approvals(incident, act, plan) else ""
    outcome = _outcome(act, plan)
    words = f"{markdown_safe(act_words(act), CELL)}: {markdown_safe(outcome[0].lower() + outcome[1:], CELL)}"
    ticket = shown_ticket(act)
    link = f" (<{ticket.url}>)" if ticket and ticket.url else ""
    return f"- {_when(act, plan)} {words}{approved}{link}".replace("-  ", "- ")


def _on_production(act: Act) -> bool:
    """Return whether an act changed production or needed an approval; messages and pages are listed separately."""
    proposed = act.proposed
    only_informs = proposed.tells or proposed.phase in (LIVE_MESSAGE, THREAD)
    return not only_informs and bool(act.asks or proposed.leaves or proposed.undoes or act.refusals)


def changes_production(act: Act) -> bool:
    """Return whether an act is a measure or its undo, and no message or page."""
    return not act.proposed.tells and bool(act.proposed.leaves or act.proposed.undoes)


def _when(act: Act, plan: Plan) -> str:
    return clock(act.stage_at, plan.zone) if act.finished_at or act.intended_at else ""


def markdown_in_place(incident: Incident, plan: Plan) -> str:
    """Return what is still in place, as a list."""
    return "\n".join(f"- {markdown_safe(line)}" for line in left_lines(incident, plan)) or "Nothing."


def _row(incident: Incident, act: Act, plan: Plan) -> str:
    before, after = _before_and_after(act)
    # Names, before, after and approvers are safe already; escaping them twice would show the backslashes.
    cells = [
        markdown_safe(act.proposed.title.rstrip(" .") if before or after else act_words(act), CELL),
        before,
        after,
        approvals(incident, act, plan),
        _when(act, plan),
        markdown_safe(_outcome(act, plan), CELL),
    ]
    return f"| {' | '.join(cells)} |"


def act_words(act: Act) -> str:
    """Return the title of an act and the sentence that was approved; the sentence alone if it begins as the title."""
    summary = str((act.change or {}).get("summary") or "").rstrip(" .:")
    title = act.proposed.title.rstrip(" .")
    if not summary:
        return title
    verb = title.partition(" ")[0].casefold()
    return summary if summary.casefold().startswith(verb) else f"{title}: {summary}"


def _before_and_after(act: Act) -> tuple[str, str]:
    change = act.change or {}
    rows = change_rows(change, lambda text: markdown_safe(text, CELL))
    before = "; ".join(f"{name}: {value}" if name else value for name, value, _ in rows)
    after = "; ".join(f"{name}: {value}" if name else value for name, _, value in rows)
    outcome = act.outcome
    if outcome is None or not (outcome.changed or outcome.good):
        return before, "as before" if outcome else f"(intended) {after}" if after else ""
    return before, f"(intended, not proven) {after}" if after and not outcome.good else after


def approvals(incident: Incident, act: Act, plan: Plan) -> str:
    """Return who approved or denied an act and when, safe in Markdown; empty while there is no answer."""
    if not act.asks:
        return "" if act.outcome is None or act.refusals else "no approval needed"
    states = [incident.asks[ask] for ask in act.asks]
    answers = [_answer(state, answer, plan) for state in states for answer in state.answers]
    automatic = "automatically, as the plan allows: no one stopped it during the veto window"
    answers += [automatic for state in states if state.veto_window_ended]
    return "; ".join(answers)


def _answer(state: AskState, answer: Answer, plan: Plan) -> str:
    role = f" ({role_words(answer.by.role, plan)})" if answer.by.role else ""
    verb = "" if answer.yes else " denied"
    withdrawn = ", withdrawn since" if state.withdrawn else ""
    reason = f": {plain(answer.reason)}" if answer.reason.strip() else ""
    return markdown_safe(
        f"{plain(answer.by.actor, 60)}{role}{verb} {clock(answer.at, plan.zone)}{withdrawn}{reason}", CELL
    )


def _outcome(act: Act, plan: Plan) -> str:
    """Return what an act came to. Its undo is an act with a line of its own, and is not said here again."""
    if act.outcome is None:
        return "Started, no outcome yet" if act.intended else "Proposed"
    words = outcome_words(act.outcome)
    if not act.outcome.good:
        words = f"{words}: {act.outcome.sentence}"
    if act.superseded and act.superseded_at and act.superseded_by:
        who = plain(act.superseded_by.actor, 60)
        words += (
            f"; closed as superseded by {who} {clock(act.superseded_at, plan.zone)}: {plain(act.superseded.reason)}"
        )
    return words
