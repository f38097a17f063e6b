"""Sentences about people: who took over, what was written down, who was reminded."""

from __future__ import annotations

from allclear.domain.local_times import day, stamp
from allclear.domain.records import (
    Acknowledged,
    AudienceTold,
    DecisionMade,
    Entry,
    FollowUpAdded,
    FollowUpDone,
    HoldEnded,
    HoldStarted,
    LedgerHandedOver,
    LedgerNoted,
    LedgerSuperseded,
    NoteAdded,
    PostMortemWritten,
    ReminderDue,
    RoleOffered,
    RoleTaken,
)
from allclear.domain.review.post_mortem import TITLES
from allclear.domain.sentences.sentence import Sentence, SentenceContext
from allclear.domain.text import bare, plain, role_words, with_full_stop


def describe(context: SentenceContext, entry: Entry) -> Sentence | None:  # noqa: PLR0911 - one case for each record
    """Return the sentence for a record about people; None for any other record."""
    author = context.author(entry.by)
    match entry.record:
        case Acknowledged():
            return Sentence(f"{author} acknowledged the incident.", "person")
        case ReminderDue() as reminder:
            title = "Page" if reminder.urgent else "Reminder"
            return Sentence(f"{title}: {with_full_stop(bare(reminder.sentence))}", "bad")
        case RoleOffered() | RoleTaken() as role:
            return _role(context, author, role)
        case NoteAdded(text=text):
            tone = "person" if entry.by.person else "plain"
            return Sentence(f"Note by {author}: {with_full_stop(bare(text))}", tone)
        case DecisionMade() as decision:
            reason = f" Reason: {with_full_stop(bare(decision.reason))}" if decision.reason.strip() else ""
            return Sentence(f"{author} decided: {with_full_stop(bare(decision.text))}{reason}", "person")
        case AudienceTold() as told:
            audience = context.plan.role_title(told.audience) if context.plan else told.audience
            text = f": {with_full_stop(bare(told.text))}" if told.text.strip() else "."
            return Sentence(f"{author} told {plain(audience, 60)}{text}", "person")
        case PostMortemWritten(field=field):
            return Sentence(
                f'{author} wrote "{TITLES.get(field, plain(field, 40))}" for the post-mortem.', "person", routine=True
            )
        case FollowUpAdded() as follow_up:
            owner, text = plain(follow_up.owner, 60), with_full_stop(bare(follow_up.text))
            return Sentence(f"Follow-up for {owner}, due {day(follow_up.due, context.zone)}: {text}", "person")
        case FollowUpDone() as finished:
            return Sentence(f"{author} did follow-up {finished.number}{_follow_up(context, finished)}", "good")
        case _:
            return _hold(entry.record, author) or _in_ledger(context, entry)


def _hold(record: object, author: str) -> Sentence | None:
    """Return the sentence for the beginning or the end of a hold; None for any other record."""
    if not isinstance(record, HoldStarted | HoldEnded):
        return None
    if isinstance(record, HoldStarted):
        reason = with_full_stop(bare(record.reason))
        return Sentence(
            f"{author} holds the incident: nothing automatic happens until it is released. Reason: {reason}", "bad"
        )
    reason = f" Reason: {with_full_stop(bare(record.reason))}" if record.reason.strip() else ""
    return Sentence(f"{author} released the incident: automatic action goes on.{reason}", "person")


def _role(context: SentenceContext, author: str, record: RoleOffered | RoleTaken) -> Sentence:
    """Return the sentence that a person has a role now, or is asked to take it."""
    role = role_words(record.role, context.plan)
    if isinstance(record, RoleTaken):
        before = f" (before: {plain(record.was, 60)})" if record.was else ""
        return Sentence(f"{plain(record.person, 60)} is now {role}{before}.", "person")
    to = plain(record.to, 60)
    keeps = f"{plain(record.holder, 60)} keeps it" if record.holder else "no one has it"
    return Sentence(f"{author} asked {to} to be {role}. Until {to} accepts, {keeps}.", "person")


def _in_ledger(context: SentenceContext, entry: Entry) -> Sentence | None:
    """Return the sentence for a record about what an act left in place; None for any other record."""
    match entry.record:
        case LedgerHandedOver() as handed_over:
            title, to = context.act_title(handed_over.act), plain(handed_over.to, 60)
            due = stamp(handed_over.due, context.zone)
            return Sentence(f'{to} takes over what "{title}" left in place, and must review it by {due}.', "person")
        case LedgerSuperseded() as superseded:
            title, reason = context.act_title(superseded.act), with_full_stop(bare(superseded.reason))
            detail = [f"The target was then: {plain(superseded.found)}."] if superseded.found else []
            text = f'{context.author(entry.by)} closed what "{title}" left in place as superseded: {reason}'
            act = context.act(superseded.act)
            routine = act is not None and act.proposed.pages and not entry.by.person  # the end of an incident does it
            return Sentence(text, "person", detail=detail, routine=routine)
        case LedgerNoted() as noted:
            title = context.act_title(noted.act)
            return Sentence(f'Still in place, "{title}": {with_full_stop(bare(noted.text))}', "bad")
        case _:
            return None


def _follow_up(context: SentenceContext, finished: FollowUpDone) -> str:
    """Return what a follow-up was about, and the note of the person who did it."""
    known = context.incident.follow_ups[finished.number - 1 : finished.number] if context.incident else []
    about = f": {with_full_stop(bare(known[0].text))}" if known else "."
    return f"{about} {with_full_stop(bare(finished.note))}" if finished.note.strip() else about
