"""The incident's page in Prefect leads on: to the forms, to the runs, and to the commands."""

from __future__ import annotations

from allclear.domain.approval import AskKind
from allclear.domain.records import IncidentEnded
from allclear.domain.runbook import Phase
from flows.overview import overview
from tests.unit.domain.stories import plan
from tests.unit.engine.response.next_move_support import PhaseStory

UI = "http://127.0.0.1:4200"


def test_each_question_has_its_form_and_its_commands() -> None:
    """A question whose run is not started yet has its commands only."""
    story = PhaseStory(Phase.CONTAIN).asked("roll-back", AskKind.STEP).asked("tell", AskKind.STEP)
    incident = story.incident
    runs = {f"{incident.id} asks contain/roll-back": "run-1", f"{incident.id} contain": "run-2"}
    page = overview(incident, plan(), UI, runs)
    first, second = (line for line in page.splitlines() if line.startswith("- **"))
    assert f"[{incident.id} asks contain/roll-back]({UI}/runs/flow-run/run-1)" in first
    assert f"`allclear done {incident.id}/contain/roll-back --as NAME" in first
    assert "/runs/flow-run/" not in second
    assert f"`allclear not-done {incident.id}/contain/tell --as NAME" in second
    assert f"- [{incident.id} contain]({UI}/runs/flow-run/run-2)" in page
    assert f"{UI}/artifacts/key/{incident.id.lower()})" in page
    assert f"`allclear ack {incident.id} --as NAME`" in page
    assert f"`allclear show {incident.id}`" in page


def test_it_leads_to_the_incidents_page() -> None:
    """Unless the responder has no address that people can open."""
    story = PhaseStory(Phase.CONTAIN).asked("roll-back", AskKind.STEP)
    page = overview(story.incident, plan(), UI, {}, "http://allclear.example/i/VS-12")
    assert "[Open the incident's page](http://allclear.example/i/VS-12)" in page
    assert "Open the incident's page" not in overview(story.incident, plan(), UI, {})


def test_after_the_end_nothing_waits() -> None:
    """The page says so, and shows no question that was left open."""
    story = PhaseStory(Phase.CONTAIN).asked("roll-back", AskKind.STEP)
    story.record(IncidentEnded(ending="false-alarm", reason="so"))
    page = overview(story.incident, plan(), UI, {})
    assert "Nothing waits for people." in page
    assert "roll-back" not in page
    assert "**FALSE ALARM**" in page
