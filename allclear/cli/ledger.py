"""Commands for what is still in place: undo it, or close it as superseded."""

from __future__ import annotations

from typing import Annotated

import typer

from allclear.cli.root import (
    ACT,
    As,
    IncidentId,
    Role,
    app,
    confirmed,
    print_line,
    run,
)
from allclear.cli.send import give, sender
from allclear.commands.acts import Supersede
from allclear.commands.previews import ChangeView, PreviewUndo
from allclear.commands.undo import Undo
from allclear.domain.errors import Refused

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

    async def work() -> None:
        async with sender(name, role) as to:
            shown = await to.preview_undo(PreviewUndo(act=act_id), incident)
            command = _confirmed(shown, Undo(act=act_id, reason=reason), yes=yes)
            print_line(await to.carry_out(command, incident) if command else "Nothing was changed.")

    run(work())


def _confirmed(shown: ChangeView, undo: Undo, *, yes: bool) -> Undo | None:
    """Show the change and return the undo of exactly this change; None if the person does not confirm it."""
    _show(shown)
    if not yes and not confirmed("Undo it now?", "Confirm it with --yes."):
        return None
    return undo.model_copy(update={"digest": None if shown.done else shown.digest})


def _show(change: ChangeView) -> None:
    """Print what the undo changes. Raises Refused if it is refused for a reason that does not pass by itself."""
    print_line(f"{change.summary}\n  risk: {change.risk}\n  undo: {change.undo}")
    for refusal in change.refusals:
        if not refusal.passes:
            raise Refused(refusal.sentence, refusal.next_step)
        print_line(f"  waits: {refusal.sentence} {refusal.next_step}")
    if change.done:
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
    give(Supersede(act=act_id, reason=reason), incident, name, role)
