"""Commands that read incidents, and those that act by hand."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any

import typer

from allclear.bootstrap import Engine, open_engine
from allclear.cli.root import (
    ACT,
    READ,
    As,
    AsJson,
    IncidentId,
    Role,
    acting_person,
    app,
    confirmed,
    engine_with_delivery,
    out,
    print_heading,
    print_json,
    print_line,
    reading_engine,
    run,
)
from allclear.cli.send import give
from allclear.commands.post_mortem import WritePostMortem
from allclear.domain.base import utc_now
from allclear.domain.errors import ConfigError, JournalError, NotFound, Refused
from allclear.domain.links import LinkTo
from allclear.domain.moments import local, zone_name
from allclear.domain.template_values import left_in_place, status, waiting
from allclear.domain.text import asked_words, must_answer, plain, signature
from allclear.engine.actions.manual import PHASE, ManualRequest
from allclear.engine.actions.proposals import ActionRequest
from allclear.engine.alerts.explain import Explanation, alert_text, decision_text, explain
from allclear.engine.incidents import readable
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.html_page import post_mortem_page
from allclear.postmortem.incident_summary import show as show_page
from allclear.postmortem.placeholders import FIELDS
from allclear.settings import load_settings


@app.command("incidents", rich_help_panel=READ)
def list_incidents(as_json: AsJson = False) -> None:
    """List the incidents, newest first, with the questions that are open."""

    async def work() -> tuple[list[dict[str, Any]], tzinfo]:
        async with reading_engine() as engine:
            rows = [
                {
                    "id": incident.id,
                    "severity": incident.severity,
                    "status": status(incident),
                    "title": incident.title,
                    "opened_at": incident.opened_at.isoformat(),
                    "waiting": [state.ask.id for state in waiting(incident)],
                    "simulated": incident.opened.simulated,
                }
                for incident in readable(engine.journal, engine.journal.incidents())
            ]
            return rows, engine.company.plan.zone

    rows, zone = run(work())
    if as_json:
        print_json(rows)
        return
    if not rows:
        print_line("This journal has no incidents. Declare one: allclear respond --help.")
        return
    opened_at = [datetime.fromisoformat(row["opened_at"]) for row in rows]
    head = f"Opened ({zone_name(zone, *opened_at)})"
    wide = max(len(head), len("2026-11-22 14:30"))
    print_heading(f"{'Incident':9} {'Severity':8} {'Status':13}  {head:{wide}}  Title, and its open questions")
    for row, at in zip(rows, opened_at, strict=True):
        title = f"{'[SIMULATED] ' if row['simulated'] else ''}{plain(row['title'])}"
        opened = f"{local(at, zone):%Y-%m-%d %H:%M}"
        known = f"{row['id']:9} {row['severity']:8} {row['status']:13}"
        print_line(f"{known}  {opened:{wide}}  {title}")
        for ask in row["waiting"]:
            print_line(f"{'':10}{ask}")


@app.command(rich_help_panel=READ)
def show(
    incident: IncidentId,
    every: Annotated[bool, typer.Option("--all", help="Include the lines that only an audit needs.")] = False,
    reason: Annotated[
        bool, typer.Option("--why", help="Explain each alert's decision, and why nothing was done automatically.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show an incident: how it stands, its open questions and its timeline."""

    async def work() -> None:
        async with reading_engine() as engine:
            if reason:
                reasons = explain(engine.journal, engine.company, incident, utc_now())
                print_json(reasons.as_json()) if as_json else _print_explanation(reasons, engine.company.plan.zone)
                return
            state, entries = engine.conductor.incident(incident), engine.journal.entries(incident)
            if as_json:
                print_json([entry.model_dump(mode="json", by_alias=True) for entry in entries])
            else:
                out.print(show_page(state, entries, engine.company.plan, utc_now(), routine=every), crop=False)
                if page := engine.links.href(LinkTo(incident=incident)):
                    print_line(f"\nIts page: {page}")

    run(work())


def _print_explanation(reason: Explanation, zone: tzinfo) -> None:
    for line in (*reason.opened, *reason.automatic, *reason.stale):
        print_line(line)
    if not reason.decisions:
        print_line("No alert belongs to this incident.")
        return
    received = f"Received ({zone_name(zone, *(one.at for one in reason.decisions))})"
    print_heading(f"\n{received:19}  {'Source':12}  The alert, and the decision with its rule")
    for place, one in enumerate(reason.decisions):
        if place == 1 and reason.left_out:
            print_line(f"{'':21}({reason.left_out} more, which are not shown)")
        times = f" ({one.count} times)" if one.count > 1 else ""
        text = alert_text(one.state, one.severity, one.title)
        print_line(f"{local(one.at, zone):%Y-%m-%d %H:%M:%S}  {one.source:12}  {text}{times}")
        print_line(f"{'':21}{decision_text(one.decision, one.state, one.incident, one.reason)}")


@app.command(rich_help_panel=READ)
def verify(incident: IncidentId) -> None:
    """Verify that no entry of an incident's record was changed, and print the hash of the last one."""

    async def work() -> tuple[int | None, str, int]:
        async with reading_engine() as engine:
            broken = engine.journal.broken_link(incident)
            if broken is not None:
                return broken, "", 0
            state = engine.conductor.incident(incident)
            return None, state.head, state.length

    broken, head, length = run(work())
    if broken is not None:
        raise JournalError(
            f"The record of {incident} was changed at entry {broken}.", "Restore the journal from a backup."
        )
    print_line(f"The record of {incident} is unchanged: {length} entries, the last one's hash is {head}")


@app.command("in-place", rich_help_panel=READ)
def in_place(as_json: AsJson = False) -> None:
    """List the changes that are still in place, in all incidents, and how to undo each."""

    async def work() -> tuple[list[dict[str, Any]], str]:
        async with reading_engine() as engine:
            rows = [
                {
                    "incident": incident.id,
                    "act": act.id,
                    "page": act.proposed.pages,
                    "what": act.proposed.leaves,
                    "summary": left_in_place(act, engine.company.plan),
                    "change": (act.change or {}).get("summary", ""),
                    "since": act.finished_at.isoformat() if act.finished_at else None,
                    "owner": act.handed_over.to if act.handed_over else act.proposed.owner,
                    "expires": act.proposed.expires.isoformat() if act.proposed.expires else None,
                    "due": act.handed_over.due.isoformat() if act.handed_over else None,
                }
                for incident in readable(engine.journal, engine.journal.incidents())
                for act in incident.in_place
            ]
            return rows, signature(engine.company.plan)

    rows, sign = run(work())
    if as_json:
        print_json(rows)
        return
    changes = [row for row in rows if not row["page"]]
    for row in changes:
        print_line(f"{row['incident']:9} {row['summary']}")
        print_line(f"{'':10}{row['change']}")
        print_line(f"{'':10}allclear undo {row['incident']} {row['act']} {sign}")
    if not changes:
        print_line("Nothing is left in place.")
    if paged := list(dict.fromkeys(row["incident"] for row in rows if row["page"])):
        print_line(f"Besides, pages are open in {', '.join(paged)}. The end of the incident closes them.")


@app.command(rich_help_panel=ACT)
def actions() -> None:
    """List the actions and probes that are installed, with their parameters."""

    async def work() -> None:
        async with open_engine() as engine:
            for kind in [*engine.registry.actions.values(), *engine.registry.probes.values()]:
                takes = ", ".join(kind.params.model_fields)
                print_line(f"{kind.name:30} {kind.title}  ({takes})")

    run(work())


def _pairs(pairs: list[str]) -> dict[str, str]:
    params: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"{pair!r} is not a parameter.", "Write parameters as name=value.")
        params[name] = value
    return params


@app.command(rich_help_panel=ACT)
def act(  # noqa: PLR0913, PLR0917 - one action and how it is carried out
    company: Annotated[str, typer.Argument(help="A folder under runbooks/.")],
    action: Annotated[
        str, typer.Argument(help="An action, as cloud_run.rollback_traffic; `allclear actions` lists them.")
    ],
    params: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="The action's parameters, as service=storefront."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why. Required: it goes into the record.")] = "",
    incident: Annotated[
        str | None, typer.Option(help="The incident it belongs to. Default: the open one, or a new one.")
    ] = None,
    severity: Annotated[str | None, typer.Option(help="The severity, if a new incident is opened.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change, and change nothing.")] = False,
    name: As = None,
    role: Role = None,
) -> None:
    """Carry out one action by hand, with the same checks and record as in a response. Works without Prefect."""

    async def work() -> None:
        settings = load_settings().model_copy(update={"company": company})
        async with engine_with_delivery(settings) as engine:
            given = _pairs(params or [])
            request = ActionRequest(PHASE, "preview", action, given, "")
            try:
                preview, policy = await engine.proposer.preview(request)
            except Refused as error:
                raise _choice_command(engine, company, request, error) from error
            change, refusals = preview.change, preview.refusals
            print_line(f"{change.summary}\n  risk: {change.risk}\n  undo: {change.undo}")
            for refusal in refusals:
                word = "waits" if refusal.passes else "refused"
                print_line(f"  {word}: {refusal.sentence} {refusal.next_step}")
            if preview.done:
                print_line("There is nothing to change: the action's target is reached already.")
            if dry_run:
                who = asked_words(policy, engine.company.plan) if policy else "no approval is needed"
                print_line(f"Dry run: nothing was changed. Approval: {who}.")
                return
            standing = [refusal for refusal in refusals if not refusal.passes]
            if standing:
                raise Refused(standing[0].sentence, standing[0].next_step, standing[0].candidates)
            by = acting_person(engine, name, role)
            if not yes and not confirmed("Do it now?", "Confirm it with --yes."):
                print_line("Nothing was changed.")
                return
            request = ManualRequest(action, given, reason, incident, severity, shown=change.digest)
            result = await engine.manual.do(request, by)
            if result.outcome is None:
                asked = engine.people.question(result.waiting[0]).ask
                print_line(
                    f"{result.act} of {result.incident} is NOT done yet. {must_answer(asked, engine.company.plan)}"
                )
                return
            print_line(f"{result.incident}: {result.outcome.status.value}. {result.outcome.sentence}")
            if not result.outcome.good:
                raise Refused(f"{result.act} is {result.outcome.status.value}.", result.outcome.next_step)

    run(work())


def _choice_command(engine: Engine, company: str, request: ActionRequest, error: Refused) -> Refused:
    """Return the refusal with the command that names one of its candidates, if it has any."""
    chooses = engine.executor.action(request.action).chooses
    if not error.candidates or not chooses:
        return error
    given = {**request.params, chooses: error.candidates[0].name}
    params = " ".join(f"{name}={value}" for name, value in given.items())
    command = f"allclear act {company} {request.action} {params} --reason WHY {signature(engine.company.plan)}"
    return Refused(error.message, f"Choose one of them and name it, as in: {command}", error.candidates)


@app.command(rich_help_panel=READ)
def postmortem(
    incident: IncidentId,
    write: Annotated[
        tuple[str, str] | None, typer.Option(metavar="FIELD TEXT", help="Write one field, and print nothing else.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write the document into this file; one that ends in .html gets the HTML page.")
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Print one HTML page instead of Markdown, with a chart.")
    ] = False,
    name: As = None,
    role: Role = None,
) -> None:
    """Print the post-mortem: the company's template, filled from the journal."""
    page = html or (to is not None and to.suffix.lower() in {".html", ".htm"})

    if write is not None:
        if write[0] not in FIELDS:
            raise NotFound(f"The post-mortem has no field {write[0]!r}.", f"It has: {', '.join(FIELDS)}.")
        give(WritePostMortem.model_validate({"field": write[0], "text": write[1]}), incident, name, role)
        return

    async def work() -> str:
        async with reading_engine() as engine:
            state = engine.conductor.incident(incident)
            service = engine.company.systems.services.get(state.opened.service)
            title = service.title if service else state.opened.service
            entries, company = engine.journal.entries(incident), engine.company
            source = PostMortem(state, entries, company.plan, title, company.post_mortem, utc_now())
            return post_mortem_page(source) if page else write_post_mortem(source)

    document = run(work())
    if to is not None:
        try:
            to.write_text(document)
        except OSError as error:
            raise ConfigError(f"{to} cannot be written: {error.strerror}.", "Choose another file.") from error
        document = f"Written to {to}."
    print(document)  # noqa: T201 - rich would wrap the document
