"""Commands about the rota: who is on duty, and taking a shift over."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from allclear.bootstrap import Engine, open_engine
from allclear.cli.root import READ, RESPOND, As, app, print_line, run
from allclear.cli.send import give
from allclear.commands.company import TakeOver
from allclear.domain.base import utc_now
from allclear.domain.durations import short_duration
from allclear.domain.moments import stamp


@app.command("on-call", rich_help_panel=READ)
def on_call(
    at: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M"], help="A time in the plan's time zone. Default: now.")
    ] = None,
) -> None:
    """Show who is on duty by the plan's rotas, until when, and who is next."""

    async def work() -> None:
        async with open_engine() as engine:
            _print_shifts(engine, at.replace(tzinfo=engine.company.plan.zone) if at else utc_now())

    run(work())


def _print_shifts(engine: Engine, moment: datetime) -> None:
    plan = engine.company.plan
    for rota in plan.rotas:
        for shift in rota.on_duty(moment, plan.working_time, engine.journal.overrides(rota.role)):
            until = stamp(shift.until, plan.zone)
            print_line(
                f"{plan.role_title(rota.role)}, {shift.layer}: {shift.person} until {until}, then "
                f"{shift.next_person}; pages are to be acknowledged within {short_duration(shift.acknowledge_within)}"
            )
    if not plan.rotas:
        print_line(f"The plan of {plan.company} has no rota. The holders of its roles are under `people` in plan.yaml.")


@app.command("take-over", rich_help_panel=RESPOND)
def take_over(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="A role with a rota, as on_call.")],
    name: As = None,
) -> None:
    """Take over the current shift of a rota: you are on duty from now on."""
    give(TakeOver(role=role), "", name, role)
