"""A company's folder: is it right, and what is hollow."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import typer

from allclear.cli.root import AsJson, app, out, say, say_json
from allclear.company import check_company, companies, companies_root, find_company
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
