"""The command `drill`: rehearse an incident."""

from __future__ import annotations

import re
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.text import Text

from allclear.cli.channels import print_tests
from allclear.cli.drill_person import PersonAtTerminal, Screen
from allclear.cli.root import REHEARSE, app, out, print_json, print_line, run_until_stopped
from allclear.company import Company, find_company
from allclear.company.check import check_company
from allclear.domain.base import utc_now
from allclear.domain.durations import counted, parse_duration, plausible, short_duration
from allclear.domain.errors import ConfigError
from allclear.domain.incident import Incident
from allclear.domain.local_times import local, zone_name
from allclear.domain.plan import ClockStop, Plan
from allclear.domain.records import Entry
from allclear.domain.timeline import beside_its_author, newest_line
from allclear.drill.check import check_drills
from allclear.drill.director import Played, play
from allclear.drill.script import find_script, first_script
from allclear.engine.actions.registry import Registry
from allclear.environment_file import FILE as ENVIRONMENT_FILE
from allclear.environment_file import source_line
from allclear.postmortem.placeholders import PLACEHOLDERS
from allclear.settings import load_settings

_ANNEX = re.compile(r"^## Annex\b.*$", re.MULTILINE)
"""The heading of the last part of a post-mortem, which has the full record."""

_STYLE = {"good": "green", "bad": "red", "ask": "yellow", "person": "cyan", "plain": ""}


@app.command(rich_help_panel=REHEARSE)
def drill(
    scenario: Annotated[
        str, typer.Argument(metavar="[COMPANY/]SCENARIO", help="A drill. Default: the company's first one.")
    ] = "",
    of_company: Annotated[str | None, typer.Option("--company", help="The company. Default: ALLCLEAR_COMPANY.")] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="You answer for the person on call; the others are simulated.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")] = False,
    within: Annotated[
        str, typer.Option(metavar="DURATION", help="When it is stopped, as 5m. Default: the drill's own limit.")
    ] = "",
    home: Annotated[Path | None, typer.Option(help="The folder for the drill's journal and logs.")] = None,
) -> None:
    """Rehearse an incident against a simulated production. The exit code is 1 if the response fell short."""
    limit = _limit(within)
    company_name, _, name = scenario.rpartition("/")
    company = find_company(company_name or of_company or load_settings().company)
    name, zone = name or first_script(company), company.plan.zone
    find_script(company.folder, name)  # an error in the drill itself is reported first
    _check(company)
    place = (home or Path(".allclear/drills") / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}").resolve()

    written, screen = list[Entry](), Screen()

    def print_entry(entry: Entry, incident: Incident) -> None:
        written.append(entry)
        line = newest_line(written, company.plan, incident)
        if as_json or line.routine:
            screen.show(entry, None)
            return
        text = Text.assemble(
            (f"{local(line.at, zone):%H:%M:%S}  ", "dim"),
            (f"{line.who:22} ", "bold"),
            (beside_its_author(line), _STYLE[line.tone]),
        )
        screen.show(entry, text)

    def print_progress(text: str) -> None:
        if not as_json:
            out.print(text, style="dim", markup=False)

    print_progress(f"All times are {zone_name(zone, utc_now())}.")
    person = PersonAtTerminal(screen) if interactive else None
    try:
        played = run_until_stopped(
            play(company, name, place, on_entry=print_entry, on_progress=print_progress, person=person, within=limit)
        )
    except (EOFError, KeyboardInterrupt) as error:
        print_line(f"\nThe drill was stopped{', because the input ended' if isinstance(error, EOFError) else ''}.")
        print_line(f"Journal and logs: {place}")
        raise typer.Exit(1 if isinstance(error, EOFError) else 130) from None
    _tidy(place)
    if as_json:
        print_json(_as_json(played))
    else:
        out.rule("Post-mortem")
        document = without_annex(played.post_mortem, played.home / f"{played.incident.id}-post-mortem.md")
        if sys.stdout.isatty():
            out.print(Markdown(document))
        else:
            print(document)  # noqa: T201 - rich would wrap the document
        out.rule()
        if played.channel_tests:
            print_line("Test of the communication channels, each way to each person:")
            print_tests(played.channel_tests)
        _score(played, company.plan)
        print_read_more(played.incident.id, played.home)
    if not played.passed:
        raise typer.Exit(1)


def _limit(text: str) -> timedelta | None:
    """Return the limit that was given, or None. Raises ConfigError for a text that is no duration."""
    try:
        return plausible(parse_duration(text)) if text else None
    except ValueError as error:
        raise ConfigError(f"--within: {error}.", "Write it as 90s or 5m.") from error


def _check(company: Company) -> None:
    """Raise ConfigError if the company's folder has an error: otherwise the drill would stop in the middle."""
    complaints = check_company(company.folder, Registry.installed(), PLACEHOLDERS, check_drills)
    errors = [complaint for complaint in complaints if complaint.level == "error"]
    if errors:
        more = f" `allclear check {company.name}` lists all {len(errors)}." if len(errors) > 1 else ""
        raise ConfigError(str(errors[0]), errors[0].next_step + more)


def without_annex(document: str, file: Path) -> str:
    """Return a post-mortem without its full record, which has hundreds of lines, and where `file` has that."""
    annex = _ANNEX.search(document)
    if annex is None:
        return document
    lines = counted(document[annex.end() :].strip().count("\n") + 1, "line")
    return f"{document[: annex.end()]}\n\nIt has {lines}. The whole document is {file}\n"


def print_read_more(incident: str, home: Path) -> None:
    """Print the commands that read the drill's record. They, and those of the post-mortem, need its environment."""
    print_line("Read more, in another terminal. The first line makes the commands there work on this drill:")
    print_line(f"  {source_line(home / ENVIRONMENT_FILE)}")
    for command in ("show", "verify", "postmortem"):
        print_line(f"  allclear {command} {incident}")


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
        took = f"{short_duration(span)} after the trouble began" if span is not None else ""
        print_line(f"{name:16} {took}{note}")
    for choice in played.choices:
        out.print(choice, style="bold yellow", markup=False)
    if played.passed:
        planned = "The response did all that it had to" if played.choices else "The drill went as planned"
        out.print(f"{planned}, in {played.seconds:.0f} s.", style="bold green")
    for miss in played.misses:
        out.print(f"Fell short: {miss}", style="bold red", markup=False)
    print_line(f"Journal, logs and post-mortem: {played.home}")


def _as_json(played: Played) -> dict[str, object]:
    return {
        "incident": played.incident.id,
        "passed": played.passed,
        "misses": played.misses,
        "choices": played.choices,
        "channel_tests": [one.model_dump(mode="json") | {"arrived": one.arrived} for one in played.channel_tests],
        "seconds": round(played.seconds, 2),
        "post_mortem": played.post_mortem,
        "entries": [entry.model_dump(mode="json", by_alias=True) for entry in played.entries],
        "event_log": played.event_log,
        "home": str(played.home),
    }


def _tidy(home: Path) -> None:
    """Remove Prefect's database, which is of no use after the drill."""
    shutil.rmtree(home / "prefect", ignore_errors=True)
