"""Rehearsing."""

from __future__ import annotations

import asyncio
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.text import Text

from allclear.cli.root import app, out, run_parts, say, say_heading, say_json
from allclear.company import Company, check_company, find_company
from allclear.domain.approval import Ask
from allclear.domain.durations import say_duration
from allclear.domain.errors import ConfigError
from allclear.domain.incident import Incident
from allclear.domain.plan import ClockStop, Plan
from allclear.domain.records import By, Entry
from allclear.domain.text import plain
from allclear.domain.timeline import beside_its_author, line_of
from allclear.drill.check import check_drills
from allclear.drill.director import Played, play
from allclear.drill.script import find_script, first_script
from allclear.engine.actions.registry import Registry
from allclear.postmortem.placeholders import PLACEHOLDERS
from allclear.settings import load_settings

_STYLE = {"good": "green", "bad": "red", "ask": "yellow", "person": "cyan", "plain": ""}


@app.command()
def drill(
    scenario: Annotated[
        str, typer.Argument(metavar="[COMPANY/]SCENARIO", help="The company's first one if left out.")
    ] = "",
    of_company: Annotated[str | None, typer.Option("--company", help="Whose; ALLCLEAR_COMPANY if left out.")] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="You are asked; the others are simulated.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON, for scripts.")] = False,
    home: Annotated[Path | None, typer.Option(help="Where the drill's journal and logs are kept.")] = None,
) -> None:
    """Rehearse an incident on the production engine against a simulated production. Exit code 1 where it fell short."""
    company_name, _, name = scenario.rpartition("/")
    company = find_company(company_name or of_company or load_settings().company)
    name = name or first_script(company)
    find_script(company.folder, name)  # what is wrong with the drill itself is said first
    _check(company)
    place = (home or Path(".allclear/drills") / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}").resolve()
    quiet = as_json

    def told(entry: Entry, incident: Incident) -> None:
        line = line_of(entry, incident, company.plan)
        if quiet or line.routine:
            return
        text = Text.assemble(
            (f"{line.at:%H:%M:%S}  ", "dim"), (f"{line.who:22} ", "bold"), (beside_its_author(line), _STYLE[line.tone])
        )
        out.print(text, soft_wrap=True)

    def said(text: str) -> None:
        if not quiet:
            out.print(text, style="dim", markup=False)

    said("Every time is UTC.")
    person = _ask_at_terminal if interactive else None
    played = run_parts(play(company, name, place, told=told, said=said, person=person))
    _tidy(place)
    if as_json:
        say_json(_as_json(played))
    else:
        out.rule("Post-mortem")
        if sys.stdout.isatty():
            out.print(Markdown(played.post_mortem))
        else:
            print(played.post_mortem)  # noqa: T201 - as it stands in the file, without any wrapping
        out.rule()
        _score(played, company.plan)
        say(
            f"Read on: ALLCLEAR_COMPANY={company.name} ALLCLEAR_JOURNAL_URL=sqlite:///{place / 'journal.db'} "
            f"allclear show {played.incident.id}"
        )
    if not played.passed:
        raise typer.Exit(1)


def _check(company: Company) -> None:
    """Raise ConfigError for a folder with an error: a drill would only find it in the middle."""
    found = check_company(company.folder, Registry.installed(), PLACEHOLDERS, check_drills)
    wrong = [one for one in found if one.level == "error"]
    if wrong:
        more = f" `allclear check {company.name}` lists all {len(wrong)}." if len(wrong) > 1 else ""
        raise ConfigError(str(wrong[0]), wrong[0].next_step + more)


_TERMINAL = asyncio.Lock()
"""One question at a time."""


async def _ask_at_terminal(ask: Ask) -> tuple[By, bool, str] | None:
    """Ask the person at the terminal for what an on-call decides; steps of others are left to the cast."""
    if "on_call" not in ask.policy.roles:
        return None
    async with _TERMINAL:
        return await _asked(ask)


async def _asked(ask: Ask) -> tuple[By, bool, str]:
    say_heading(f"\n{plain(ask.title)}")
    out.print(Markdown(ask.text, hyperlinks=False))
    answer = await asyncio.to_thread(out.input, f"{ask.yes} [y] / {ask.no} [n] ? ", markup=False)
    reason = await asyncio.to_thread(out.input, "Reason or note: ", markup=False)
    return (
        By(actor="You", role="on_call", via="terminal"),
        answer.strip().lower().startswith("y"),
        reason or "Decided in the drill.",
    )


def _score(played: Played, plan: Plan) -> None:
    incident = played.incident
    severity = plan.severity(incident.severity)
    until_answered = (one for one in (severity.targets if severity else ()) if one.until is ClockStop.ACKNOWLEDGED)
    target = next(until_answered, None)
    wanted = f"  (plan: {target.words or target.within})" if target else ""
    begun = incident.since(incident.began_at, incident.acknowledged_at)
    for name, span, note in (
        ("Time to detect", incident.time_to_detect, ""),
        ("Time to respond", begun, wanted),
        ("Time to contain", incident.time_to_contain, ""),
        ("Time to recover", incident.time_to_recover, ""),
    ):
        say(f"{name:16} {say_duration(span) if span is not None else ''}{note}")
    if played.passed:
        out.print(f"The drill went as planned, in {played.seconds:.0f} s.", style="bold green")
    for miss in played.misses:
        out.print(f"Fell short: {miss}", style="bold red", markup=False)
    say(f"Journal, logs and post-mortem: {played.home}")


def _as_json(played: Played) -> dict[str, object]:
    return {
        "incident": played.incident.id,
        "passed": played.passed,
        "misses": played.misses,
        "seconds": round(played.seconds, 2),
        "post_mortem": played.post_mortem,
        "entries": [entry.model_dump(mode="json", by_alias=True) for entry in played.entries],
        "truth": played.event_log,
        "home": str(played.home),
    }


def _tidy(home: Path) -> None:
    """Prefect's own database is of no use after the drill."""
    shutil.rmtree(home / "prefect", ignore_errors=True)
