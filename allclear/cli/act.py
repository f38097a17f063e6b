"""Commands that act by hand: the list of actions, and carrying one out after its change was shown."""

from __future__ import annotations

from typing import Annotated

import typer

from allclear.cli.root import ACT, As, AsJson, Role, app, confirmed, print_heading, print_json, print_line, run
from allclear.cli.send import sender
from allclear.commands.acts import Act
from allclear.commands.previews import ChangeView, PreviewAct
from allclear.domain.errors import ConfigError, Refused
from allclear.engine.actions.registry import Registry
from allclear.reference.describe import DescribedAction, describe, described
from allclear.settings import load_settings


@app.command(rich_help_panel=ACT)
def actions(
    name: Annotated[str, typer.Argument(help="One of them, as vercel.rollback; all if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the actions and probes that are installed. With a name: parameters, risk, undo, permissions and origin."""
    registry = Registry.installed()
    found = [describe(registry, name)] if name else described(registry)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    elif name:
        _print_described(found[0])
    else:
        width = max(len(one.name) for one in found)
        for one in found:
            print_line(f"{one.name:{width}} {one.title}  ({', '.join(param.name for param in one.params)})")


def _print_described(one: DescribedAction) -> None:
    print_heading(f"{one.name}: {one.title}")
    print_line(one.about)
    print_line(f"  risk:        {one.risk}")
    print_line(f"  undo:        {one.undo}")
    print_line(f"  approval:    {one.approval}")
    if one.leaves:
        by = f", until it is undone or settled by {' or '.join(one.reversed_by)}" if one.reversed_by else ""
        print_line(f"  leaves:      {one.leaves}{by}")
    for need in one.permissions:
        print_line(f"  permission:  {need.system}: {need.rights}")
        print_line(f"               role: {need.role}")
    print_line(f"  origin:      {one.origin}")
    if one.params:
        print_heading("Parameters")
    for param in one.params:
        left_out = "required" if param.required else f"default: {param.default}" if param.default else "may be left out"
        print_line(f"  {param.name} ({param.type}; {left_out}): {param.about}".rstrip(": "))


@app.command(rich_help_panel=ACT)
def act(  # noqa: PLR0913, PLR0917 - one action and how it is carried out
    company: Annotated[str, typer.Argument(help="A folder under runbooks/.")],
    action: Annotated[
        str, typer.Argument(help="An action, as cloud_run.rollback_traffic; `allclear actions` lists them.")
    ],
    params: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="The action's parameters, as service=storefront."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why. Required: it goes into the record.")] = "",
    incident: Annotated[
        str | None, typer.Option(help="The incident it belongs to. Default: the open one, or a new one.")
    ] = None,
    severity: Annotated[str | None, typer.Option(help="The severity, if a new incident is opened.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change, and change nothing.")] = False,
    name: As = None,
    role: Role = None,
) -> None:
    """Carry out one action by hand, with the same checks and record as in a response. Works without Prefect.

    The change is shown first, and what is confirmed is exactly this change.
    """
    given = _pairs(params or [])
    asked = PreviewAct(action=action, params=given)
    wanted = Act(action=action, params=given, reason=reason, incident=incident, severity=severity)
    settings = load_settings().model_copy(update={"company": company})

    async def work() -> None:
        async with sender(name, role, settings, creates=True) as to:
            shown = await to.preview_act(asked)
            if _may_begin(shown, dry_run=dry_run) and _is_confirmed(yes=yes):
                print_line(await to.carry_out(wanted.model_copy(update={"digest": shown.digest}), ""))

    run(work())


def _may_begin(shown: ChangeView, *, dry_run: bool) -> bool:
    """Print the change, and return whether it is to be made. Raises Refused if it is refused for good."""
    print_line(f"{shown.summary}\n  risk: {shown.risk}\n  undo: {shown.undo}")
    for refusal in shown.refusals:
        word = "waits" if refusal.passes else "refused"
        print_line(f"  {word}: {refusal.sentence} {refusal.next_step}")
    if shown.done:
        print_line("There is nothing to change: the action's target is reached already.")
    if dry_run:
        print_line(f"Dry run: nothing was changed. Approval: {shown.approval or 'no approval is needed'}.")
        return False
    for refusal in shown.refusals:
        if not refusal.passes:
            raise Refused(refusal.sentence, refusal.next_step, tuple(refusal.candidates))
    return True


def _is_confirmed(*, yes: bool) -> bool:
    """Return whether the person confirms the change that was shown."""
    if yes or confirmed("Do it now?", "Confirm it with --yes."):
        return True
    print_line("Nothing was changed.")
    return False


def _pairs(pairs: list[str]) -> dict[str, str]:
    params: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"{pair!r} is not a parameter.", "Write parameters as name=value.")
        params[name] = value
    return params
