"""Prefect's forms on a running stack: which answers they take, and what becomes of one that does not count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from allclear.domain.approval import Ask
from allclear.domain.decisions import decisions
from allclear.domain.proof import Proof
from allclear.domain.records import Acknowledged, AudienceTold, HoldEnded, HoldStarted, RoleOffered
from allclear.domain.timeline import line_of
from tests.end_to_end.stack_support import LIMIT, allclear, until
from tests.end_to_end.up_support import Up, end_all, start

pytestmark = [pytest.mark.slow]

BEN = ("--as", "Ben", "--role", "tech_lead", "--reason", "so")
DECLARED = ("--severity", "P0", "--service", "storefront", "--runbook", "bad-deployment", *BEN[:4])


@pytest.fixture
def incident(up: Up) -> Iterator[str]:
    """An incident that is declared, and ended afterwards."""
    done = allclear("respond", "Payments fail", *DECLARED, **up.variables)
    assert done.returncode == 0, done.stderr
    found = done.stdout.split()[0]
    yield found
    end_all(up, {found})


def get(up: Up, path: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what Prefect's API answers."""
    return httpx.get(f"{up.variables['PREFECT_API_URL']}/{path}", timeout=LIMIT).json()


def suspended(up: Up, run: str, after: str = "") -> dict[str, str]:
    """Wait until a run shows a form, other than `after`, and return the keys of its form."""

    def keys() -> dict[str, str] | None:
        state = get(up, f"flow_runs/{run}")["state"]
        details: dict[str, Any] = state["state_details"] or {}
        found: dict[str, str] = details.get("run_input_keyset") or {}
        return found if state["type"] == "PAUSED" and found and found["schema"] != after else None

    return until(keys, lambda: get(up, f"flow_runs/{run}")["state"])


def form(up: Up, run: str) -> dict[str, Any]:
    """Wait until a run shows a form, and return its fields; a form that is replaced meanwhile is read again."""

    def fields() -> dict[str, Any] | None:
        return get(up, f"flow_runs/{run}/input/{suspended(up, run)['schema']}").get("properties")

    return until(fields, lambda: get(up, f"flow_runs/{run}")["state"])


def resume(up: Up, run: str, decision: str, role: str, name: str = "Ben") -> tuple[str, str]:
    """Submit the form of a suspended run, and return Prefect's status and the reason that its UI shows."""
    values = {"decision": decision, "name": name, "role": role, "reason": "so"}
    url = f"{up.variables['PREFECT_API_URL']}/flow_runs/{run}/resume"
    answer = httpx.post(url, json={"run_input": values}, timeout=LIMIT).json()
    details: dict[str, Any] = answer.get("details") or {}
    return answer["status"], str(details.get("reason"))


def first_approval(up: Up, incident: str) -> Ask | None:
    """Return the open approval of a measure."""
    waiting = [state.ask for state in up.incident(incident).open_asks]
    return next((ask for ask in waiting if ask.phase == "contain" and ask.act and ask.policy.prefect_may), None)


def answered(up: Up, ask: Ask, word: str) -> dict[str, Any]:
    """Answer with *Answer a question*, and return how its run ended."""
    values = {"ask": ask.id, "decision": word, "name": "Ben", "role": ask.policy.roles[0], "reason": "so"}
    return given(up, "answer", "Answer a question", values)


def given(up: Up, flow: str, name: str, values: dict[str, str]) -> dict[str, Any]:
    """Run a deployment, and return how its run ended."""
    return ended(up, begun(up, flow, name, values))


def begun(up: Up, flow: str, name: str, values: dict[str, str]) -> str:
    """Start a deployment, and return its run."""
    return start(up, get(up, f"deployments/name/vintstreet-{flow}/{name}"), values).json()["id"]


def ended(up: Up, run: str) -> dict[str, Any]:
    """Wait for the end of a run, and return its state."""
    ends = {"COMPLETED", "FAILED", "CRASHED"}
    return until(lambda: (now := get(up, f"flow_runs/{run}")["state"])["type"] in ends and now)


def asking(up: Up, ask: Ask) -> str:
    """Return the run that shows a question, once there is one."""
    incident, _, place = ask.id.partition("/")
    return until(lambda: up.runs(incident, f"asks {place}"))[0]["id"]


def test_a_form_answers_no_question_but_its_own_and_is_gone_with_it(up: Up, incident: str) -> None:
    """What a form that stayed open sends is refused, with the question that is asked now.

    A name that cannot be seen approves nothing.
    """
    ask = until(lambda: first_approval(up, incident))
    old = asking(up, ask)
    stale = decisions(ask)[0].text
    assert stale in form(up, old)["decision"]["enum"]

    refused = answered(up, ask, "done")
    assert refused["type"] == "FAILED"
    assert f'"done" does not answer {ask.id}' in refused["message"]
    assert f"allclear approve {ask.id}" in refused["message"]
    assert answered(up, ask, "deny")["type"] == "COMPLETED"
    following = until(lambda: (now := first_approval(up, incident)) and now.id != ask.id and now)
    run = asking(up, following)
    shown = suspended(up, run)
    closed = until(lambda: (now := get(up, f"flow_runs/{old}")["state"])["type"] == "COMPLETED" and now)
    assert "Closed: deny, said Ben at" in closed["message"]
    assert resume(up, old, stale, "tech_lead")[0] == "ABORT"
    role = following.policy.roles[0]
    status, reason = resume(up, run, stale, role)
    assert status == "REJECT"
    assert stale in reason
    assert following.id in reason

    approve, deny = (decision.text for decision in decisions(following))
    assert resume(up, run, approve, role, name="   ")[0] == "REJECT"
    assert resume(up, run, approve, role, name="\u200b")[0] == "ACCEPT"
    shown = suspended(up, run, after=shown["schema"])
    text = f"flow_runs/{run}/input/{shown['description']}"  # Prefect keeps it after it has suspended the run
    until(lambda: "did not count: Your name is missing" in str(get(up, text)), lambda: get(up, text))
    assert up.incident(incident).asks[following.id].open

    assert resume(up, run, deny, role)[0] == "ACCEPT"
    until(lambda: up.incident(incident).asks[following.id].denied)
    assert [answer.by.actor for answer in up.incident(incident).asks[following.id].answers] == ["Ben"]
    a_question_whose_step_no_longer_applies_is_gone_from_prefect_too(up, incident)


def a_question_whose_step_no_longer_applies_is_gone_from_prefect_too(up: Up, incident: str) -> None:
    """After a lower severity the measure is not asked any more: its run ends with the reason, and takes no answer."""
    ask = until(lambda: first_approval(up, incident))
    run = asking(up, ask)
    suspended(up, run)
    lowered = ("severity", incident, "P3", "--as", "Ada", "--role", "incident_commander", "--reason", "only typos")
    done = allclear(*lowered, **up.variables)
    assert done.returncode == 0, done.stderr
    until(lambda: not up.incident(incident).asks[ask.id].open)
    closed = until(lambda: (now := get(up, f"flow_runs/{run}")["state"])["type"] == "COMPLETED" and now)
    assert "the severity is P3 now" in closed["message"]
    assert resume(up, run, decisions(ask)[0].text, ask.policy.roles[0])[0] == "ABORT"
    assert not up.incident(incident).asks[ask.id].answers


def test_an_action_of_a_person_who_may_not_approve_waits_for_another_one(up: Up) -> None:
    """The run waits with the form. When another person does the same, the question is closed and the run ends."""
    deployment = get(up, "deployments/name/vintstreet-manual-action/Switch a feature flag off")
    filled_in = {"reason": "errors", "name": "Chi", "role": "communications_lead"}
    run = start(up, deployment, {**filled_in, "params": {"flag": "live_streams"}}).json()["id"]
    suspended(up, run)
    incident = get(up, f"flow_runs/{run}")["name"].split()[0]
    (ask,) = (state.ask for state in up.incident(incident).open_asks if state.ask.phase == "manual")
    words = ("act", "vintstreet", "feature_flag.disable", "flag=live_streams", "--yes", *BEN)
    done = allclear(*words, **up.variables)
    assert done.returncode == 0, done.stderr
    until(lambda: not up.incident(incident).asks[ask.id].open)
    assert "Ben had the same change made meanwhile" in (up.incident(incident).asks[ask.id].withdrawn or "")
    state = until(lambda: (now := get(up, f"flow_runs/{run}")["state"])["type"] == "COMPLETED" and now)
    assert "already done" in state["message"]
    end_all(up, {incident})


IN_PREFECT: tuple[tuple[str, str, dict[str, str], type], ...] = (
    ("acknowledge", "Acknowledge an incident", {}, Acknowledged),
    ("hold", "Hold an incident", {"reason": "we look first"}, HoldStarted),
    ("release", "Release an incident", {"reason": "we have looked"}, HoldEnded),
    ("hand-over", "Hand over a role", {"role_to_hand_over": "scribe", "to": "Cleo"}, RoleOffered),
    ("tell", "Record whom you told", {"audience": "cto", "text": "by phone"}, AudienceTold),
)
"""What people do in Prefect: the flow, its deployment, what they fill in, and the record."""


def test_what_people_do_in_prefect_is_claimed_there_and_written_once(up: Up, incident: str) -> None:
    """Each run ends with the sentence; the record has the channel, the claimed name, and the run as its request."""
    ben = {"incident": incident, "name": "Ben", "role": "tech_lead"}
    at_once = {
        flow: begun(up, flow, name, ben | values)
        for flow, name, values, _ in IN_PREFECT
        if flow not in {"hold", "release"}
    }
    for flow, name, values, kind in IN_PREFECT:
        state = ended(up, at_once.get(flow) or begun(up, flow, name, ben | values))
        assert state["type"] == "COMPLETED", state["message"]
        assert incident in state["message"]
        found = [
            entry for entry in up.entries(incident) if isinstance(entry.record, kind) and entry.by.via == "prefect"
        ]
        (entry,) = found
        assert (entry.by.actor, entry.by.proof) == ("Ben", Proof.CLAIMED)
        assert entry.by.request.startswith("7:prefect:")
        assert line_of(entry).identified == "Claimed in Prefect"
        held = up.incident(incident).held
        assert (held.by if held else None) == ("Ben" if flow == "hold" else None)
        if flow == "hold":
            again = given(up, flow, name, {"incident": incident, "name": "Ada", "role": "incident_commander", **values})
            assert again["type"] == "FAILED"
            assert "is held already, by Ben" in again["message"]
    shown = allclear("show", incident, "--all", **up.variables)
    assert "Claimed in Prefect." in shown.stdout
    ask = until(lambda: first_approval(up, incident))
    assert answered(up, ask, "approve")["type"] == "COMPLETED"
    (answer,) = up.incident(incident).asks[ask.id].answers
    assert (answer.by.via, answer.by.proof, answer.yes) == ("prefect", Proof.CLAIMED, True)
