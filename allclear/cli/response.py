"""What a person says in an incident."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markdown import Markdown

from allclear.bootstrap import Engine, open_engine
from allclear.cli.root import As, IncidentId, Role, app, engine_with_post, out, run, say, say_heading, speaker
from allclear.domain.approval import AskKind
from allclear.domain.errors import NotFound, Refused
from allclear.domain.incident import AskState
from allclear.domain.records import By
from allclear.domain.text import plain
from allclear.engine.people.assess import read_facts
from allclear.engine.people.declare import Declaration
from allclear.engine.response.dry_run import dry_run_incident

AskId = Annotated[str, typer.Argument(metavar="ASK", help="As VS-12/contain/roll-back; VS-12 when only one waits.")]
Facts = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="What is known, by the plan's facets; may be repeated.")
]
Reason = Annotated[str, typer.Option("--reason", "--note", help="Why, or how.")]


def _speak(name: str | None, role: str | None, what: Callable[[Engine, By], str]) -> None:
    async def work() -> str:
        async with engine_with_post() as engine:
            return what(engine, speaker(engine, name, role))

    say(run(work()))


@app.command()
def respond(  # noqa: PLR0913, PLR0917 - what a declaration says
    title: Annotated[str, typer.Argument(help="What is wrong, as users notice it.")],
    service: Annotated[str, typer.Option(help="What is affected.")],
    runbook: Annotated[str, typer.Option(help="Which procedure to follow.")],
    severity: Annotated[str | None, typer.Option(help="On the plan's own scale; else it follows from --fact.")] = None,
    fact: Facts = None,
    name: As = None,
    role: Role = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Walk through the whole runbook; change nothing.")] = False,
) -> None:
    """Declare an incident: its flow starts in Prefect, phase after phase."""
    said = Declaration(title=title, severity=severity, service=service, runbook=runbook, facets=read_facts(fact or []))
    if dry_run:
        run(_walk(said))
        return

    def declare(engine: Engine, by: By) -> str:
        incident = engine.people.declare(said, by)
        return f"{incident} is open. Follow it: allclear show {incident}"

    _speak(name, role, declare)


async def _walk(said: Declaration) -> None:
    """Print what the runbook would do right now, step by step."""
    async with open_engine() as engine:
        opened = engine.people.opening(said, By(actor="allclear", via="dry run"))
        phase = None
        async for step in engine.dry_run.walk(dry_run_incident(opened), engine.company.runbook(said.runbook)):
            if step.phase is not phase:
                phase = step.phase
                say_heading(f"\n{engine.company.plan.phases[phase].label}")
            asked = " or ".join(engine.company.plan.role_title(role) for role in step.roles)
            say(f"{step.title}: {step.sentence}{f'  [asks {asked}]' if asked else ''}")
            for line in (*step.details, *(f"refused: {refusal}" for refusal in step.refusals)):
                say(f"    {line}")
    say("Dry run: nothing was written, sent or changed.")


@app.command()
def ack(incident: IncidentId, name: As = None, role: Role = None) -> None:
    """Say that you are on it; the first to say so leads."""
    _speak(name, role, lambda engine, by: engine.people.acknowledge(incident, by))


def _the_ask(engine: Engine, said: str, kinds: set[AskKind]) -> AskState:
    """Return the ask that is meant; the incident's id alone will do when only one waits."""
    incident = engine.conductor.incident(said.partition("/")[0])
    if "/" in said:
        if said not in incident.asks:
            waiting = ", ".join(state.ask.id for state in incident.open_asks) or "nothing"
            raise NotFound(f"{said} was never asked.", f"Waiting for people: {waiting}.")
        return incident.asks[said]
    fitting = [state for state in incident.open_asks if state.ask.kind in kinds]
    if len(fitting) == 1:
        return fitting[0]
    waiting = ", ".join(state.ask.id for state in fitting) or "nothing"
    raise NotFound(f"Say which ask of {incident.id} you mean.", f"Waiting for people: {waiting}.")


def _answer(  # noqa: PLR0913 - what an answer says
    ask: str,
    name: str | None,
    role: str | None,
    reason: str,
    *,
    yes: bool,
    kinds: set[AskKind],
    choice: str | None = None,
) -> None:
    async def work() -> str:
        async with engine_with_post() as engine:
            by = speaker(engine, name, role)
            state = _the_ask(engine, ask, kinds)
            say_heading(plain(state.ask.title))
            out.print(Markdown(state.ask.text, hyperlinks=False))
            said = engine.people.answer(state.ask.id, by, yes=yes, reason=reason, choice=choice)
            result = await engine.manual.after_answer(state.ask.id, by)
            if result is None or result.outcome is None:
                return said
            if not result.outcome.good:
                raise Refused(f"{result.act}: {result.outcome.sentence}", result.outcome.next_step)
            return f"{said} {result.outcome.sentence}"

    say(run(work()))


_QUESTIONS = {AskKind.APPROVAL, AskKind.FALSE_ALARM, AskKind.AGAIN, AskKind.CHOICE}


@app.command()
def approve(
    ask: AskId,
    name: As = None,
    role: Role = None,
    reason: Reason = "",
    choose: Annotated[str | None, typer.Option(help="Which candidate, where that is the question.")] = None,
) -> None:
    """Say yes: the change is shown, done at once, and verified."""
    _answer(ask, name, role, reason, yes=True, kinds=_QUESTIONS, choice=choose)


@app.command()
def deny(ask: AskId, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Say no: it is not done, and the runbook goes on without it."""
    _answer(ask, name, role, reason, yes=False, kinds={*_QUESTIONS, AskKind.STEP})


@app.command()
def done(ask: AskId, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Tick a step that was asked of you, with a note of what you did."""
    _answer(ask, name, role, reason, yes=True, kinds={AskKind.STEP})


@app.command()
def note(incident: IncidentId, text: str, name: As = None, role: Role = None) -> None:
    """Write down what you saw or heard."""
    _speak(name, role, lambda engine, by: engine.people.note(incident, text, by))


@app.command()
def decide(
    incident: IncidentId,
    text: str,
    reason: Annotated[str, typer.Option(help="The reason.")] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Write down a decision and its reason."""
    _speak(name, role, lambda engine, by: engine.people.decide(incident, text, reason, by))


@app.command()
def severity(
    incident: IncidentId,
    now: Annotated[str, typer.Argument(metavar="SEVERITY", help="What it is now.")],
    reason: Annotated[str, typer.Option(help="The reason.")] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Raise or lower the severity."""
    _speak(name, role, lambda engine, by: engine.people.severity(incident, now, reason, by))


@app.command()
def assess(
    incident: IncidentId,
    fact: Facts = None,
    kind: Annotated[str | None, typer.Option(help="Of which kind it is after all.")] = None,
    reason: Annotated[str, typer.Option(help="How that is known.")] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Say what is known of an incident by now; where the plan's rules say so, its severity rises."""
    facets = read_facts(fact or [])
    _speak(name, role, lambda engine, by: engine.people.assess(incident, facets, kind, reason, by))


@app.command("hand-over")
def hand_over(
    incident: IncidentId,
    hat: Annotated[str, typer.Argument(metavar="ROLE", help="The role that is handed over.")],
    to: Annotated[str, typer.Argument(metavar="PERSON", help="Who has it from now on.")],
    name: As = None,
    role: Role = None,
) -> None:
    """Give a role in this incident to somebody else."""
    _speak(name, role, lambda engine, by: engine.people.hand_over(incident, hat, to, by))


@app.command("false-alarm")
def false_alarm(incident: IncidentId, reason: Reason = "", name: As = None, role: Role = None) -> None:
    """End an incident: there was nothing."""
    _speak(name, role, lambda engine, by: engine.people.false_alarm(incident, reason, by))


@app.command()
def resolve(incident: IncidentId, reason: Reason = "", name: As = None, role: Role = None) -> None:
    """End an incident: all clear. Refused while something of a containment is still in place."""
    _speak(name, role, lambda engine, by: engine.people.resolve(incident, reason, by))


@app.command("follow-up")
def follow_up(
    incident: IncidentId,
    text: str,
    owner: Annotated[str, typer.Option(help="Who sees to it.")],
    days: Annotated[int, typer.Option(help="Until when, in days from now.", min=0, max=3650)] = 14,
    name: As = None,
    role: Role = None,
) -> None:
    """Add something to be done so that it does not happen again."""
    due = datetime.now(UTC) + timedelta(days=days)
    _speak(name, role, lambda engine, by: engine.people.follow_up(incident, text, owner, due, by))
