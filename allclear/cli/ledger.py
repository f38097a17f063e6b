"""Commands for what is still in place: undo it, or close it as superseded."""

from __future__ import annotations

from typing import Annotated

import typer

from allclear.cli.root import (
    ACT,
    As,
    IncidentId,
    Role,
    acting_person,
    app,
    confirmed,
    engine_with_delivery,
    print_line,
    run,
)
from allclear.domain.errors import Refused
from allclear.domain.text import must_answer
from allclear.engine.actions.executor import Preview

ActId = Annotated[str, typer.Argument(metavar="ACT", help="As contain/roll-back; `allclear in-place` lists them.")]


@app.command(rich_help_panel=ACT)
def undo(
    incident: IncidentId,
    act_id: ActId,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    name: As = None,
    role: Role = None,
) -> None:
    """Undo a change that is still in place; the change is shown first. Refused if the system was changed since."""

    async def work() -> str:
        async with engine_with_delivery() as engine:
            by = acting_person(engine, name, role)
            preview = await engine.manual.preview_undo(incident, act_id, by)
            _show(preview)
            if not yes and not confirmed("Undo it now?", "Confirm it with --yes."):
                return "Nothing was changed."
            shown = None if preview.done else preview.change.digest
            result = await engine.manual.undo(incident, act_id, reason, by, shown=shown)
            if result.outcome is None:
                asked = engine.people.question(result.waiting[0]).ask
                return f"{act_id} is NOT undone yet. {must_answer(asked, engine.company.plan)}"
            if not result.outcome.good:
                raise Refused(f"{act_id} is not undone: {result.outcome.sentence}", result.outcome.next_step)
            return f"{act_id} is undone. {result.outcome.sentence}"

    print_line(run(work()))


def _show(preview: Preview) -> None:
    """Print what the undo changes. Raises Refused if it is refused for a reason that does not pass by itself."""
    change = preview.change
    print_line(f"{change.summary}\n  risk: {change.risk}\n  undo: {change.undo}")
    for refusal in preview.refusals:
        if not refusal.passes:
            raise Refused(refusal.sentence, refusal.next_step)
        print_line(f"  waits: {refusal.sentence} {refusal.next_step}")
    if preview.done:
        print_line("There is nothing to change: it is as it was before the act. The record will say so.")


@app.command(rich_help_panel=ACT)
def supersede(
    incident: IncidentId,
    act_id: ActId,
    reason: Annotated[str, typer.Option(help="Why it needs no undo. Required: it goes into the record.")] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Close a change that cannot be undone because the system was changed since. Nothing is changed."""

    async def work() -> str:
        async with engine_with_delivery() as engine:
            return await engine.ledger.supersede(incident, act_id, reason, acting_person(engine, name, role))

    print_line(run(work()))
