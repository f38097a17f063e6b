"""A company's folder: is it right, and what is hollow."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from allclear.cli.root import AsJson, app, out, say, say_json
from allclear.company import check_company, companies, companies_root, find_company
from allclear.company.coverage import Covered, covered, page
from allclear.company.lines import LINES, document_lines
from allclear.domain.base import utc_now
from allclear.domain.durations import say_duration
from allclear.domain.errors import NotFound
from allclear.domain.scribe import stamp
from allclear.engine.registry import Registry
from allclear.postmortem.placeholders import PLACEHOLDERS
from allclear.settings import load_settings

_STYLE = {"error": "bold red", "warning": "yellow", "assumed": "dim"}


@app.command("on-call")
def on_call(
    at: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M"], help="When, in UTC; now if left out.")
    ] = None,
) -> None:
    """Say who is on duty by the plan's rotas, layer by layer, until when, and who is next."""
    plan = find_company(load_settings().company).plan
    moment = at.replace(tzinfo=UTC) if at else utc_now()
    for rota in plan.rotas:
        for shift in rota.on_duty(moment, plan.working_time):
            say(f"{plan.role_title(rota.role)}, {shift.layer}: {shift.person} until {stamp(shift.until)}, then "
                f"{shift.next_person}; to acknowledge within {say_duration(shift.acknowledge_within)}")  # fmt: skip
    if not plan.rotas:
        say(f"The plan of {plan.company} has no rota. Those who hold roles stand under `people` in its plan.yaml.")


@app.command()
def check(
    company: Annotated[str, typer.Argument(help="A folder under runbooks/.")],
    as_json: AsJson = False,
) -> None:
    """Read a company's folder: what is wrong with file and line, and what is hollow. Exit code 1 for an error."""
    folder = companies_root() / company
    if "/" in company or company not in companies():
        raise NotFound(f"There is no company {company!r}.", f"There are: {', '.join(companies()) or 'none'}.")
    found = check_company(folder, Registry.installed(), PLACEHOLDERS)
    if as_json:
        say_json([vars(one) | {"file": str(one.file)} for one in found])
    else:
        for one in found:
            out.print(f"{one.level:8}", style=_STYLE[one.level], end=" ")
            say(str(one))
        count = Counter(one.level for one in found)
        say(f"{company}: {count['error']} errors, {count['warning']} warnings, {count['assumed']} assumed defaults.")
    if any(one.level == "error" for one in found):
        raise typer.Exit(1)


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
    found = [one for one in covered(companies_root()) if company in (None, one.name)]
    if not found:
        raise NotFound(f"No company {company or ''} has a {LINES}.", "VintStreet's shows how it is written.")
    if as_page:
        print(page(found), end="")  # noqa: T201 - a file, without any wrapping
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


def _texts(found: list[Covered]) -> set[str]:
    return {line.line for one in found for line in one.lines.lines}
