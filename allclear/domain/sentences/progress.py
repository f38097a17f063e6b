"""Sentences about the incident itself: its opening and end, severity, phases, steps, containment and recovery."""

from __future__ import annotations

from allclear.domain.action import Finding, Verdict
from allclear.domain.durations import counted, short_duration
from allclear.domain.local_times import stamp
from allclear.domain.records import (
    Assessed,
    Contained,
    Entry,
    IncidentEnded,
    IncidentOpened,
    PhaseEntered,
    PhaseLeft,
    Recovered,
    RunReplaced,
    RunStarted,
    SeverityChanged,
    StepDone,
)
from allclear.domain.runbook import Phase
from allclear.domain.sentences.sentence import Sentence, SentenceContext
from allclear.domain.text import SHORT, bare, plain, value_words, with_full_stop

ENDINGS = {"resolved": "All clear", "false-alarm": "False alarm", "abandoned": "Abandoned"}
"""How an incident ended -> the words for it in the timeline and the post-mortem."""


def describe(context: SentenceContext, entry: Entry) -> Sentence | None:  # noqa: C901, PLR0911 - one case for each record
    """Return the sentence for a record about the incident itself; None for any other record."""
    match entry.record:
        case IncidentOpened() as opened:
            return _opened(context, opened)
        case SeverityChanged() as changed:
            return _severity(context, changed)
        case Assessed() as assessed:
            return _assessed(context, assessed, context.author(entry.by))
        case PhaseEntered(phase=phase):
            return Sentence(f"Phase started: {context.phase(phase)}.", routine=True)
        case PhaseLeft() as left:
            rest = f" {with_full_stop(bare(left.sentence))}" if left.sentence else ""
            return Sentence(f"Phase finished: {context.phase(left.phase)}.{rest}", routine=not left.sentence)
        case StepDone() as done:
            return _step(context, done, entry.number)
        case Contained() as contained:
            finding = with_full_stop(bare(contained.finding.sentence))
            return Sentence(f"{_contained(context, entry.number)} ({bare(contained.by)}): {finding}", "good")
        case Recovered() as recovered:
            return _recovered(recovered, entry)
        case IncidentEnded() as ended:
            ending = ENDINGS[ended.ending]
            reason = f": {with_full_stop(bare(ended.reason))}" if ended.reason.strip() else "."
            return Sentence(f"{ending}{reason}", "plain" if ended.ending == "abandoned" else "good")
        case RunStarted() as started:
            phase = context.phase(started.phase)
            return Sentence(f"Prefect started {phase} (flow run {plain(started.run)}).", routine=True)
        case RunReplaced() as replaced:
            text = f"{was_replaced(replaced)} Another run was started for it."
            return Sentence(text, routine=replaced.state not in BY_A_PERSON)
        case _:
            return None


def _contained(context: SentenceContext, number: int) -> str:
    """Return whether entry `number` began the containment, began it again, or found that it still holds."""
    incident = context.incident
    if incident and number in incident.confirmations:
        return "Still contained"
    return "Contained again" if incident and incident.containment.is_again(number) else "Contained"


BY_A_PERSON = {"cancelled", "deleted"}
"""The states of a flow run that only a person sets, in Prefect."""


def was_replaced(replaced: RunReplaced) -> str:
    """Return what became of a flow run that is needed, in a sentence. Prefect has no users, so no name is known."""
    name = f'The run "{plain(replaced.name)}"'
    if replaced.state in BY_A_PERSON:
        return f"{name} was {replaced.state} in Prefect, which does not record by whom."
    return f"{name} {replaced.state} in Prefect."


def _opened(context: SentenceContext, opened: IncidentOpened) -> Sentence:
    drill = ["Simulated: nothing here happens in production."] if opened.simulated else []
    began = [f"The trouble began {stamp(opened.began_at, context.zone)}."] if opened.began_at else []
    known = [f"It has been known since {stamp(opened.known_at, context.zone)}."] if opened.known_at else []
    text = f"Opened as {plain(opened.severity, 20)}: {bare(opened.title, SHORT)} ({plain(opened.reported)})."
    return Sentence(text, "bad", detail=[*drill, *began, *known])


def _severity(context: SentenceContext, changed: SeverityChanged) -> Sentence:
    was, now = (context.plan.rank(changed.was), context.plan.rank(changed.now)) if context.plan else (0, 0)
    verb = "changed" if was == now else "raised" if now < was else "lowered"
    reason = with_full_stop(bare(changed.reason))
    text = f"Severity {verb} from {plain(changed.was, 20)} to {plain(changed.now, 20)}: {reason}"
    return Sentence(text, "bad" if verb == "raised" else "plain")


def _assessed(context: SentenceContext, assessed: Assessed, author: str) -> Sentence:
    known = [f"{_facet(context, name)}: {plain(value, 40)}" for name, value in assessed.facets.items()]
    if assessed.incident_kind:
        kind = context.plan.kinds.get(assessed.incident_kind) if context.plan else None
        known.insert(0, f"kind of incident: {plain(kind.title if kind else assessed.incident_kind, 60)}")
    if assessed.known_at:
        known.append(f"known since {stamp(assessed.known_at, context.zone)}")
    reason = f" Reason: {with_full_stop(bare(assessed.reason))}" if assessed.reason.strip() else ""
    return Sentence(f"{author} assessed the incident: {'; '.join(known)}.{reason}", "person")


def _facet(context: SentenceContext, name: str) -> str:
    facet = context.plan.facets.get(name) if context.plan else None
    return plain(facet.title if facet else name, 80)


def _recovered(recovered: Recovered, entry: Entry) -> Sentence:
    finding = with_full_stop(bare(recovered.finding.sentence))
    if recovered.since is None:
        return Sentence(f"Recovered: {finding}", "good")
    span = short_duration(entry.at - recovered.since)
    return Sentence(
        f"Recovered: {counted(recovered.checks, 'check')} over {span} were good; the last one: {finding}", "good"
    )


def _lost(context: SentenceContext, done: StepDone, number: int) -> Sentence | None:
    """Return the sentence of a check that ended containment or recovery; None for any other check."""
    incident = context.incident
    if incident is None:
        return None
    ended = [
        words
        for words, history in (("contained", incident.containment), ("recovered", incident.recovery))
        if history.ended_by(number)
    ]
    if not ended:
        return None
    finding = with_full_stop(bare(done.finding.sentence))
    return Sentence(f"Not {' and '.join(ended)} any more: {finding}", "bad", detail=_facts(done.finding))


def _still(context: SentenceContext, done: StepDone, number: int) -> Sentence | None:
    """Return the sentence of a check that found a state to hold still, after a reason to doubt it; None otherwise."""
    if context.incident is None or number not in context.incident.confirmations:
        return None
    word = "contained" if context.incident.containment.held_at(number) else "recovered"
    return Sentence(f"Still {word}: {with_full_stop(bare(done.finding.sentence))}", "good", detail=_facts(done.finding))


def _step(context: SentenceContext, done: StepDone, number: int) -> Sentence:
    if changed := _lost(context, done, number) or _still(context, done, number):
        return changed
    finding = done.finding
    failed = " Trouble confirmed." if done.phase == Phase.DETECT else " Not healthy."
    end = {Verdict.FAILURE: failed, Verdict.INCONCLUSIVE: " Inconclusive.", Verdict.SUCCESS: ""}[finding.verdict]
    healthy = finding.verdict is Verdict.SUCCESS and done.phase != Phase.INVESTIGATE
    return Sentence(
        f"{bare(done.title, SHORT)}: {with_full_stop(bare(finding.sentence))}{end}",
        "bad" if finding.verdict is Verdict.FAILURE else "good" if healthy else "plain",
        routine=(done.phase, done.step) in context.covered,
        detail=_facts(finding),
    )


def _facts(finding: Finding) -> list[str]:
    facts = list(finding.facts.items())[:12]
    return [f"{plain(name, 40).replace('_', ' ')}: {value_words(value)}" for name, value in facts]
