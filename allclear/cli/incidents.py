"""Commands that read incidents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from allclear.cli.read import read, shown_now
from allclear.cli.root import READ, As, AsJson, IncidentId, Role, app
from allclear.cli.send import give
from allclear.commands.post_mortem import WritePostMortem
from allclear.domain.errors import ConfigError, NotFound
from allclear.postmortem.placeholders import FIELDS
from allclear.reports.incident import PostMortemDocument, Show, Verify
from allclear.reports.incidents import IncidentList, InPlace


@app.command("incidents", rich_help_panel=READ)
def list_incidents(as_json: AsJson = False) -> None:
    """List the incidents, newest first, with the questions that are open."""
    read(IncidentList(), as_json=as_json)


@app.command(rich_help_panel=READ)
def show(
    incident: IncidentId,
    every: Annotated[bool, typer.Option("--all", help="Include the lines that only an audit needs.")] = False,
    reason: Annotated[
        bool, typer.Option("--why", help="Explain each alert's decision, and why nothing was done automatically.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show an incident: how it stands, its open questions and its timeline."""
    read(Show(incident=incident, every=every, why=reason), as_json=as_json)


@app.command(rich_help_panel=READ)
def verify(incident: IncidentId) -> None:
    """Verify that no entry of an incident's record was changed, and print the hash of the last one."""
    read(Verify(incident=incident))


@app.command("in-place", rich_help_panel=READ)
def in_place(as_json: AsJson = False) -> None:
    """List the changes that are still in place, in all incidents, and how to undo each."""
    read(InPlace(), as_json=as_json)


@app.command(rich_help_panel=READ)
def postmortem(
    incident: IncidentId,
    write: Annotated[
        tuple[str, str] | None, typer.Option(metavar="FIELD TEXT", help="Write one field, and print nothing else.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write the document into this file; one that ends in .html gets the HTML page.")
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Print one HTML page instead of Markdown, with a chart.")
    ] = False,
    name: As = None,
    role: Role = None,
) -> None:
    """Print the post-mortem: the company's template, filled from the journal."""
    page = html or (to is not None and to.suffix.lower() in {".html", ".htm"})

    if write is not None:
        if write[0] not in FIELDS:
            raise NotFound(f"The post-mortem has no field {write[0]!r}.", f"It has: {', '.join(FIELDS)}.")
        give(WritePostMortem.model_validate({"field": write[0], "text": write[1]}), incident, name, role)
        return

    document = str(shown_now(PostMortemDocument(incident=incident, html=page)).data)
    if to is not None:
        try:
            to.write_text(document)
        except OSError as error:
            raise ConfigError(f"{to} cannot be written: {error.strerror}.", "Choose another file.") from error
        document = f"Written to {to}."
    print(document)  # noqa: T201 - rich would wrap the document
