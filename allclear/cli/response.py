"""Commands that a person gives in an incident: declare, acknowledge, note, decide, assess, end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from allclear.bootstrap import open_engine
from allclear.cli.root import (
    RESPOND,
    As,
    IncidentId,
    Reason,
    Role,
    app,
    print_heading,
    print_line,
    run,
)
from allclear.cli.send import give
from allclear.commands.assess import Assess, ChangeSeverity, read_facts
from allclear.commands.close import Resolve
from allclear.commands.company import Declare
from allclear.commands.hold import Hold, Release
from allclear.commands.notes import Decide, FollowUp, FollowUpDone, Note, Told
from allclear.commands.roles import Acknowledge, HandOver, TakeRole
from allclear.domain.base import utc_now
from allclear.domain.durations import counted
from allclear.domain.errors import ConfigError
from allclear.domain.records import By
from allclear.engine.incidents import overrides_of
from allclear.engine.people.declare import Declaration
from allclear.engine.response.dry_run import dry_run_incident

Facts = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A fact, by the plan's facets. May be repeated."),
]
KnownSince = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help="When the company became aware of it, as '2026-11-20 17:00' in the plan's time zone. "
        "Duties that count from awareness start then.",
    ),
]
Text = Annotated[str, typer.Argument(metavar="TEXT", help="What is recorded.")]


@app.command(rich_help_panel=RESPOND)
def respond(  # noqa: PLR0913, PLR0917 - the fields of a declaration
    title: Annotated[str, typer.Argument(help="What is wrong, as users notice it.")],
    service: Annotated[str, typer.Option(help="The service that is affected.")],
    runbook: Annotated[str, typer.Option(help="The runbook to follow.")],
    severity: Annotated[str | None, typer.Option(help="On the plan's own scale. Default: as --fact implies.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="The incident's kind, as security: it may be private. Default: the runbook's.")
    ] = None,
    fact: Facts = None,
    began: Annotated[str, typer.Option(metavar="TIME", help="When the trouble began.")] = "",
    known_since: KnownSince = "",
    name: As = None,
    role: Role = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what each step would do, and stop.")] = False,
) -> None:
    """Declare an incident. Its response starts, phase after phase.

    What you know about it is said with --fact, as --fact customer_facing=yes; it decides who is notified.
    """
    declared = Declaration(
        title=title,
        severity=severity,
        service=service,
        runbook=runbook,
        facets=read_facts(fact or []),
        began=began,
        known_since=known_since,
        kind=kind,
    )
    if dry_run:
        run(_walk(declared))
        return

    given = Declare(
        title=title,
        severity=severity,
        service=service,
        runbook=runbook,
        facts=read_facts(fact or []),
        began=began,
        known_since=known_since,
        kind=kind,
    )
    give(given, "", name, role)


async def _walk(declared: Declaration) -> None:
    """Print what each step of the runbook would do now. Raises ConfigError if one lacks a secret or a setting."""
    async with open_engine() as engine:
        opened = engine.people.opening(declared, By(actor="allclear", via="dry run"))
        phase, wrong, incident = None, list[ConfigError](), dry_run_incident(opened)
        async for step in engine.dry_run.walk(incident, engine.company.runbook(declared.runbook)):
            if step.phase is not phase:
                phase = step.phase
                print_heading(f"\n{engine.company.plan.phases[phase].label}")
            asked = " or ".join(engine.company.plan.role_title(role) for role in step.roles)
            print_line(f"{step.title}: {step.sentence}{f'  [asks {asked}]' if asked else ''}")
            for line in (*step.details, *(f"refused: {refusal}" for refusal in step.refusals)):
                print_line(f"    {line}")
            wrong += [step.error] if isinstance(step.error, ConfigError) else []
        overrides = overrides_of(engine.journal, engine.company.plan)
        beside = list(engine.dry_run.notices(incident, overrides, utc_now()))
        if ticket := await engine.dry_run.ticket(incident):
            beside.append(ticket)
        if beside:
            print_heading("\nIn addition to the runbook, once the trouble is verified")
        for message in beside:
            print_line(f"{message.title}: {message.sentence}")
    print_line("Dry run: nothing was written, sent or changed.")
    if wrong:
        sentences = " ".join(dict.fromkeys(error.message for error in wrong))
        cannot = f"{counted(len(wrong), 'step')} cannot be done: {sentences}"
        raise ConfigError(cannot, "Test each system: allclear doctor.")


@app.command(rich_help_panel=RESPOND)
def ack(incident: IncidentId, name: As = None, role: Role = None) -> None:
    """Acknowledge the incident: you are working on it. The first to acknowledge leads."""
    give(Acknowledge(), incident, name, role)


@app.command(rich_help_panel=RESPOND)
def note(
    incident: IncidentId,
    text: Text,
    post_mortem: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="FIELD",
            help="Where the post-mortem shows it: `timeline`, or the field that it answers, as root_cause.",
        ),
    ] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Add a note to the timeline: what you saw, heard or did."""
    give(Note(text=text, post_mortem=post_mortem), incident, name, role)


@app.command(rich_help_panel=RESPOND)
def decide(
    incident: IncidentId,
    text: Text,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Record a decision and its reason."""
    give(Decide(text=text, reason=reason), incident, name, role)


@app.command(rich_help_panel=RESPOND)
def told(
    incident: IncidentId,
    audience: Annotated[str, typer.Argument(help="Whom you told: a role, or an audience of the plan, as customers.")],
    text: Annotated[str, typer.Option("--text", "--note", help="What you said, and how.")] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Record that you have told an audience. Until then people are reminded of it."""
    give(Told(audience=audience, text=text), incident, name, role)


@app.command(rich_help_panel=RESPOND)
def severity(
    incident: IncidentId,
    now: Annotated[str, typer.Argument(metavar="SEVERITY", help="The new severity.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Raise or lower the severity."""
    give(ChangeSeverity(severity=now, reason=reason), incident, name, role)


@app.command(rich_help_panel=RESPOND)
def assess(  # noqa: PLR0913 - what a person may find out
    incident: IncidentId,
    fact: Facts = None,
    kind: Annotated[str | None, typer.Option(help="The incident's kind, if it changes.")] = None,
    reason: Annotated[str, typer.Option(help="How that is known.")] = "",
    known_since: KnownSince = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Record what is known about the incident. If the plan's rules say so, its severity rises."""
    facts = read_facts(fact or [])
    give(Assess(facts=facts, kind=kind, reason=reason, known_since=known_since), incident, name, role)


@app.command("hand-over", rich_help_panel=RESPOND)
def hand_over(
    incident: IncidentId,
    handed_role: Annotated[str, typer.Argument(metavar="ROLE", help="The role that is handed over.")],
    to: Annotated[str, typer.Argument(metavar="PERSON", help="The person who is asked to take it.")],
    name: As = None,
    role: Role = None,
) -> None:
    """Ask another person to take a role in this incident. Its holder keeps it until that person accepts."""
    give(HandOver(role=handed_role, to=to), incident, name, role)


@app.command("take-role", rich_help_panel=RESPOND)
def take_role(
    incident: IncidentId,
    taken_role: Annotated[str, typer.Argument(metavar="ROLE", help="The role that you take.")],
    name: As = None,
    role: Role = None,
) -> None:
    """Take a role in this incident: one that was offered to you, a free one, or another's, who receives a message."""
    give(TakeRole(role=taken_role), incident, name, role or taken_role)


@app.command(rich_help_panel=RESPOND)
def resolve(incident: IncidentId, reason: Reason = "", name: As = None, role: Role = None) -> None:
    """End an incident: all clear. Refused while something that containment changed is still in place."""
    give(Resolve(reason=reason), incident, name, role)


@app.command(rich_help_panel=RESPOND)
def hold(
    incident: IncidentId,
    reason: Annotated[str, typer.Option(help="Why. Required: it goes into the record.")] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Stop everything automatic in the incident until `release`. What people approve is still done."""
    give(Hold(reason=reason), incident, name, role)


@app.command(rich_help_panel=RESPOND)
def release(
    incident: IncidentId,
    reason: Annotated[str, typer.Option(help="Why, or what has changed.")] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Allow automatic action in the incident again."""
    give(Release(reason=reason), incident, name, role)


@app.command("follow-up", rich_help_panel=RESPOND)
def follow_up(  # noqa: PLR0913 - the fields of a follow-up
    incident: IncidentId,
    text: Text,
    owner: Annotated[str, typer.Option(help="The person who sees to it.")],
    days: Annotated[int, typer.Option(help="The number of days until it is due.", min=0, max=3650)] = 14,
    due: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day on which it is due, instead of a number of days."),
    ] = None,
    name: As = None,
    role: Role = None,
) -> None:
    """Add a follow-up: something to be done so that the incident does not happen again."""
    given = FollowUp(text=text, owner=owner, days=days, due=due.date() if due else None)
    give(given, incident, name, role)


@app.command("follow-up-done", rich_help_panel=RESPOND)
def follow_up_done(
    incident: IncidentId,
    number: Annotated[int, typer.Argument(help="Its number among the incident's follow-ups, 1 for the first.", min=1)],
    reason: Reason = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Report that a follow-up is done. Its reminders end."""
    give(FollowUpDone(number=number, note=reason), incident, name, role)
