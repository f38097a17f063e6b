"""What all commands share: the application, its console, and the options that many have."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from allclear.domain.errors import AllclearError, NotAllowed
from allclear.domain.records import By
from allclear.settings import Settings, load_settings

if TYPE_CHECKING:
    from allclear.bootstrap import Engine

app = typer.Typer(
    name="allclear",
    help="Makes an incident response plan run: from the alert to the post-mortem.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(highlight=False)

T = TypeVar("T")

As = Annotated[str | None, typer.Option("--as", help="Who you are; ALLCLEAR_USER if left out.")]
Role = Annotated[str | None, typer.Option("--role", help="In which role you speak; the plan's, if it knows you.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]
IncidentId = Annotated[str, typer.Argument(metavar="INCIDENT", help="As VS-12.")]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work to its end."""
    return asyncio.run(work)


def run_parts(work: Coroutine[Any, Any, T]) -> T:
    """Run work that has started other processes: SIGTERM and SIGHUP end it as Ctrl-C does, its parts first.

    Raises typer.Exit, 128 + the signal, where it was ended so.
    """
    told: list[int] = []

    async def until_told() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int) -> None:
            if not told and task is not None:  # one is enough: a second one must not cut the stopping short
                told.append(number)
                task.cancel()

        for one in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(one) is not signal.SIG_IGN:  # nohup
                loop.add_signal_handler(one, stop, one)
        return await work

    try:
        return run(until_told())
    except asyncio.CancelledError:
        raise typer.Exit(128 + told[0] if told else 1) from None


@asynccontextmanager
async def engine_with_post(settings: Settings | None = None) -> AsyncGenerator[Engine]:
    """Yield the engine; on leaving, Prefect is told what it has to know, as far as it answers."""
    # The engine takes a second to import, which `allclear check` and its like need not wait for.
    from allclear.bootstrap import open_engine  # noqa: PLC0415
    from allclear.prefect_api import OutboxDelivery, PrefectApi  # noqa: PLC0415

    async with open_engine(settings) as engine:
        yield engine
        orchestrator = PrefectApi(engine.settings.prefect_api_url, engine.company.name)
        if await orchestrator.ready():
            with suppress(AllclearError):
                await OutboxDelivery(engine.journal, orchestrator, engine.company, simulated=engine.simulated).deliver()
        await orchestrator.close()


def speaker(engine: Engine, name: str | None, role: str | None) -> By:
    """Return who speaks. Raises NotAllowed for nobody."""
    said = name or load_settings().user
    if not said:
        raise NotAllowed("Say who you are.", "Add --as NAME, or set ALLCLEAR_USER.")
    return engine.people.who(said, role, "cli")


def say(text: str) -> None:
    """Print a sentence; its brackets are no markup."""
    out.print(text, markup=False, soft_wrap=True)


def say_heading(text: str) -> None:
    """Print what the columns below it are."""
    out.print(text, style="bold", markup=False, soft_wrap=True)


def say_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))  # noqa: T201 - for scripts, without any wrapping
