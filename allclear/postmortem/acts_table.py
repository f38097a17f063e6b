"""What was done to production, as tables and lists in Markdown: before and after, who approved it, what is left."""

from __future__ import annotations

from allclear.domain.action import ActStatus
from allclear.domain.incident import LIVE_MESSAGE, Act, Answer, AskState, Incident
from allclear.domain.plan import Plan
from allclear.domain.sentences.acts import outcome_words
from allclear.domain.template_values import left_in_place
from allclear.domain.text import change_rows, clock, markdown_safe, plain, role_words

CELL = 200
"""Characters of a table's cell."""

_HEAD = ("| Act | Before | After | Approved by | When (UTC) | Outcome |", "|---|---|---|---|---|---|")


def markdown_acts(incident: Incident, plan: Plan | None = None) -> str:
    """Return the table of the acts on production in their order, and a list of what was told; safe in Markdown."""
    if not incident.acts:
        return "Nothing was done by allclear."
    weighty = [act for act in incident.acts.values() if _weighty(act)]
    told = [act for act in incident.acts.values() if not _weighty(act) and act.proposed.phase != LIVE_MESSAGE]
    table = "\n".join([*_HEAD, *(_row(incident, act, plan) for act in weighty)]) if weighty else "None."
    if not told:
        return table
    lines = [f"- {_when(act)} {markdown_safe(act_words(act), CELL)}: {_outcome(incident, act).lower()}" for act in told]
    return "\n".join([table, "", "**Messages and the like:**", "", *lines])


def _weighty(act: Act) -> bool:
    """Return whether an act changed production or needed somebody's word: messages and the like are listed apart."""
    return bool(act.asks or act.proposed.leaves or act.proposed.undoes or act.refusals)


def _when(act: Act) -> str:
    when = act.finished_at or act.intended_at
    return clock(when) if when else ""


def markdown_in_place(incident: Incident, plan: Plan) -> str:
    """Return what is still in place, a list."""
    return "\n".join(f"- {markdown_safe(left_in_place(act, plan))}" for act in incident.in_place) or "Nothing."


def _row(incident: Incident, act: Act, plan: Plan | None) -> str:
    before, after = _before_and_after(act)
    # Names, before, after and approvers are safe already; escaping them twice would show the backslashes.
    cells = [
        markdown_safe(act_words(act), CELL),
        before,
        after,
        approvals(incident, act, plan),
        _when(act),
        markdown_safe(_outcome(incident, act), CELL),
    ]
    return f"| {' | '.join(cells)} |"


def act_words(act: Act) -> str:
    """Return what an act does: its title, and the sentence that was approved."""
    summary = str((act.change or {}).get("summary") or "").rstrip(" .")
    title = act.proposed.title.rstrip(" .")
    return f"{title}: {summary}" if summary and summary != title else title


def _before_and_after(act: Act) -> tuple[str, str]:
    change = act.change or {}
    rows = change_rows(change, lambda text: markdown_safe(text, CELL))
    before = "; ".join(f"{name}: {was}" if name else was for name, was, _ in rows)
    after = "; ".join(f"{name}: {then}" if name else then for name, _, then in rows)
    outcome = act.outcome
    if outcome is None or not (outcome.changed or outcome.good):
        return before, "as before" if outcome else f"(intended) {after}" if after else ""
    return before, f"(intended, not proven) {after}" if after and not outcome.good else after


def approvals(incident: Incident, act: Act, plan: Plan | None = None) -> str:
    """Return who said yes or no to an act and when, safe in Markdown; blank where nobody has answered yet."""
    if not act.asks:
        return "" if act.outcome is None or act.refusals else "no approval needed"
    states = [incident.asks[ask] for ask in act.asks]
    said = [_answer(state, answer, plan) for state in states for answer in state.answers]
    said += [
        "by itself, as the plan authorises: nobody stopped it in its time"
        for state in states
        if state.veto_window_ended
    ]
    return "; ".join(said)


def _answer(state: AskState, answer: Answer, plan: Plan | None) -> str:
    role = f" ({role_words(answer.by.role, plan)})" if answer.by.role else ""
    said = "" if answer.yes else " said no"
    withdrawn = ", void since" if state.withdrawn else ""
    reason = f": {plain(answer.reason)}" if answer.reason.strip() else ""
    return markdown_safe(f"{plain(answer.by.actor, 60)}{role}{said} {clock(answer.at)}{withdrawn}{reason}", CELL)


def _outcome(incident: Incident, act: Act) -> str:
    if act.outcome is None:
        denied = any(incident.asks[ask].denied for ask in act.asks)
        return "Begun, no outcome yet" if act.intended else "Not done, for a person said no" if denied else "Proposed"
    words = outcome_words(act.outcome)
    if not act.outcome.good:
        words = f"{words}: {act.outcome.sentence}"
    undo = incident.acts.get(act.undone_by or "")
    undone = f"; undone {clock(undo.finished_at)}" if undo and undo.finished_at else ""
    return words + (undone if act.status is ActStatus.UNDONE else "")
