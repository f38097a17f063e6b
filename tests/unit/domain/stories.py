"""Incidents for tests: a `Story` records entries as the journal does, and has the steps of a whole P0."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Self

from allclear.domain.action import ActStatus, Finding, Outcome, Refusal, Verdict
from allclear.domain.approval import ONE_PERSON, ApprovalPolicy, Ask, AskKind
from allclear.domain.base import JsonDict
from allclear.domain.incident import Incident
from allclear.domain.plan import DueReview, Person, PhaseLabel, Plan, PostMortemRules, Role, Severity, Span
from allclear.domain.records import (
    GENESIS,
    Acknowledged,
    ActFinished,
    ActIntended,
    ActProposed,
    AlertJoined,
    AskAnswered,
    AskOpened,
    By,
    Contained,
    DecisionMade,
    Entry,
    FollowUpAdded,
    IncidentEnded,
    IncidentOpened,
    NoteAdded,
    PhaseEntered,
    PhaseLeft,
    PostMortemWritten,
    Record,
    Recovered,
    RoleTaken,
    RunStarted,
    SeverityChanged,
    StepDone,
)
from allclear.domain.replay import replay
from allclear.domain.runbook import Phase
from allclear.journal.hash_chain import link

START = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
MACHINE = By(actor="allclear", via="responder")
ANA = By(actor="Ana", role="tech_lead", via="cli")
BEN = By(actor="Ben", role="incident_commander", via="slack")

TROUBLE = Finding(
    verdict=Verdict.FAILURE, sentence="20 requests: 12 failed (60 %), p95 84 ms.", facts={"requests": 20, "failed": 12}
)
HEALTH = Finding(
    verdict=Verdict.SUCCESS, sentence="20 requests: 0 failed, p95 61 ms.", facts={"requests": 20, "failed": 0}
)


def plan() -> Plan:
    """Return a small plan with VintStreet's words."""
    labels = ("Detection", "Initial Response", "Investigation", "Resolution", "Post-Mortem")
    return Plan(
        company="VintStreet",
        short="VS",
        severities=[
            Severity(name="P0", title="Critical", definition="Complete service outage"),
            Severity(name="P1", title="High", definition="Major feature broken"),
        ],
        roles={
            "on_call": Role(title="On-Call"),
            "incident_commander": Role(title="Incident Commander"),
            "tech_lead": Role(title="Tech Lead"),
            "cto": Role(title="CTO"),
        },
        people=[Person(name="Ana", roles=["tech_lead"]), Person(name="Ben", roles=["incident_commander"])],
        phases={phase: PhaseLabel(label=label) for phase, label in zip(Phase, labels, strict=True)},
        post_mortem=PostMortemRules(
            template="templates/post-mortem.md", due=[DueReview(within=Span(timedelta(hours=48)))]
        ),
        status_page_url="https://status.vintstreet.com",
    )


def change(summary: str, before: JsonDict, after: JsonDict, action: str = "traffic.roll_back") -> JsonDict:
    """Return a change as the journal stores it."""
    return {
        "action": action,
        "resource": "run:vintstreet",
        "summary": summary,
        "before": before,
        "after": after,
        "risk": "Requests in flight may fail for a second.",
        "undo": "Traffic goes back as it was.",
        "deadline": "PT30S",
    }


class Story:
    """The entries of one incident, in their hash chain; its clock moves only with `after`."""

    def __init__(self, incident: str = "VS-12", start: datetime = START) -> None:
        self.id, self.now = incident, start
        self.entries: list[Entry] = []

    def after(self, minutes: float) -> Self:
        """Move the clock on."""
        self.now += timedelta(minutes=minutes)
        return self

    def record(self, *records: Record, by: By = MACHINE) -> Self:
        """Append `records` in order, all at the present time."""
        for record in records:
            number, before = len(self.entries) + 1, self.entries[-1].hash if self.entries else GENESIS
            stored = record.model_dump_json(by_alias=True)
            own_hash = link(self.id, number, self.now.isoformat(), by.model_dump_json(), stored, before)
            self.entries.append(
                Entry(
                    incident=self.id,
                    number=number,
                    at=self.now,
                    by=by,
                    record=record,
                    previous_hash=before,
                    hash=own_hash,
                )
            )
        return self

    @property
    def incident(self) -> Incident:
        """Return the state of the incident."""
        incident = replay(self.entries)
        assert incident is not None
        return incident

    # --- the course of the incident ----------------------------------------------------------------------

    def opened(
        self,
        title: str = "Payment processing down",
        *,
        simulated: bool = False,
        severity: str = "P1",
        service: str = "vintstreet",
    ) -> Self:
        """Record that an alert opened the incident."""
        return self.record(
            IncidentOpened(
                company="vintstreet",
                title=title,
                severity=severity,
                service=service,
                runbook="payment-failures",
                reported="alert from alertmanager",
                began_at=self.now - timedelta(minutes=2),
                simulated=simulated,
            ),
            AlertJoined(delivery="1", source="alertmanager", key="payments", state="firing", title=title, at=self.now),
            RunStarted(phase="detect", run="7c9e6679"),
            PhaseEntered(phase="detect"),
        )

    def verified(self) -> Self:
        """Record that a check from outside confirmed the trouble, and that the severity was raised."""
        return self.after(0.5).record(
            StepDone(phase="detect", step="verify", title="Verification", finding=TROUBLE),
            SeverityChanged(was="P1", now="P0", reason="payments have stopped altogether"),
        )

    def paged(self) -> Self:
        """Record that the on-call was paged, the channel informed, and the page acknowledged by Ana."""
        self._unasked("detect", "page", "Page the on-call", "Page on-call by PagerDuty: VS-12, P0", pages=True)
        self._unasked("detect", "announce", "Tell #incidents", "Post to #incidents: Payment processing down")
        self.after(2).record(Acknowledged(), by=ANA).record(RoleTaken(role="incident_commander", person="Ben"), by=BEN)
        return self.record(PhaseLeft(phase="detect"))

    def paged_only(self) -> Self:
        """Record that the on-call was paged and has not acknowledged yet."""
        self._unasked("detect", "page", "Page the on-call", "Page on-call by PagerDuty: VS-12, P0", pages=True)
        return self

    def _unasked(self, phase: str, step: str, title: str, summary: str, *, pages: bool = False) -> None:
        act, made = f"{phase}/{step}", change(summary, {}, {"sent": True}, "message.send")
        self.record(
            ActProposed(
                act=act,
                phase=phase,
                step=step,
                action="message.send",
                title=title,
                params={},
                change=made,
                digest="1" * 64,
                resource=f"message:{step}",
                pages=pages,
            ),
            ActIntended(act=act, digest="1" * 64, change=made, holder="responder-1"),
            ActFinished(
                act=act, outcome=Outcome(status=ActStatus.VERIFIED, changed=True, sentence="It is as intended.")
            ),
            StepDone(
                phase=phase,
                step=step,
                title=title,
                finding=Finding(verdict=Verdict.SUCCESS, sentence="It is as intended."),
            ),
        )

    def roll_back_proposed(self) -> Self:
        """Record that the rollback was proposed and people were asked to approve it."""
        made = change(
            "Send 100 % of vintstreet's traffic to vintstreet-00041-wex.",
            {"traffic": {"vintstreet-00042-zub": 100}, "etag": "a1"},
            {"traffic": {"vintstreet-00041-wex": 100}, "etag": "a2"},
        )
        self.record(RunStarted(phase="contain", run="7c9e6680"), PhaseEntered(phase="contain"))
        return self.ask(
            ActProposed(
                act="contain/roll-back",
                phase="contain",
                step="roll-back",
                action="traffic.roll_back",
                title="Roll back traffic",
                params={"service": "vintstreet"},
                change=made,
                digest="2" * 64,
                resource="run:vintstreet",
                leaves="traffic pinned to one revision",
                owner="tech_lead",
                expires=START + timedelta(days=1),
            )
        )

    def ask(self, proposed: ActProposed, policy: ApprovalPolicy = ONE_PERSON) -> Self:
        """Record a proposal, and the question that asks for its approval."""
        return self.record(
            proposed,
            AskOpened(
                ask=Ask(
                    id=f"{self.id}/{proposed.act}",
                    kind=AskKind.APPROVAL,
                    phase=proposed.phase,
                    step=proposed.step,
                    title=str((proposed.change or {})["summary"]),
                    text="...",
                    yes="It is done at once, and verified.",
                    no="It is not done.",
                    policy=policy,
                    act=proposed.act,
                    digest=proposed.digest,
                )
            ),
        )

    def answered(self, act: str, reason: str, *, yes: bool = True, by: By = ANA) -> Self:
        """Record a person's answer."""
        return self.record(AskAnswered(ask=f"{self.id}/{act}", yes=yes, reason=reason), by=by)

    def done(self, act: str, sentence: str, status: ActStatus = ActStatus.VERIFIED) -> Self:
        """Record that the act was carried out."""
        proposed = self.incident.acts[act].proposed
        outcome = Outcome(status=status, changed=True, sentence=sentence, after=(proposed.change or {}).get("after"))
        return (
            self.record(
                ActIntended(act=act, digest=proposed.digest or "", change=proposed.change or {}, holder="responder-1")
            )
            .after(0.1)
            .record(ActFinished(act=act, outcome=outcome))
        )

    def contained(self) -> Self:
        """Record evidence, Ana's approval, the rollback and its proof, and a flag that could not be turned off."""
        evidence = Finding(verdict=Verdict.SUCCESS, sentence="42 errors since 14:28, all from vintstreet-00042-zub.")
        self.record(StepDone(phase="investigate", step="errors", title="Errors in Sentry", finding=evidence))
        self.after(1.5).answered("contain/roll-back", "errors started with 42")
        self.done("contain/roll-back", "vintstreet-00041-wex serves 100 %.")
        self.record(
            StepDone(phase="contain", step="roll-back-proof", title="Roll back traffic", finding=HEALTH),
            Contained(by="Roll back traffic", act="contain/roll-back", finding=HEALTH),
        )
        refusal = Refusal(sentence="There is no flag called new-checkout.", next_step="Name one of: search, wallets.")
        outcome = Outcome(status=ActStatus.REFUSED, changed=False, sentence=refusal.sentence)
        return self.record(
            ActProposed(
                act="contain/flag-off",
                phase="contain",
                step="flag-off",
                action="flags.turn_off",
                title="Turn the flag off",
                params={},
                change=None,
                refusals=[refusal],
            ),
            ActFinished(act="contain/flag-off", outcome=outcome),
            PhaseLeft(phase="contain", sentence="Contained by the first measure."),
        )

    def resolved(self) -> Self:
        """Record the cause, the fix that a person deployed, and the undo of the rollback."""
        fix = Ask(
            id=f"{self.id}/resolve/fix",
            kind=AskKind.STEP,
            phase="resolve",
            step="fix",
            title="Deploy the fix",
            text="...",
            yes="It is done.",
            no="It cannot be done.",
            policy=ApprovalPolicy(roles=["tech_lead", "cto"]),
        )
        self.after(14).record(NoteAdded(text="Revision 42 reads the new Stripe key, which is empty."), by=ANA)
        self.record(DecisionMade(text="Fix forward with revision 43", reason="41 lacks the tax change"), by=BEN)
        self.record(PhaseEntered(phase="resolve"), AskOpened(ask=fix))
        self.after(9).answered("resolve/fix", "vintstreet-00043-kal is deployed, without traffic")
        self.record(StepDone(phase="resolve", step="fix", title="Deploy the fix", finding=HEALTH))
        made = change(
            "Send vintstreet's traffic to the latest revision again.",
            {"traffic": {"vintstreet-00041-wex": 100}},
            {"traffic": {"latest": 100}},
        )
        self.ask(
            ActProposed(
                act="resolve/undo-contain-roll-back",
                phase="resolve",
                step="undo-contain-roll-back",
                action="traffic.roll_back",
                title="Undo: Roll back traffic",
                params={},
                change=made,
                digest="3" * 64,
                resource="run:vintstreet",
                undoes="contain/roll-back",
            )
        )
        self.after(1).answered("resolve/undo-contain-roll-back", "", by=BEN)
        self.done("resolve/undo-contain-roll-back", "The latest revision serves 100 %.")
        self.after(2).record(
            StepDone(phase="resolve", step="monitor", title="Monitoring", finding=HEALTH), Recovered(finding=HEALTH)
        )
        return self.record(IncidentEnded(ending="resolved", reason="well for five minutes on revision 43"), by=BEN)

    def reviewed(self) -> Self:
        """Record what people wrote for the post-mortem a day later."""
        self.after(60 * 20)
        words = {
            "summary": "Payments failed for 7 minutes.\n\nRevision 42 read a key that was empty.",
            "root_cause": "The new Stripe key was never added to production.",
            "impact_users": "about 130 buyers",
            "impact_revenue": "$1,900, most of it paid later",
            "resolution": "Revision 43 reads the old key until the new one is there.",
            "went_well": "- the rollback took seconds\n- Ana was there in two minutes",
            "could_improve": "Nobody had named a flag for the new checkout",
        }
        self.record(*(PostMortemWritten(field=field, text=text) for field, text in words.items()), by=BEN)
        due = datetime(2026, 12, 1, tzinfo=UTC)
        return self.record(FollowUpAdded(text="Refuse to start without a key", owner="Ana", due=due), by=BEN)

    def whole(self) -> Self:
        """Record the whole incident, from the alert to the review."""
        return self.opened().verified().paged().roll_back_proposed().contained().resolved().reviewed()
