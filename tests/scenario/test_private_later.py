"""An incident that becomes private later: what Prefect has from before is replaced, and its canary is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from allclear.bootstrap import make_engine
from allclear.commands.assess import Assess, ChangeSeverity
from allclear.commands.base import Command
from allclear.company import Company
from allclear.domain.notify.published import became_private
from allclear.domain.plan.severity import SeverityRule
from allclear.domain.records import AskOpened, AskWithdrawn, By, IncidentOpened, NoteAdded, PhaseEntered, PhaseLeft
from allclear.engine.actions.approval_requests import step_ask
from allclear.engine.flow_runs import QUESTION, numbered, tags_of
from allclear.prefect_api import PrefectApi
from allclear.responder.workers.run_recovery import RunRecovery
from allclear.settings import Settings
from tests.scenario.private_support import READER, private, private_if_security
from tests.scenario.slack_support import with_plan
from tests.unit.fakes_prefect import FakePrefect, prefect_at

CANARY = "canary-4711"
MACHINE = By(actor="allclear", via="test")


def private_if_critical() -> Company:
    """Return a company in which only a P0 is private; a security breach makes an incident one."""
    plan = with_plan().plan
    severities = [
        one.model_copy(update={"private_for": ["cto"]}) if one.name == "P0" else one for one in plan.severities
    ]
    rules = [SeverityRule(severity="P0", when={"security_breach": "yes"})]
    return with_plan(severities=severities, assess=rules)


HOW: dict[str, tuple[Company, Command]] = {
    "its kind": (private_if_security(), Assess(kind="security", reason="a table was copied")),
    "its severity": (private_if_critical(), ChangeSeverity(severity="P0", reason="a table was copied")),
    "a facet": (private_if_critical(), Assess(facts={"security_breach": "yes"}, reason="a table was copied")),
}


def made_before(prefect: FakePrefect, incident_tags: list[str], ask: str) -> dict[str, str]:
    """Fill Prefect with what it has of a public incident, a canary in each text; return the runs by what they are."""
    runs = {
        "a command": prefect.add(f"VS-1 {CANARY}", "COMPLETED", tags=incident_tags),
        "a failed command": prefect.add(f"VS-1 {CANARY} again", "FAILED", tags=incident_tags),
        "detect": prefect.add("VS-1 detect", "COMPLETED", tags=incident_tags),
        "contain": prefect.add("VS-1 contain", "PAUSED", tags=incident_tags),
        "question": prefect.add(f"VS-1 asks {CANARY}", "PAUSED", tags=[*incident_tags, QUESTION], form=True),
    }
    for run in prefect.runs.values():
        run["state"]["message"] = CANARY
        ended = {"text": CANARY} if run["state_type"] in {"COMPLETED", "FAILED"} else {}
        run["parameters"] = {"incident": "VS-1", **({"ask": ask} if QUESTION in run["tags"] else ended)}
        prefect.task_runs.append({"id": f"task-{run['id']}", "flow_run_id": run["id"], "name": CANARY})
        prefect.artifacts.append(
            {"id": f"artifact-{run['id']}", "flow_run_id": run["id"], "data": CANARY, "description": CANARY}
        )
        prefect.logs.append((run["id"], CANARY))
    prefect.inputs[runs["question"]] = {f"vs-1-contain-{CANARY}-{part}": CANARY for part in ("schema", "description")}
    return runs


@pytest.mark.parametrize("how", HOW)
async def test_what_prefect_has_from_before_is_replaced(tmp_path: Path, how: str) -> None:
    """Artifacts, names, parameters and an open form at once; states and logs when their runs end."""
    company, command = HOW[how]
    with prefect_at() as (prefect, api):
        settings = Settings(journal_url=f"sqlite:///{tmp_path / 'journal.db'}", PREFECT_API_URL=api)  # pyright: ignore[reportCallIssue] - its alias
        engine = make_engine(settings, environ={}, company=company)
        opened = IncidentOpened(
            company="vintstreet",
            title=CANARY,
            severity="P1",
            service="storefront",
            runbook="bad-deployment",
            reported="declared by Ana",
        )
        incident = engine.journal.open_incident("VS", opened, MACHINE)[0]
        step = engine.company.runbook("bad-deployment").contain[0].model_copy(update={"id": CANARY})
        ask = step_ask(engine.conductor.incident(incident), "contain", step, CANARY)
        entered = [PhaseEntered(phase="detect"), PhaseLeft(phase="detect"), PhaseEntered(phase="contain")]
        engine.journal.append(incident, [*entered, AskOpened(ask=ask)], MACHINE)
        client = PrefectApi(api, "vintstreet")
        recovery = RunRecovery(engine, client)
        runs = made_before(prefect, tags_of(engine.conductor.incident(incident)), ask.id)
        engine.journal.add_waiting_run(runs["question"], incident, ask.id)
        await recovery.check()
        assert json.dumps([*prefect.runs.values()]).count(CANARY) > len(runs)  # while it is public, nothing is hidden

        await command.carry_out(engine, incident, READER)
        await recovery.check()

        left = {run["id"] for run in prefect.runs.values()}
        assert left == {runs["contain"], runs["question"]}
        question = next(run for run in prefect.runs.values() if run["id"] == runs["question"])
        number = numbered(engine.conductor.incident(incident), ask.id)
        assert question["name"] == f"VS-1 asks {number.removeprefix('VS-1/')}"
        assert question["parameters"] == {"incident": incident, "ask": number}
        await recovery.check()
        assert prefect.resumed.count(runs["question"]) == 1  # it begins anew, with a form that says nothing
        assert not any(prefect.inputs.values())
        shown = json.dumps([[{**run, "state": ""} for run in prefect.runs.values()], prefect.task_runs])
        assert CANARY not in shown + json.dumps([one for one in prefect.artifacts if one["flow_run_id"] in left])
        assert {run for run, _ in prefect.logs} == left
        for run in left:  # their runs end as the response goes on
            prefect.set(run, "COMPLETED")
        ends = [PhaseLeft(phase="contain"), AskWithdrawn(ask=ask.id, reason="it is contained")]
        engine.journal.append(incident, ends, MACHINE)
        await recovery.check()
        assert CANARY not in json.dumps([[*prefect.runs.values()], prefect.logs, prefect.inputs, prefect.task_runs])
        assert not engine.conductor.incident(incident).replaced_runs
        await client.close()
        await engine.close()


def test_a_new_canary_after_it_needs_no_look_back(tmp_path: Path) -> None:
    """Since when it is private is the last change to it; what was private from the start has nothing from before."""
    for company, commands, has_before in (
        (private(), [], False),
        (private_if_security(), [], False),
        (private_if_security(), [Assess(kind="security")], True),
        (private_if_security(), [Assess(kind="security"), Assess(kind="outage")], False),
    ):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        engine = make_engine(Settings(journal_url=f"sqlite:///{folder}/j.db"), environ={}, company=company)
        opened = IncidentOpened(
            company="vintstreet", title="x", severity="P1", service="storefront", runbook="bad-deployment", reported="x"
        )
        incident = engine.journal.open_incident("VS", opened, MACHINE)[0]
        engine.journal.append(incident, [NoteAdded(text="x")], MACHINE)
        for command in commands:
            engine.people.assess(incident, {}, command.kind, "", READER)
        since = became_private(company.plan, engine.conductor.incident(incident))
        assert (since is not None) is has_before
        engine.journal.close()
