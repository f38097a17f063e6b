"""Sentences about acts: what was proposed, who was asked and answered, and the outcome."""

from __future__ import annotations

from allclear.domain.action import AS_INTENDED, ActStatus, Outcome
from allclear.domain.approval import Ask, AskKind
from allclear.domain.base import JsonDict
from allclear.domain.pseudo_phases import LIVE_MESSAGE, THREAD
from allclear.domain.records import (
    ActFinished,
    ActIntended,
    ActProposed,
    ActSettled,
    AnswerRefused,
    AskAnswered,
    AskOpened,
    AskWithdrawn,
    By,
    Entry,
    VetoWindowEnded,
)
from allclear.domain.sentences.sentence import Sentence, SentenceContext, Tone, via_words
from allclear.domain.text import LONG, SHORT, answer_commands, asked_words, bare, differences, plain, with_full_stop


def describe(context: SentenceContext, entry: Entry) -> Sentence | None:  # noqa: PLR0911 - one case for each record
    """Return the sentence for a record about an act or an ask; None for any other record."""
    match entry.record:
        case ActProposed() as proposed:
            return _proposed(context, proposed, entry.by)
        case AskOpened(ask=ask):
            return _asked(context, ask)
        case AskAnswered() as answered:
            return _answered(context, answered, entry.by)
        case AnswerRefused() as refused:
            who = plain(refused.name, 60) or "a person without a name"
            reason = f" ('{bare(refused.reason)}')" if refused.reason.strip() else ""
            problem = with_full_stop(bare(refused.problem))
            return Sentence(
                f'An answer in Prefect did not count: "{plain(refused.answer)}" by {who}{reason}. {problem}', "bad"
            )
        case VetoWindowEnded(ask=ask):
            title = _title(context, ask)
            return Sentence(
                f'No one stopped "{title}" during its veto window: it is carried out, as the plan allows.', "bad"
            )
        case AskWithdrawn() as withdrawn:
            title, reason = _title(context, withdrawn.ask), with_full_stop(bare(withdrawn.reason))
            return Sentence(f'The question about "{title}" was withdrawn: {reason}', "bad")
        case ActIntended() as intended:
            summary = _summary(intended.change, context.act_title(intended.act))
            return Sentence(f"Starting: {summary}.", routine=True, detail=[f"Issued by {plain(intended.holder)}."])
        case ActFinished() as finished:
            return _finished(context, finished.act, finished.outcome)
        case ActSettled() as settled:
            found = _finished(context, settled.act, settled.outcome)
            return found._replace(text=f"A later read shows: {found.text}", routine=False)
        case _:
            return None


def _title(context: SentenceContext, ask_id: str) -> str:
    ask = context.ask(ask_id)
    return context.ask_title(ask) if ask else plain(ask_id)


def _summary(change: JsonDict | None, otherwise: str) -> str:
    return bare(str((change or {}).get("summary") or otherwise)).rstrip(" .:")


def _proposed(context: SentenceContext, proposed: ActProposed, by: By) -> Sentence:
    title = bare(proposed.title, SHORT)
    if proposed.refusals:
        detail = [refusal.next_step for refusal in proposed.refusals]
        candidates = [candidate for refusal in proposed.refusals for candidate in refusal.candidates]
        detail += [f"{plain(candidate.name)}: {plain(candidate.reason)}" for candidate in candidates]
        reasons = " ".join(with_full_stop(bare(refusal.sentence)) for refusal in proposed.refusals)
        return Sentence(f"Not possible: {title}. {reasons}", "bad", detail=detail)
    act, change = context.act(proposed.act), proposed.change or {}
    detail = [
        *(f"{name}: {before} -> {after}" for name, before, after in _changed(change)),
        *(f"{word.title()}: {change[word]}" for word in ("risk", "undo") if change.get(word)),
    ]
    # The outcome's sentence is enough for an act that needed no approval.
    if proposed.reason:
        reason = with_full_stop(bare(proposed.reason))
        text = f"{context.author(by)} proposed: {_summary(proposed.change, title)}. Reason: {reason}"
        return Sentence(text, "person" if by.person else "plain", detail=detail)
    outcome_tells = bool(act and not act.asks and act.outcome) or proposed.phase in {LIVE_MESSAGE, THREAD}
    return Sentence(f"Proposed: {_summary(proposed.change, title)}.", routine=outcome_tells, detail=detail)


def _changed(change: JsonDict) -> list[tuple[str, str, str]]:
    return differences(change.get("before") or {}, change.get("after") or {}, plain)


def _asked(context: SentenceContext, ask: Ask) -> Sentence:
    asked, title = asked_words(ask.policy, context.plan), context.ask_title(ask)
    text = {
        AskKind.APPROVAL: f"Asked {asked} to approve: {title}",
        AskKind.STEP: f"Asked {asked}: {title}",
        AskKind.FALSE_ALARM: f"Asked {asked} whether this is a false alarm",
        AskKind.RETRY: f"Asked {asked} what to do. {title}",
        AskKind.CHOICE: f"Asked {asked}: {title}",
    }[ask.kind]
    answers = zip(ask.words, (ask.yes, ask.no), answer_commands(ask, context.plan), strict=True)
    detail = [f"{word.capitalize()}: {effect} {command}" for word, effect, command in answers]
    return Sentence(with_full_stop(text), "ask", detail=detail)


def _answered(context: SentenceContext, answered: AskAnswered, by: By) -> Sentence:
    author, ask = context.author(by), context.ask(answered.ask)
    via = via_words(by)
    title = f'"{context.ask_title(ask)}"' if ask else plain(answered.ask)
    chosen = plain(answered.choice or "nothing")
    yes, no = {
        None: (f"answered yes to {title} {via}", f"answered no to {title} {via}"),
        AskKind.APPROVAL: (f"approved {title} {via}", f"denied {title} {via}"),
        AskKind.STEP: (f"did {title}", f"did not do {title}"),
        AskKind.FALSE_ALARM: (
            f"said {via} that this is a false alarm",
            f"said {via} that this is no false alarm",
        ),
        AskKind.CHOICE: (
            f"chose {chosen} {via}",
            f"chose none of the candidates {via} ({title})",
        ),
        AskKind.RETRY: (f"chose {via} to try again ({title})", f"chose {via} to go on without it ({title})"),
    }[ask.kind if ask else None]
    if ask and ask.asks_fact:
        yes, no = (f'answered "{word}" to {title} {via}' for word in (chosen, ask.words[1]))
    if ask and (ask.contains or ask.ends):
        yes, no = (f'answered "{word}" to {title} {via}' for word in ask.words)
    reason = f": '{bare(answered.reason, LONG)}'." if answered.reason.strip() else "."
    return Sentence(f"{author} {yes if answered.yes else no}{reason}", "person")


_OUTCOMES: dict[ActStatus, tuple[str, Tone]] = {
    ActStatus.PLANNED: ("Planned only, nothing was changed", "plain"),
    ActStatus.REFUSED: ("Not done", "bad"),
    ActStatus.REJECTED: ("Not done, because a person denied it", "plain"),
    ActStatus.APPLIED: ("Done, not verified yet", "plain"),
    ActStatus.VERIFIED: ("Done and verified", "good"),
    ActStatus.UNVERIFIED: ("Sent, but no effect was seen", "bad"),
    ActStatus.FAILED: ("Failed", "bad"),
    ActStatus.INDETERMINATE: ("Unknown whether it was done", "bad"),
    ActStatus.UNDONE: ("Undone", "good"),
    ActStatus.SUPERSEDED: ("Closed as superseded", "plain"),
}


def outcome_words(outcome: Outcome) -> str:
    """Return what became of an act, in a few words: `Done and verified`."""
    if outcome.drifted:
        return "Not done, because its target had changed"
    if outcome.good and not outcome.changed:
        return "Already done"
    return _OUTCOMES[outcome.status][0]


def _finished(context: SentenceContext, act_id: str, outcome: Outcome) -> Sentence:
    act = context.act(act_id)
    summary = _summary(act.change if act else None, context.act_title(act_id))
    sentence = "" if outcome.good and outcome.sentence == AS_INTENDED else f" {with_full_stop(bare(outcome.sentence))}"
    next_step = f" Next: {with_full_stop(bare(outcome.next_step))}" if outcome.next_step and not outcome.good else ""
    # A refusal is in the proposal already, and an updated message shows its own update.
    routine = bool(act and (act.refusals or (act.proposed.phase in {LIVE_MESSAGE, THREAD} and outcome.good)))
    text = f"{outcome_words(outcome)}: {summary}.{sentence}{next_step}"
    return Sentence(text, _OUTCOMES[outcome.status][1], routine=routine)
