"""Commands for what is still in place: undo it, or close it as superseded."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from allclear.cli.root import (
    ACT,
    As,
    IncidentId,
    Role,
    app,
    confirmed,
    engine_with_delivery,
    print_line,
    run,
)
from allclear.cli.send import author, give, over_http, responder_or_none
from allclear.commands.acts import Supersede
from allclear.commands.in_place import Undo
from allclear.commands.previews import ChangeView, PreviewUndo
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
    responder = responder_or_none(name, role)
    if responder is not None:
        sent = responder.send(f"/incidents/{quote(incident, safe='')}/preview-undo", PreviewUndo(act=act_id))
        shown = ChangeView.model_validate(sent)
        command = _confirmed(shown, Undo(act=act_id, reason=reason), yes=yes)
        print_line(over_http(responder, command, incident) if command else "Nothing was changed.")
        return

    async def work() -> str:
        async with engine_with_delivery() as engine:
            by = author(engine, name, role)
            shown = await PreviewUndo(act=act_id).show(engine, incident, by)
            command = _confirmed(shown, Undo(act=act_id, reason=reason), yes=yes)
            return await command.carry_out(engine, incident, by) if command else "Nothing was changed."

    print_line(run(work()))


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
