"""Every kind of record has its own sentence, short and plain."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.approval import ONE_PERSON, ApprovalPolicy, Ask, AskKind
from allclear.domain.records import (
    Acknowledged,
    ActFinished,
    ActIntended,
    ActProposed,
    ActSettled,
    AlertJoined,
    AlertsCollapsed,
    AnswerRefused,
    AskAnswered,
    AskOpened,
    AskWithdrawn,
    Assessed,
    AudienceTold,
    By,
    Contained,
    DecisionMade,
    FollowUpAdded,
    FollowUpDone,
    HoldEnded,
    HoldStarted,
    IncidentEnded,
    IncidentOpened,
    LedgerHandedOver,
    LedgerNoted,
    LedgerSuperseded,
    NoteAdded,
    PageHeard,
    PhaseEntered,
    PhaseLeft,
    PostMortemWritten,
    Record,
    Recovered,
    ReminderDue,
    RoleOffered,
    RoleTaken,
    RunReplaced,
    RunStarted,
    SeverityChanged,
    StepDone,
    StormJoined,
    StormPassed,
    VetoWindowEnded,
)
from allclear.domain.sentences.acts import outcome_words
from allclear.domain.text import answer_commands, asked_words, role_words
from allclear.domain.timeline import Line, beside_its_author, line_of, timeline
from tests.unit.domain.stories import ANA, BEN, HEALTH, MACHINE, START, TROUBLE, Story, change, plan


def _ask(kind: AskKind, policy: ApprovalPolicy = ONE_PERSON) -> Ask:
    return Ask(
        id="VS-12/resolve/fix",
        kind=kind,
        phase="resolve",
        step="fix",
        title="Deploy the fix",
        text="...",
        yes="It is done.",
        no="It is not done.",
        policy=policy,
    )


_MADE = change("Send all traffic to web-41.", {"revision": "web-42"}, {"revision": "web-41"})
_PROPOSED = ActProposed(
    act="contain/roll-back",
    phase="contain",
    step="roll-back",
    action="traffic.roll_back",
    title="Roll back traffic",
    params={},
    change=_MADE,
)
_OUTCOME = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="web-41 serves 100 %.")

EXAMPLES: list[tuple[Any, By, str]] = [
    (
        HoldStarted(reason="we look first"),
        ANA,
        "Ana (Tech Lead) holds the incident: nothing automatic happens until it is released. Reason: we look first.",
    ),
    (
        HoldEnded(reason="we have looked"),
        ANA,
        "Ana (Tech Lead) released the incident: automatic action goes on. Reason: we have looked.",
    ),
    (
        AudienceTold(audience="cto", text="by phone"),
        ANA,
        "Ana (Tech Lead) told CTO: by phone.",
    ),
    (
        IncidentOpened(
            company="VintStreet",
            title="Payments down",
            severity="P0",
            service="web",
            runbook="payments",
            reported="alert from alertmanager",
        ),
        MACHINE,
        "Opened as P0: Payments down (alert from alertmanager).",
    ),
    (
        AlertJoined(delivery="7", source="sentry", key="k", state="firing", title="Too many errors"),
        MACHINE,
        "Alert from sentry: Too many errors.",
    ),
    (
        AlertJoined(delivery="7", source="sentry", key="k", state="firing", title="Too many errors", flapping=True),
        MACHINE,
        "Alert from sentry is flapping, so it counts as firing and no action is automatic: Too many errors.",
    ),
    (
        AlertsCollapsed(count=40, up_to=90),
        MACHINE,
        "40 more alerts were received and only counted, because too many came to list each.",
    ),
    (
        StormJoined(umbrella="VS-30"),
        MACHINE,
        (
            "Alert storm: new alerts are grouped into VS-30. Every action here needs an approval until an alert joins "
            "after the storm."
        ),
    ),
    (
        StormPassed(umbrella="VS-30"),
        MACHINE,
        "The alert storm of VS-30 is over. Actions that the plan allows without an approval are automatic again.",
    ),
    (Acknowledged(), ANA, "Ana (Tech Lead) acknowledged the incident."),
    (
        RoleOffered(role="tech_lead", to="Ben", holder="Ana"),
        ANA,
        "Ana (Tech Lead) asked Ben to be Tech Lead. Until Ben accepts, Ana keeps it.",
    ),
    (
        PageHeard(act="detect/page", page="Q1", event="escalated", agent="Ana", rings=True, ringing=["Ben"]),
        MACHINE,
        "The page was escalated in PagerDuty by Ana. PagerDuty calls Ben now.",
    ),
    (
        SeverityChanged(was="P1", now="P0", reason="checkout is down too"),
        BEN,
        "Severity raised from P1 to P0: checkout is down too.",
    ),
    (
        ReminderDue(topic="acknowledge", level=1, sentence="Nobody has acknowledged the page", urgent=True),
        MACHINE,
        "Page: Nobody has acknowledged the page.",
    ),
    (
        VetoWindowEnded(ask="VS-12/contain/roll-back"),
        MACHINE,
        'No one stopped "VS-12/contain/roll-back" during its veto window: it is carried out, as the plan allows.',
    ),
    (
        Assessed(facets={"users": "many"}, incident_kind="outage", reason="tickets"),
        BEN,
        "Ben (Incident Commander) assessed the incident: kind of incident: Outage; users: many. Reason: tickets.",
    ),
    (
        RoleTaken(role="incident_commander", person="Ben", was="Ana"),
        BEN,
        "Ben is now Incident Commander (before: Ana).",
    ),
    (PhaseEntered(phase="contain"), MACHINE, "Phase started: Initial Response."),
    (
        PhaseLeft(phase="contain", sentence="Contained by the first measure."),
        MACHINE,
        "Phase finished: Initial Response. Contained by the first measure.",
    ),
    (
        StepDone(phase="detect", step="verify", title="Verification", finding=TROUBLE),
        MACHINE,
        "Verification: 20 requests: 12 failed (60 %), p95 84 ms. Trouble confirmed.",
    ),
    (_PROPOSED, MACHINE, "Proposed: Send all traffic to web-41."),
    (
        AskOpened(ask=_ask(AskKind.APPROVAL)),
        MACHINE,
        "Asked On-Call, Incident Commander, Tech Lead or CTO to approve: Deploy the fix.",
    ),
    (
        AskAnswered(ask="VS-12/resolve/fix", yes=True, reason="errors started with 42"),
        ANA,
        "Ana (Tech Lead) answered yes to VS-12/resolve/fix from the command line: 'errors started with 42'.",
    ),
    (
        AnswerRefused(
            ask="VS-12/resolve/fix",
            form="vs-12-resolve-fix",
            answer="approve: VS-12/contain/roll-back",
            name="Ben",
            reason="go",
            problem="It is closed: deny, said Ana. Asked now: nothing",
        ),
        MACHINE,
        (
            "An answer in Prefect did not count: \"approve: VS-12/contain/roll-back\" by Ben ('go'). "
            "It is closed: deny, said Ana. Asked now: nothing."
        ),
    ),
    (
        AskWithdrawn(ask="VS-12/resolve/fix", reason="the revision is gone"),
        MACHINE,
        'The question about "VS-12/resolve/fix" was withdrawn: the revision is gone.',
    ),
    (
        ActIntended(act="contain/roll-back", digest="2" * 64, change=_MADE, holder="responder-1"),
        MACHINE,
        "Starting: Send all traffic to web-41.",
    ),
    (
        ActFinished(act="contain/roll-back", outcome=_OUTCOME),
        MACHINE,
        "Done and verified: contain/roll-back. web-41 serves 100 %.",
    ),
    (
        ActSettled(act="contain/roll-back", outcome=_OUTCOME),
        MACHINE,
        "A later read shows: Done and verified: contain/roll-back. web-41 serves 100 %.",
    ),
    (
        Contained(by="Roll back traffic", finding=HEALTH),
        MACHINE,
        "Contained (Roll back traffic): 20 requests: 0 failed, p95 61 ms.",
    ),
    (Recovered(finding=HEALTH), MACHINE, "Recovered: 20 requests: 0 failed, p95 61 ms."),
    (
        LedgerHandedOver(act="contain/roll-back", to="Ana", due=START),
        BEN,
        'Ana takes over what "contain/roll-back" left in place, and must review it by 2026-11-22 14:30 UTC.',
    ),
    (
        LedgerSuperseded(act="contain/roll-back", reason="43 serves by name", found="100 % web-43"),
        ANA,
        'Ana (Tech Lead) closed what "contain/roll-back" left in place as superseded: 43 serves by name.',
    ),
    (
        LedgerNoted(act="contain/roll-back", key="deployed:web-43", text="web-43 gets no users."),
        MACHINE,
        'Still in place, "contain/roll-back": web-43 gets no users.',
    ),
    (
        NoteAdded(text="The bank says that it is not them"),
        ANA,
        "Note by Ana (Tech Lead): The bank says that it is not them.",
    ),
    (
        DecisionMade(text="Fix forward", reason="41 is too old"),
        BEN,
        "Ben (Incident Commander) decided: Fix forward. Reason: 41 is too old.",
    ),
    (
        PostMortemWritten(field="root_cause", text="An empty key"),
        BEN,
        'Ben (Incident Commander) wrote "Root cause" for the post-mortem.',
    ),
    (
        FollowUpAdded(text="Refuse to start without a key", owner="Ana", due=START),
        BEN,
        "Follow-up for Ana, due 2026-11-22: Refuse to start without a key.",
    ),
    (
        FollowUpDone(number=1, note="it exits with the name of the key"),
        ANA,
        "Ana (Tech Lead) did follow-up 1. it exits with the name of the key.",
    ),
    (IncidentEnded(ending="resolved", reason="well for five minutes"), BEN, "All clear: well for five minutes."),
    (RunStarted(phase="contain", run="7c9e6679"), MACHINE, "Prefect started Initial Response (flow run 7c9e6679)."),
    (
        RunReplaced(run="7c9e6679", name="VS-1 contain", state="cancelled"),
        MACHINE,
        (
            'The run "VS-1 contain" was cancelled in Prefect, which does not record by whom. '
            "Another run was started for it."
        ),
    ),
]


def _line(record: Any, by: By = MACHINE) -> Line:  # noqa: ANN401 - any record
    return line_of(Story().record(record, by=by).entries[0], plan=plan())


@pytest.mark.parametrize(("record", "by", "sentence"), EXAMPLES, ids=[example[0].kind for example in EXAMPLES])
def test_each_kind_of_record_has_its_own_sentence(record: Any, by: By, sentence: str) -> None:  # noqa: ANN401
    """Each record becomes a plain sentence."""
    assert _line(record, by).text == sentence


def test_no_kind_of_record_is_forgotten() -> None:
    """A new kind of record fails here until it has an example, and with it a sentence."""
    union = get_args(get_args(Record)[0])
    assert {type(record) for record, _, _ in EXAMPLES} == set(union)


def test_lines_for_auditors_are_left_out_unless_asked_for() -> None:
    """Flow runs, the start of phases, and intents are left out."""
    story = Story().whole()
    short, everything = timeline(story.entries, plan()), timeline(story.entries, plan(), routine=True)
    assert len(everything) == len(story.entries)
    assert not any(line.text.startswith(("Prefect started", "Phase started", "Starting")) for line in short)
    assert [line for line in everything if not line.routine] == short


def test_no_event_has_two_lines() -> None:
    """The end of an act, a repeated alert, and the check behind a proof have one line each."""
    story = (
        Story()
        .opened()
        .record(
            *(
                AlertJoined(delivery=str(n), source="alertmanager", key="payments", state="firing", title="Payments")
                for n in range(2, 50)
            )
        )
        .verified()
        .paged()
        .roll_back_proposed()
        .contained()
    )
    texts = [line.text for line in timeline(story.entries, plan())]
    assert len(set(texts)) == len(texts)
    assert sum(text.startswith("Alert from") for text in texts) == 0
    assert sum("20 requests: 0 failed" in text for text in texts) == 1
    assert sum("no flag called" in text for text in texts) == 1


def test_a_persons_answer_names_the_person_the_channel_and_the_reason() -> None:
    """A later reader sees who approved the rollback, how and why."""
    texts = [line.text for line in timeline(Story().whole().entries, plan())]
    answer = """Ana (Tech Lead) approved "Roll back traffic" from the command line: 'errors started with 42'."""
    assert answer in texts
    assert "Ana (Tech Lead) did \"Deploy the fix\": 'vintstreet-00043-kal is deployed, without traffic'." in texts


@pytest.mark.parametrize(
    ("kind", "yes", "no"),
    [
        (
            AskKind.APPROVAL,
            'approved "Deploy the fix" from the command line.',
            'denied "Deploy the fix" from the command line.',
        ),
        (AskKind.STEP, 'did "Deploy the fix".', 'did not do "Deploy the fix".'),
        (
            AskKind.FALSE_ALARM,
            "said from the command line that this is a false alarm.",
            "said from the command line that this is no false alarm.",
        ),
        (
            AskKind.RETRY,
            'chose from the command line to try again ("Deploy the fix").',
            'chose from the command line to go on without it ("Deploy the fix").',
        ),
    ],
)
def test_each_kind_of_question_has_its_own_answers(kind: AskKind, yes: str, no: str) -> None:
    """A yes to a change and a yes to a false alarm have different sentences."""
    story = Story().opened().record(AskOpened(ask=_ask(kind)))
    for answer, words in ((True, yes), (False, no)):
        story.answered("resolve/fix", "", yes=answer)
        assert line_of(story.entries[-1], story.incident, plan()).text == f"Ana (Tech Lead) {words}"


def test_the_command_names_the_role_if_the_plan_names_no_person() -> None:
    """The command works as it is printed, also with a plan whose names are still blanks."""
    yes, no = answer_commands(_ask(AskKind.APPROVAL, ApprovalPolicy(roles=["cto"])), plan())
    assert yes == "allclear approve VS-12/resolve/fix --as NAME --role cto"
    assert no == "allclear deny VS-12/resolve/fix --as NAME --role cto"


def test_a_question_names_the_commands_that_answer_it() -> None:
    """Its details have the commands for yes and for no."""
    policy = ApprovalPolicy(roles=["tech_lead"], reason_needed=True)
    line = _line(AskOpened(ask=_ask(AskKind.STEP, policy)))
    assert line.detail == [
        'Done: It is done. allclear done VS-12/resolve/fix --as NAME --reason "..."',
        'Not done: It is not done. allclear not-done VS-12/resolve/fix --as NAME --reason "..."',
    ]


@pytest.mark.parametrize("status", list(ActStatus))
def test_every_outcome_has_words_and_a_bad_one_a_next_step(status: ActStatus) -> None:
    """Each status has words that need no explanation, and a bad outcome shows its next step."""
    outcome = Outcome(status=status, changed=True, sentence="It is so.", next_step="Look at it by hand.")
    line = _line(ActFinished(act="contain/roll-back", outcome=outcome))
    assert line.text.startswith(f"{outcome_words(outcome)}: contain/roll-back. It is so.")
    assert ("Next: Look at it by hand." in line.text) is not outcome.good


def test_an_act_that_changed_nothing_is_not_called_done() -> None:
    """If the state was already as intended, or had changed before the write, the words say so."""
    already = Outcome(status=ActStatus.VERIFIED, changed=False, sentence="")
    drifted = Outcome(status=ActStatus.FAILED, changed=False, sentence="", drifted=True)
    assert [outcome_words(already), outcome_words(drifted)] == [
        "Already done",
        "Not done, because its target had changed",
    ]


def test_the_roles_that_are_asked_read_as_part_of_a_sentence() -> None:
    """A role has the plan's title, or else its name in lower case, with abbreviations in capitals."""
    assert asked_words(ApprovalPolicy(roles=["cto"]), plan()) == "CTO"
    assert asked_words(ApprovalPolicy(roles=["on_call", "tech_lead", "cto"], people=2)) == (
        "two of on-call, tech lead or CTO"
    )
    assert role_words("security_officer", plan()) == "security officer"


@pytest.mark.parametrize(
    ("record", "by", "text"),
    [
        (Acknowledged(), ANA, "acknowledged the incident."),
        (RoleTaken(role="tech_lead", person="Ana"), ANA, "is now Tech Lead."),
        (RoleTaken(role="tech_lead", person="Eve"), ANA, "Eve is now Tech Lead."),
        (NoteAdded(text="It is the key"), ANA, "Note: It is the key."),
        (DecisionMade(text="Wait"), ANA, "decided: Wait."),
        (
            AlertJoined(delivery="1", source="sentry", key="1", state="firing", title="More"),
            By(actor="alert from sentry", via="sentry"),
            "More.",
        ),
    ],
)
def test_beside_its_author_a_line_does_not_repeat_the_author(record: Record, by: By, text: str) -> None:
    """In a table with a column for the author, the line is shorter."""
    line = line_of(Story().opened().record(record, by=by).entries[-1], plan=plan())
    assert beside_its_author(line) == text
