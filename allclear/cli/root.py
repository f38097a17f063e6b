"""What all commands share: the application, its console, its help panels and the options that many commands have."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from allclear.domain.errors import AllclearError, MissingText, NotAllowed, NotFound
from allclear.domain.records import By
from allclear.domain.text import printable
from allclear.settings import Settings, load_settings

if TYPE_CHECKING:
    from allclear.bootstrap import Engine

app = typer.Typer(
    name="allclear",
    help="Run your incident response plan, from the alert to the post-mortem.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(highlight=False)


@app.callback()
def commands() -> None:
    """Have the first word name a command, also if only the module of one command is imported."""


RESPOND = "Respond to an incident"
READ = "Read the record"
ACT = "Act by hand, and undo"
REHEARSE = "Rehearse"
PREPARE = "Prepare a company's plan"
RUN = "Run allclear"
"""The panels of `allclear --help`."""

T = TypeVar("T")

As = Annotated[str | None, typer.Option("--as", help="Your name. Default: ALLCLEAR_USER.")]
Role = Annotated[str | None, typer.Option("--role", help="The role in which you act. Default: your role in the plan.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Reason = Annotated[str, typer.Option("--reason", "--note", help="Why, or how. Some answers need it.")]
IncidentId = Annotated[str, typer.Argument(metavar="INCIDENT", help="The incident's id, as VS-12.")]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and return its result."""
    return asyncio.run(work)


def run_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Run work that starts other processes: SIGTERM and SIGHUP stop them first and then end it, as Ctrl-C does.

    Raises typer.Exit with 128 + the signal's number if a signal ended it.
    """
    received: list[int] = []

    async def until_stopped() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int) -> None:
            if not received and task is not None:  # a second signal must not interrupt the stopping
                received.append(number)
                task.cancel()

        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                loop.add_signal_handler(number, stop, number)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a script's `&` ignores it for its children
            loop.add_signal_handler(signal.SIGINT, stop, signal.SIGINT)
        return await work

    try:
        return run(until_stopped())
    except asyncio.CancelledError:
        raise typer.Exit(128 + received[0] if received else 1) from None


async def deliver(engine: Engine) -> None:
    """Deliver the outbox to Prefect, if Prefect answers."""
    # Both take a while to import, and `allclear check` does not need them.
    from allclear.engine.outbox import OutboxDelivery  # noqa: PLC0415
    from allclear.prefect_api import PrefectApi  # noqa: PLC0415

    prefect = PrefectApi(engine.settings.prefect_api_url, engine.company.name)
    if await prefect.ready():
        with suppress(AllclearError):
            await OutboxDelivery(engine.journal, prefect, engine.company).deliver()
    await prefect.close()


@asynccontextmanager
async def reading_engine() -> AsyncGenerator[Engine]:
    """Yield the engine for a command that only reads. Raises NotFound if there is no journal: it makes none."""
    from allclear.bootstrap import open_engine  # noqa: PLC0415 - as above

    missing = missing_journal(load_settings())
    if missing is not None:
        raise no_journal(missing)
    async with open_engine() as engine:
        yield engine


def missing_journal(settings: Settings) -> Path | None:
    """Return the file of the journal if it does not exist. Raises ConfigError first if the plan cannot be read."""
    from allclear.company import find_company  # noqa: PLC0415 - as above
    from allclear.journal.url import missing_file  # noqa: PLC0415 - as above

    missing = missing_file(settings.journal_url)
    if missing is not None and settings.token is None:  # with a token, the plan is where the responder is
        find_company(settings.company)
    return missing


def no_journal(missing: Path, instead: str = "") -> NotFound:
    """Return the error that there is no journal here; `instead` says what else may be used."""
    return NotFound(
        f"There is no journal at {missing}.",
        f"Check ALLCLEAR_JOURNAL_URL{instead}. A new journal is made by `allclear up`, and by the first incident: "
        "allclear respond --help",
    )


def acting_person(engine: Engine, name: str | None, role: str | None) -> By:
    """Return the person who gives the command. Raises MissingText without a name."""
    given = name or load_settings().user
    if not given:
        raise MissingText("Your name is missing.", "Add --as NAME, or set ALLCLEAR_USER.")
    return engine.people.who(given, role, "cli")


def confirmed(question: str, instead: str) -> bool:
    """Return the answer to `question` that a person gives at the terminal, or that a line on standard input gives.

    Raises NotAllowed if standard input is no terminal and has no answer; `instead` is then the next step.
    """
    try:
        return typer.confirm(question)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        print_line("")
        raise NotAllowed("Nothing was done, because no one confirmed it: standard input is empty.", instead) from None


def print_line(text: str) -> None:
    """Print a line as it is, whatever brackets it holds. Names and texts in it cannot control the terminal."""
    out.print(printable(text), markup=False, soft_wrap=True)


def print_heading(text: str) -> None:
    """Print a heading."""
    out.print(printable(text), style="bold", markup=False, soft_wrap=True)


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print a value as JSON, without wrapping."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))  # noqa: T201 - rich would wrap it
