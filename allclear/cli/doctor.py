"""`allclear doctor`: tests each system that the company's plan uses, read-only, and says when each way was tested."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from allclear.bootstrap import open_doctor
from allclear.cli.root import PREPARE, AsJson, app, out, print_json, print_line, run
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError
from allclear.domain.incident import Incident
from allclear.domain.notify.channel_test import ChannelTest
from allclear.domain.scope import Scope
from allclear.engine.doctor import WAY, Problem, SystemReport
from allclear.engine.incidents import readable
from allclear.journal.sql_journal import SqlJournal
from allclear.journal.url import missing_file, shown
from allclear.prefect_api import PrefectApi
from allclear.settings import Settings, load_settings

_STYLE = {"ok": "green", "unproven": "yellow", "failed": "bold red"}


@app.command(rich_help_panel=PREPARE)
def doctor(
    systems: Annotated[
        list[str] | None, typer.Argument(metavar="[SYSTEM]...", help="Only these, as slack; all if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Test credentials, permissions and targets of each system, and change nothing there. Exit code 1 if one fails.

    A journal in a file is not created. One that exists is opened as by every command, which brings its tables up to
    date.
    """
    settings = load_settings()
    reports = run(_examine(settings, systems or []))
    if as_json:
        print_json([{**vars(one), "result": _result(one)} for one in reports])
    else:
        print_line(f"Company: {settings.company} ({_why(settings)}).")
        print_reports(reports)
    if any(report.failed for report in reports):
        raise typer.Exit(1)


def _why(settings: Settings) -> str:
    """Return why this company is tested: another terminal can have another one."""
    if "company" in settings.model_fields_set:
        return "ALLCLEAR_COMPANY"
    return "the default, because ALLCLEAR_COMPANY is not set"


async def _examine(settings: Settings, only: list[str]) -> list[SystemReport]:
    async with open_doctor(settings) as doctor:
        reports = await doctor.examine(only)
        if only:
            return reports
        tests, incidents = _recorded(settings)
        known = [*doctor.ways(tests, utc_now()), *doctor.not_sent(incidents)]
    return [_journal(settings), await _prefect(settings), *reports, *known]


def _recorded(settings: Settings) -> tuple[list[ChannelTest], list[Incident]]:
    """Return the tests of the plan's ways and the open incidents; nothing if the journal cannot be read.

    The journal has a line of its own, which says that.
    """
    try:
        if missing_file(settings.journal_url) is not None:
            return [], []
        journal = SqlJournal(settings.journal_url, Scope(settings.company, simulated=settings.simulated is not None))
        try:
            return journal.channel_tests(), list(readable(journal, journal.incidents(open_only=True)))
        finally:
            journal.close()
    except AllclearError:
        return [], []


def _journal(settings: Settings) -> SystemReport:
    """Return whether the journal can be written. A file that does not exist yet is reported, and not created."""
    target = ""
    try:
        target = shown(settings.journal_url)
        missing = missing_file(settings.journal_url)
        if missing is not None:
            return _no_journal(target, missing)
        journal = SqlJournal(settings.journal_url, Scope(settings.company, simulated=settings.simulated is not None))
        try:
            journal.check_writable()
        finally:
            journal.close()
    except AllclearError as error:
        return SystemReport("journal", target, error.message, Problem.WRONG, error.next_step)
    return SystemReport("journal", target, "It can be read and written.")


def _no_journal(target: str, file: Path) -> SystemReport:
    """Return the report about a journal's file that does not exist, by whether this user could create it."""
    folder = next(parent for parent in file.parents if parent.exists())
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        sentence, next_step = "It does not exist yet.", "The first command that uses it creates it: allclear up."
        return SystemReport("journal", target, sentence, Problem.UNPROVEN, next_step)
    sentence = f"It does not exist, and this user may not create it in {folder}."
    next_step = f"Give this user the right to write to {folder}, or set ALLCLEAR_JOURNAL_URL to another place."
    return SystemReport("journal", target, sentence, Problem.WRONG, next_step)


async def _prefect(settings: Settings) -> SystemReport:
    prefect = PrefectApi(settings.prefect_api_url, settings.company)
    try:
        if await prefect.ready():
            return SystemReport("prefect", settings.prefect_api_url, "It answers and has the company's deployments.")
    finally:
        await prefect.close()
    sentence = "It does not answer, or has no deployment of the company. Paging and containment work without it."
    return SystemReport("prefect", settings.prefect_api_url, sentence, Problem.UNPROVEN, "Start it: allclear up.")


def print_reports(reports: list[SystemReport]) -> None:
    """Print one line for each check, under it what to do if it failed, and a summary."""
    width = max((len(report.system) for report in reports), default=0)
    for report in reports:
        result = _result(report)
        out.print(f"{result:9}", style=_STYLE[result], end="")
        named = report.system != WAY and report.target in report.sentence
        target = f"{report.target}: " if report.target and not named else ""
        print_line(f"{report.system:{width}}  {target}{report.sentence}")
        if report.next_step:
            print_line(f"{'':9}{'':{width}}  → {report.next_step}")
    count = Counter(_result(report) for report in reports)
    print_line(f"{count['ok']} ok, {count['unproven']} unproven, {count['failed']} failed.")


def _result(report: SystemReport) -> str:
    if report.failed:
        return "failed"
    return "ok" if report.problem is None else "unproven"
