"""The commands for a company's folder: write a new one, check it, show a runbook, print schemas, trace its document."""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from allclear.cli.root import PREPARE, AsJson, app, out, print_heading, print_json, print_line
from allclear.company import Diagnostic, companies_root, company_names, find_company
from allclear.company.check import check_company
from allclear.company.diagnostics import display_path, suggestion
from allclear.company.load import RUNBOOKS_VARIABLE, in_clone
from allclear.company.scaffold import NewCompany, Question, new_folder, questions, valid_answer, write_new_company
from allclear.company.show_runbook import ShownRunbook
from allclear.company.traceability import LINES, document_lines
from allclear.company.traceability_page import TracedCompany, traceability_page, traced_companies
from allclear.domain.errors import ConfigError, NotFound
from allclear.domain.plan_text import plan_sections
from allclear.drill.check import check_drills
from allclear.engine.actions.registry import Registry
from allclear.postmortem.placeholders import PLACEHOLDERS
from allclear.schemas import FILE_KINDS, FOLDER, file_name, schema_of, write_schemas
from allclear.settings import load_settings

_STYLE = {"error": "bold red", "warning": "yellow", "assumed": "dim", "here": "yellow"}


@app.command(rich_help_panel=PREPARE)
def check(
    company: Annotated[str, typer.Argument(help="A folder under runbooks/; all of them if left out.")] = "",
    assumed: Annotated[
        bool, typer.Option("--assumed", help="List each value that the company's own document does not state, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a company's folder: each error and blank with its line, and each secret that is not set here.

    Exit code 1 if there is an error.
    """
    names = company_names()
    if company:
        _require_company(company)
    if not names:
        raise NotFound(f"There is no company in {display_path(companies_root())}.", "Write one: allclear init COMPANY.")
    capabilities = Registry.installed()
    secret = None if load_settings().simulation else _environment_variable  # a simulated production has its own
    found = {
        name: check_company(companies_root() / name, capabilities, PLACEHOLDERS, check_drills, secret)
        for name in ([company] if company else names)
    }
    every = [diagnostic for diagnostics in found.values() for diagnostic in diagnostics]
    if as_json:
        print_json([vars(diagnostic) for diagnostic in every])
    else:
        for name, diagnostics in found.items():
            _print_diagnostics(name, diagnostics, assumed=assumed)
    if any(diagnostic.level == "error" for diagnostic in every):
        raise typer.Exit(1)


def _environment_variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _require_company(name: str) -> None:
    names = company_names()
    if name not in names:
        raise NotFound(f"There is no company {name!r}.", f"There are: {', '.join(names) or 'none'}.")


_GROUPS = {
    "error": "Errors: the plan cannot be used before they are corrected",
    "warning": "Warnings: blanks to fill in, and what may surprise you",
    "here": "On this machine: what is not set here, though the plan needs it where it runs",
    "assumed": "Assumed: the plan works with these values, and no one has confirmed them",
}
"""Level of a diagnostic → the heading above its group, the gravest first."""


def _print_diagnostics(company: str, found: list[Diagnostic], *, assumed: bool) -> None:
    count = Counter(diagnostic.level for diagnostic in found)
    for level, heading in _GROUPS.items():
        if not count[level]:
            continue
        if level == "assumed" and not assumed:  # they need no one now, and would hide what does
            print_line(f"{heading} ({count[level]}). List them: allclear check {company} --assumed")
            continue
        print_heading(f"{heading} ({count[level]})")
        for diagnostic in (one for one in found if one.level == level):
            out.print(f"{level:8}", style=_STYLE[level], end=" ")
            print_line(str(diagnostic) if level == "assumed" else f"{diagnostic} {diagnostic.next_step}")
    print_line(f"{company}: {count['error']} errors, {count['warning']} warnings, {count['assumed']} assumed defaults.")


@app.command("show-plan", rich_help_panel=PREPARE)
def show_plan(
    company: Annotated[str, typer.Argument(help="A folder under runbooks/.")],
    as_json: AsJson = False,
) -> None:
    """Print what people must know of a plan: severities, roles, who is notified, who can help, drills."""
    _require_company(company)
    sections = plan_sections(find_company(company).plan)
    if as_json:
        print_json(dict(sections))
        return
    for place, (heading, lines) in enumerate(sections):
        print_heading(f"{chr(10) if place else ''}{heading}")
        for line in lines:
            print_line(f"  {line}")


@app.command("show-runbook", rich_help_panel=PREPARE)
def show_runbook(
    company: Annotated[str, typer.Argument(help="A folder under runbooks/.")],
    runbook: Annotated[str, typer.Argument(help="A runbook of that company.")],
    as_json: AsJson = False,
) -> None:
    """Print a runbook with the steps of its base, and the file and line where each step was written."""
    _require_company(company)
    whole = ShownRunbook(companies_root() / company, runbook)
    if as_json:
        print_json(whole.as_json())
    else:
        print(whole.as_yaml(), end="")  # noqa: T201 - a file, without any wrapping


@app.command(rich_help_panel=PREPARE)
def schema(
    file: Annotated[
        str, typer.Argument(metavar=f"[{'|'.join(FILE_KINDS)}]", help="The kind of file; all of them if left out.")
    ] = "",
    write: Annotated[Path | None, typer.Option(metavar="DIR", help="Write all of them into this folder.")] = None,
) -> None:
    """Print JSON Schemas for editors: the fields of a company's files, and the installed actions and probes."""
    capabilities = Registry.installed()
    if write is not None:
        if write.exists() and not write.is_dir():
            raise ConfigError(f"{write} is not a folder.", "Name a folder.")
        for path in write_schemas(write, capabilities):
            print_line(display_path(path.resolve()))
        print_line(
            f"Name the schema in the first line of a file: # yaml-language-server: $schema=PATH/{file_name('plan')}"
        )
        return
    if file and file not in FILE_KINDS:
        raise NotFound(f"There is no schema for {file!r}.", suggestion(file, FILE_KINDS))
    made = {kind: schema_of(kind, capabilities) for kind in FILE_KINDS if file in ("", kind)}
    print_json(made.get(file, made))


@app.command(rich_help_panel=PREPARE)
def init(  # noqa: PLR0913, PLR0917 - one option for each question; typer passes them by name
    company: Annotated[str, typer.Argument(help="The folder's name, for example acme.")],
    title: Annotated[str | None, typer.Option(help="The company's name, as people write it.")] = None,
    service: Annotated[str | None, typer.Option(help="A short name for what users reach, for example shop.")] = None,
    service_url: Annotated[str | None, typer.Option(help="Where users reach it.")] = None,
    cloud_run: Annotated[str | None, typer.Option(help="Its service in Cloud Run.")] = None,
    project: Annotated[str | None, typer.Option(help="The Google Cloud project.")] = None,
    region: Annotated[str | None, typer.Option(help="The project's region, for example europe-west3.")] = None,
    slack_channel: Annotated[str | None, typer.Option(help="The Slack channel for incidents.")] = None,
    alert: Annotated[str | None, typer.Option(help="The alert's name in monitoring (`alertname`).")] = None,
    zone: Annotated[str | None, typer.Option(help="The time zone, for example Europe/Berlin.")] = None,
    on_call: Annotated[str | None, typer.Option(help="Who is on call.")] = None,
    tech_lead: Annotated[str | None, typer.Option(help="Who leads the engineers.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask no questions; a value without an option stays a blank.")
    ] = False,
) -> None:
    """Write a small folder for a company that passes `check` and can be drilled at once; its blanks are marked."""
    folder = new_folder(company)
    given = {
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
    answers = {name: text.strip() for name, text in given.items() if text is not None}
    unanswered = [asked for asked in questions(company) if asked.name not in answers]
    if not yes and _at_terminal():
        print_line("Press Enter to take the answer in [brackets], or to leave a blank that `allclear check` reports.")
        answers |= {asked.name: _ask(asked) for asked in unanswered}
    elif not yes:
        answers |= _piped(unanswered)
    start = NewCompany.read(company, answers)
    write_new_company(start, folder)
    write_schemas(folder.parent / FOLDER, Registry.installed())
    _print_next_steps(folder)


def _at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _piped(unanswered: list[Question]) -> dict[str, str]:
    """Return the answers on standard input: one a line, in the order of the questions. An empty line takes the default.

    Raises ConfigError for an answer that does not fit its question, and for more lines than questions.
    """
    lines = iter(sys.stdin or ())
    answers: dict[str, str] = {}
    for question, line in zip(unanswered, lines, strict=False):
        answers[question.name] = answer = line.strip() or question.default
        print_line(f"{question.question}: {answer or '(left blank)'}")
        valid_answer(question, answer)
    if any(line.strip() for line in lines):
        raise ConfigError(
            f"Standard input has more lines than the {len(unanswered)} questions.",
            f"Give one answer a line, in this order: {'; '.join(asked.question for asked in unanswered)}.",
        )
    if unanswered and not answers:
        print_line("No question was answered: every value is its default, or a blank that `allclear check` reports.")
    if answers and len(answers) < len(unanswered):
        left = len(unanswered) - len(answers)
        print_line(f"Standard input ended: the other {left} keep their defaults or stay blank.")
    return answers


def _ask(question: Question) -> str:
    """Ask until the answer fits, so that a slip does not lose the answers before it."""
    while True:
        answer = str(
            typer.prompt(question.question, default=question.default, show_default=bool(question.default))
        ).strip()
        try:
            valid_answer(question, answer)
        except ConfigError as error:
            print_line(str(error))
        else:
            return answer


def _print_next_steps(folder: Path) -> None:
    name = folder.name
    found = check_company(folder, Registry.installed(), PLACEHOLDERS, check_drills)
    blanks = sum(diagnostic.level == "warning" for diagnostic in found)
    print_line(f"Wrote {display_path(folder)}{f', with {blanks} blanks to fill in' if blanks else ''}. Next:")
    if not in_clone(folder):
        print_line(f"  export {RUNBOOKS_VARIABLE}={shlex.quote(str(folder.parent.resolve()))}")
    print_line(f"  allclear check {name}")
    print_line(f"  allclear drill --company {name}")
    print_line(f"  ALLCLEAR_COMPANY={name} allclear up --simulated")


@app.command(rich_help_panel=PREPARE)
def lines(
    company: Annotated[str | None, typer.Argument(help="A folder under runbooks/; all of them if left out.")] = None,
    document: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The document itself: list its lines that are not mapped."),
    ] = None,
    as_page: Annotated[bool, typer.Option("--page", help="As Markdown: docs/traceability.md.")] = False,
) -> None:
    """Show what runs each line of a company's own document. Exit code 1 if a line is not mapped."""
    found = [traced for traced in traced_companies(companies_root()) if company in (None, traced.name)]
    if not found:
        raise NotFound(
            f"No company {company or ''} has a {LINES}.", "docs/traceability.md shows what is made from such a file."
        )
    if as_page:
        print(traceability_page(found), end="")  # noqa: T201 - a file, without any wrapping
        return
    for traced in found:
        for line in traced.missing:
            print_line(f"{traced.name}: not yet: {line.line}: {line.not_yet}")
        print_line(f"{traced.name}: {len(traced.lines.lines)} lines, {len(traced.missing)} not yet.")
    if document is not None:
        unmapped = [text for text in document_lines(document.read_text(encoding="utf-8")) if text not in _texts(found)]
        for text in unmapped:
            print_line(f"not mapped: {text}")
        if unmapped:
            raise typer.Exit(1)


def _texts(found: list[TracedCompany]) -> set[str]:
    return {line.line for traced in found for line in traced.lines.lines}
