"""A company's folder: begin one, is it right, and what an editor needs to help with it."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from allclear.cli.root import AsJson, app, out, say, say_json
from allclear.company import Diagnostic, check_company, companies_root, company_names
from allclear.company.diagnostics import display_path, suggestion
from allclear.company.scaffold import NewCompany, Question, new_folder, questions, valid_answer, write_new_company
from allclear.company.show_runbook import ShownRunbook
from allclear.company.traceability import LINES, document_lines
from allclear.company.traceability_page import TracedCompany, traceability_page, traced_companies
from allclear.domain.errors import ConfigError, NotFound
from allclear.drill.check import check_drills
from allclear.engine.actions.registry import Registry
from allclear.postmortem.placeholders import PLACEHOLDERS
from allclear.schemas import FILE_KINDS, FOLDER, file_name, schema_of, write_schemas

_STYLE = {"error": "bold red", "warning": "yellow", "assumed": "dim"}


@app.command()
def check(
    company: Annotated[str, typer.Argument(help="A folder under runbooks/; all of them if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Read a company's folder: what is wrong with file and line, and what is hollow. Exit code 1 for an error."""
    there = company_names()
    if company and ("/" in company or company not in there):
        raise NotFound(f"There is no company {company!r}.", f"There are: {', '.join(there) or 'none'}.")
    if not there:
        raise NotFound(f"There is no company in {display_path(companies_root())}.", "Begin one: allclear init COMPANY.")
    capabilities = Registry.installed()
    found = {
        name: check_company(companies_root() / name, capabilities, PLACEHOLDERS, check_drills)
        for name in ([company] if company else there)
    }
    every = [one for diagnostics in found.values() for one in diagnostics]
    if as_json:
        say_json([vars(one) | {"file": str(one.file)} for one in every])
    else:
        for name, diagnostics in found.items():
            _tell(name, diagnostics)
    if any(one.level == "error" for one in every):
        raise typer.Exit(1)


def _tell(company: str, found: list[Diagnostic]) -> None:
    for one in found:
        out.print(f"{one.level:8}", style=_STYLE[one.level], end=" ")
        say(str(one) if one.level == "assumed" else f"{one} {one.next_step}")
    count = Counter(one.level for one in found)
    say(f"{company}: {count['error']} errors, {count['warning']} warnings, {count['assumed']} assumed defaults.")


@app.command("show-runbook")
def show_runbook(
    company: Annotated[str, typer.Argument(help="A folder under runbooks/.")],
    runbook: Annotated[str, typer.Argument(help="A runbook of that company.")],
    as_json: AsJson = False,
) -> None:
    """Print a runbook with the steps of its base, and the file and line where each step was written."""
    there = company_names()
    if company not in there:
        raise NotFound(f"There is no company {company!r}.", f"There are: {', '.join(there) or 'none'}.")
    whole = ShownRunbook(companies_root() / company, runbook)
    if as_json:
        say_json(whole.as_json())
    else:
        print(whole.as_yaml(), end="")  # noqa: T201 - a file, without any wrapping


@app.command()
def schema(
    file: Annotated[str, typer.Argument(metavar=f"[{'|'.join(FILE_KINDS)}]", help="Of which file.")] = "",
    write: Annotated[Path | None, typer.Option(metavar="DIR", help="Write all of them into this folder.")] = None,
) -> None:
    """Print what a company's files may hold, as JSON Schema for editors; actions and probes as they are installed."""
    capabilities = Registry.installed()
    if write is not None:
        if write.exists() and not write.is_dir():
            raise ConfigError(f"{write} is no folder.", "Name a folder.")
        for path in write_schemas(write, capabilities):
            say(display_path(path.resolve()))
        say(f"The first line of a file names its own: # yaml-language-server: $schema=PATH/{file_name('plan')}")
        return
    if file and file not in FILE_KINDS:
        raise NotFound(f"There is no schema of {file!r}.", suggestion(file, FILE_KINDS))
    made = {kind: schema_of(kind, capabilities) for kind in FILE_KINDS if file in ("", kind)}
    say_json(made.get(file, made))


@app.command()
def init(  # noqa: PLR0913, PLR0917 - what a company says of itself; typer calls it by name
    company: Annotated[str, typer.Argument(help="The folder's name, as acme.")],
    title: Annotated[str | None, typer.Option(help="The company's name, as people write it.")] = None,
    service: Annotated[str | None, typer.Option(help="A short name for what users reach, as shop.")] = None,
    service_url: Annotated[str | None, typer.Option(help="Where users reach it.")] = None,
    cloud_run: Annotated[str | None, typer.Option(help="Its service in Cloud Run.")] = None,
    project: Annotated[str | None, typer.Option(help="The Google Cloud project.")] = None,
    region: Annotated[str | None, typer.Option(help="The project's region, as europe-west3.")] = None,
    slack_channel: Annotated[str | None, typer.Option(help="Where the team is told.")] = None,
    alert: Annotated[str | None, typer.Option(help="What monitoring calls the alert (`alertname`).")] = None,
    zone: Annotated[str | None, typer.Option(help="The time zone, as Europe/Berlin.")] = None,
    on_call: Annotated[str | None, typer.Option(help="Who is on call.")] = None,
    tech_lead: Annotated[str | None, typer.Option(help="Who leads the engineers.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; what is not said stays a blank.")] = False,
) -> None:
    """Write a small folder for a company that passes `check` and can be drilled at once; blanks are marked in it."""
    folder = new_folder(company)
    said = {
        "title": title,
        "service": service,
        "service_url": service_url,
        "cloud_run": cloud_run,
        "project": project,
        "region": region,
        "slack_channel": slack_channel,
        "alert": alert,
        "zone": zone,
        "on_call": on_call,
        "tech_lead": tech_lead,
    }
    answers = {name: text.strip() for name, text in said.items() if text is not None}
    if not yes and sys.stdin.isatty():
        say("Enter takes what stands in [brackets], or leaves a blank that `allclear check` finds again.")
        answers |= {one.name: _ask(one) for one in questions(company) if one.name not in answers}
    start = NewCompany.read(company, answers)
    write_new_company(start, folder)
    write_schemas(folder.parent / FOLDER, Registry.installed())
    _next(folder)


def _ask(one: Question) -> str:
    """Ask until the answer fits: what was said before it is not lost."""
    while True:
        said = str(typer.prompt(one.question, default=one.default, show_default=bool(one.default))).strip()
        try:
            valid_answer(one, said)
        except ConfigError as error:
            say(str(error))
        else:
            return said


def _next(folder: Path) -> None:
    name = folder.name
    blank = sum(
        one.level == "warning" for one in check_company(folder, Registry.installed(), PLACEHOLDERS, check_drills)
    )
    say(f"{display_path(folder)} is there{f', with {blank} blanks to fill in' if blank else ''}. Next:")
    say(f"  allclear check {name}")
    say(f"  allclear drill --company {name}")
    say(f"  ALLCLEAR_COMPANY={name} allclear up --simulated")


@app.command()
def lines(
    company: Annotated[str | None, typer.Argument(help="A folder under runbooks/; all of them if left out.")] = None,
    document: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The document itself: says which of its lines are not mapped."),
    ] = None,
    as_page: Annotated[bool, typer.Option("--page", help="As Markdown: docs/plans.md.")] = False,
) -> None:
    """Say what runs each line of a company's own document. Exit code 1 for a line that is not mapped."""
    found = [one for one in traced_companies(companies_root()) if company in (None, one.name)]
    if not found:
        raise NotFound(f"No company {company or ''} has a {LINES}.", "docs/plans.md shows what one says.")
    if as_page:
        print(traceability_page(found), end="")  # noqa: T201 - a file, without any wrapping
        return
    for one in found:
        for line in one.missing:
            say(f"{one.name}: not yet: {line.line}: {line.not_yet}")
        say(f"{one.name}: {len(one.lines.lines)} lines, {len(one.missing)} not yet.")
    if document is not None:
        unmapped = [text for text in document_lines(document.read_text(encoding="utf-8")) if text not in _texts(found)]
        for text in unmapped:
            say(f"not mapped: {text}")
        if unmapped:
            raise typer.Exit(1)


def _texts(found: list[TracedCompany]) -> set[str]:
    return {line.line for one in found for line in one.lines.lines}
