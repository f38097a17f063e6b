"""Who is on duty, and taking a turn over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from allclear.bootstrap import Engine, open_engine
from allclear.cli.root import As, app, run, say, speaker
from allclear.domain.base import utc_now
from allclear.domain.durations import say_duration
from allclear.domain.text import stamp


@app.command("on-call")
def on_call(
    at: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M"], help="When, in UTC; now if left out.")
    ] = None,
) -> None:
    """Say who is on duty by the plan's rotas, layer by layer, until when, and who is next."""

    async def work() -> None:
        async with open_engine() as engine:
            _tell(engine, at.replace(tzinfo=UTC) if at else utc_now())

    run(work())


def _tell(engine: Engine, moment: datetime) -> None:
    plan = engine.company.plan
    for rota in plan.rotas:
        for shift in rota.on_duty(moment, plan.working_time, engine.journal.overrides(rota.role)):
            say(
                f"{plan.role_title(rota.role)}, {shift.layer}: {shift.person} until {stamp(shift.until)}, then "
                f"{shift.next_person}; to acknowledge within {say_duration(shift.acknowledge_within)}"
            )
    if not plan.rotas:
        say(f"The plan of {plan.company} has no rota. Those who hold roles stand under `people` in its plan.yaml.")


@app.command("take-over")
def take_over(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="The role that is taken in turns, as on_call.")],
    name: As = None,
) -> None:
    """Take over a turn of a rota: from now on you are on duty, until the next one takes over."""

    async def work() -> str:
        async with open_engine() as engine:
            by = speaker(engine, name, role)
            return engine.people.take_over(role, by)

    say(run(work()))
