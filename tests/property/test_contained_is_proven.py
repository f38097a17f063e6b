"""An incident is contained only while the last check after the last change of production was good.

The histories are interleavings of measures, undos, acts that are settled later, acts that another person moved, checks
that take time, people's confirmations, and alerts, in any order. A check that cannot disprove containment (the health
check in maintenance mode, or if only people can tell) is left out. A second, simpler account of the rule is kept beside
the replay and compared with it after every entry.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.incident import Incident
from allclear.domain.records import (
    ActFinished,
    ActProposed,
    ActSettled,
    AlertJoined,
    By,
    Contained,
    Entry,
    IncidentOpened,
    LedgerNoted,
    NoteAdded,
    Recovered,
    StepDone,
)
from allclear.domain.replay import apply_to, replay
from tests.unit.domain.stories import ANA, MACHINE, START

HISTORIES, LENGTH = 10_000, 14
_BY_HEALTH_CHECK, _BY_PEOPLE = 0.6, 0.4
"""How often a check of containment is the health check, and how often a person confirms it."""

GOOD = Finding(verdict=Verdict.SUCCESS, sentence="20 requests: 0 failed.")
CONFIRMED = Finding(verdict=Verdict.SUCCESS, sentence="The key is revoked.")
BAD = Finding(verdict=Verdict.FAILURE, sentence="20 requests: 12 failed.")
UNCLEAR = Finding(verdict=Verdict.INCONCLUSIVE, sentence="Too few answers count.")
OPENED = IncidentOpened(
    company="vintstreet", title="Payments fail", severity="P0", service="shop", runbook="outage", reported="an alert"
)
CHANGED = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="It is as intended.")
ALREADY = Outcome(status=ActStatus.VERIFIED, changed=False, sentence="It was so already.")
UNKNOWN = Outcome(status=ActStatus.INDETERMINATE, changed=False, sentence="No one knows.")


@dataclass
class _History:
    """One interleaving, the incident that it gives, and what a reader would say about it without the replay."""

    draw: random.Random
    incident: Incident
    number: int = 1
    acts: int = 0
    measures: list[str] = field(default_factory=list[str])
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    """Act -> its last outcome."""
    started: list[int] = field(default_factory=list[int])
    """Where each check that is still running began: the number of the last entry."""
    changed: int = 0
    checks: list[tuple[int, Verdict, bool]] = field(default_factory=list[tuple[int, Verdict, bool]])
    """Where each finished check began, its verdict, and whether it was to decide about containment, in their order."""

    def record(self, record: Any, by: By = MACHINE) -> None:  # noqa: ANN401 - any record
        self.number += 1
        self.incident = apply_to(self.incident, [_entry(self.number, record, by)])

    def act(self, *, undoes: str | None = None) -> None:
        """Finish a measure, or the undo of one; some find it done already, and some end without a known outcome."""
        self.acts += 1
        act = f"contain/act-{self.acts}"
        outcome = self.draw.choice([CHANGED, CHANGED, CHANGED, ALREADY, UNKNOWN])
        self.record(_proposed(act, undoes))
        self.record(ActFinished(act=act, outcome=outcome), self.draw.choice([MACHINE, ANA]))
        self._finished(act, outcome)
        if undoes is None:
            self.measures.append(act)

    def _finished(self, act: str, outcome: Outcome) -> None:
        self.outcomes[act] = outcome
        if outcome is not ALREADY:
            self.changed = self.number

    def settle(self, act: str) -> None:
        """Let a later read tell what has become of an act."""
        outcome = self.draw.choice([CHANGED, ALREADY])
        self.record(ActSettled(act=act, outcome=outcome))
        self._finished(act, outcome)

    def move(self, act: str) -> None:
        """Let another person change what an act had changed; an act that changed nothing says nothing about it."""
        self.record(LedgerNoted(act=act, key=f"moved:{self.number}", text="It is otherwise now.", moved=True))
        self._finished(act, self.outcomes[act])

    def confirm(self) -> None:
        """Let a person confirm that the incident is contained, as for a kind that only people can judge."""
        self.record(Contained(by="Ana confirmed it", finding=CONFIRMED), ANA)
        self.checks.append((self.number - 1, Verdict.SUCCESS, True))

    def finish_check(self) -> None:
        """Finish a check that began some entries ago, and claim containment or recovery as the engine would."""
        begun = self.started.pop(self.draw.randrange(len(self.started)))
        finding = self.draw.choice([GOOD, GOOD, BAD, UNCLEAR])
        proves: Any = self.draw.choice([None, "containment", "recovery"])
        health_check = proves != "containment" or self.draw.random() < _BY_HEALTH_CHECK
        self.record(
            StepDone(
                phase="contain",
                step="proof",
                title="Check",
                finding=finding,
                health_check=health_check,
                proves=proves,
                after_entry=begun,
            )
        )
        claims = finding is GOOD and proves is not None
        self.checks.append((begun, finding.verdict, claims or proves == "containment"))
        if finding is GOOD:
            self.record(Contained(by="the measure", finding=finding) if proves else Recovered(finding=finding))

    def proven(self, *, by_health_check: bool = True) -> bool:
        """Return whether the last check that can decide, and began after the last change, was good."""
        after = [
            verdict for begun, verdict, decides in self.checks if begun >= self.changed and (by_health_check or decides)
        ]
        return bool(after) and after[-1] is Verdict.SUCCESS


def _entry(number: int, record: Any, by: By) -> Entry:  # noqa: ANN401 - any record
    at = START + timedelta(seconds=number)
    before, own = str(number - 1), str(number)
    return Entry.model_construct(
        incident="VS-1", number=number, at=at, by=by, record=record, previous_hash=before, hash=own
    )


def _proposed(act: str, undoes: str | None) -> ActProposed:
    return ActProposed.model_construct(
        act=act,
        phase="contain",
        step=act,
        action="dial.turn",
        title="Turn",
        params={},
        change=None,
        resource="dial:main",
        changes_service=undoes is None,
        leaves=None if undoes else "turned",
        undoes=undoes,
    )


def _alert(key: str, state: Any) -> AlertJoined:  # noqa: ANN401 - firing or resolved
    return AlertJoined.model_construct(
        delivery="1", source="grafana", key=key, state=state, title="Errors", at=None, flapping=False, news=""
    )


def _step(history: _History) -> None:
    """Let one thing happen."""
    match history.draw.randrange(9):
        case 0:
            history.act()
        case 1 if history.measures:
            history.act(undoes=history.draw.choice(history.measures))
        case 2 | 3 if history.started:
            history.finish_check()
        case 4:
            history.record(_alert(history.draw.choice("ab"), history.draw.choice(["firing", "resolved"])))
        case 5:
            history.record(NoteAdded(text="x"), ANA)
        case 6 if history.outcomes:
            history.draw.choice([history.settle, history.move])(history.draw.choice([*history.outcomes]))
        case 7 if history.draw.random() < _BY_PEOPLE:
            history.confirm()
        case _:
            history.started.append(history.number)


@pytest.mark.parametrize("seed", range(4))
def test_contained_only_while_the_last_check_after_the_last_change_was_good(seed: int) -> None:
    """10,000 interleavings: the claim never outlives its proof, and a lost claim has a reason and a time."""
    draw, held, people, lost = random.Random(seed), 0, 0, 0  # noqa: S311 - no secret
    first = replay([_entry(1, OPENED, MACHINE)])
    assert first is not None
    for _ in range(HISTORIES // 4):
        history = _History(draw, first)
        for _ in range(LENGTH):
            _step(history)
            incident = history.incident
            if incident.recovered:
                assert history.proven()
            if incident.contained:
                assert history.proven(by_health_check=incident.contained.by_health_check)
                people += not incident.contained.by_health_check
            held += bool(incident.contained or incident.recovered)
            lost += incident.loss is not None
            assert not (incident.loss and (incident.contained or incident.recovered))
            _assert_consistent(incident)
    assert held > HISTORIES / 4
    assert people > HISTORIES / 40
    assert lost > HISTORIES / 40


def _assert_consistent(incident: Incident) -> None:
    """Assert that a recheck is asked for only if there is something to lose, and that periods follow each other."""
    claims = incident.containment.current or incident.recovery.current
    assert incident.recheck is None or claims
    for history in (incident.containment, incident.recovery, incident.acknowledgement):
        ends = [period.until for period in history.periods]
        assert None not in ends[:-1]
        for before, after in zip(history.periods, history.periods[1:], strict=False):
            assert before.until is not None
            assert before.until <= after.since
            assert before.ended_by <= after.number
