"""What a run's page shows of its incident: its state, what is asked, and where to go on, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from allclear.domain.ask_state import AskState
from allclear.domain.incident import Incident
from allclear.domain.local_times import named_clock
from allclear.domain.plan import Plan
from allclear.domain.template_values import held_with_command, lead, phase_words, status_words, waiting
from allclear.domain.text import answer_commands, asked_words, markdown_safe, plain, signature
from allclear.engine.flow_runs import QUESTION, run_name


def overview(incident: Incident, plan: Plan, ui: str, runs: Mapping[str, str], page: str = "") -> str:
    """Return what the artifact shows.

    `page` is the address of the incident's page, empty if there is none. `ui` is the address of Prefect's UI, without a
    slash at its end. `runs` are the names of the incident's flow runs, each with its id.
    """
    head = f"# {incident.id}, {plain(incident.severity, 20)}: {markdown_safe(incident.title)}"
    held = held_with_command(incident, plan)
    hold = [f"**{markdown_safe(held)}**"] if held else []
    lead_on = [f"**[Open the incident's page]({page})**: answer there, on a phone, too."] if page else []
    asked, further = _asked(incident, plan, ui, runs), _further(incident, ui, runs)
    return "\n\n".join([head, *hold, _state(incident, plan), *lead_on, *asked, further])


def _state(incident: Incident, plan: Plan) -> str:
    leader = lead(incident, plan)
    leads = f"{leader} leads" if leader else "no one leads yet"
    opened = f"opened at {named_clock(incident.opened_at, plan.zone)}"
    take_on = f" Acknowledge it: `allclear ack {incident.id} {signature(plan)}`."
    acknowledge = "" if incident.acknowledged else take_on
    return (
        f"**{status_words(incident, plan)}**, in the phase {phase_words(incident, plan)}; {opened}; {leads}."
        + acknowledge
    )


def _asked(incident: Incident, plan: Plan, ui: str, runs: Mapping[str, str]) -> list[str]:
    """Return the questions that wait for people, each with its form and its commands."""
    asked = waiting(incident)
    if not asked:
        return ["## Asked now", "Nothing waits for people."]
    return ["## Asked now", "\n".join(_question(incident, state, plan, ui, runs) for state in asked)]


def _question(incident: Incident, state: AskState, plan: Plan, ui: str, runs: Mapping[str, str]) -> str:
    yes, no = answer_commands(state.ask, plan)
    name = run_name(plan, incident, QUESTION, state.ask.id)
    form = f"[{name}]({ui}/runs/flow-run/{runs[name]}), press Resume; or " if name in runs else ""
    who = asked_words(state.ask.policy, plan)
    return f"- **{markdown_safe(state.ask.title)}** ({who}). {form}`{yes}` or `{no}`"


def _further(incident: Incident, ui: str, runs: Mapping[str, str]) -> str:
    key = incident.id.lower()
    phases = [f"- [{name}]({ui}/runs/flow-run/{run})" for name, run in runs.items() if " asks " not in name]
    pages = [
        f"- [The forms of its questions]({ui}/runs?flow-run-search={incident.id}+asks)",
        f"- [Newer versions of this page]({ui}/artifacts/key/{key})",
        f"- [The timeline]({ui}/artifacts/key/{key}-timeline) and [what was done]({ui}/artifacts/key/{key}-acts)",
        f"- On the command line: `allclear show {incident.id}`",
    ]
    return "\n\n".join(["## More", "\n".join([*phases, *pages])])
