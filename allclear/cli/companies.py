"""A company's folder: is it right, and what is hollow."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from allclear.cli.root import AsJson, app, out, say, say_json
from allclear.company import check_company, companies, companies_root
from allclear.domain.errors import NotFound
from allclear.engine.registry import Registry
from allclear.postmortem.placeholders import PLACEHOLDERS

_STYLE = {"error": "bold red", "warning": "yellow", "assumed": "dim"}


@app.command()
def check(
    company: Annotated[str, typer.Argument(help="A folder under runbooks/.")],
    as_json: AsJson = False,
) -> None:
    """Read a company's folder: what is wrong with file and line, and what is hollow. Exit code 1 for an error."""
    folder = companies_root() / company
    if "/" in company or company not in companies():
        raise NotFound(f"There is no company {company!r}.", f"There are: {', '.join(companies()) or 'none'}.")
    found = check_company(folder, Registry.installed(), PLACEHOLDERS)
    if as_json:
        say_json([vars(one) | {"file": str(one.file)} for one in found])
    else:
        for one in found:
            out.print(f"{one.level:8}", style=_STYLE[one.level], end=" ")
            say(str(one))
        count = Counter(one.level for one in found)
        say(f"{company}: {count['error']} errors, {count['warning']} warnings, {count['assumed']} assumed defaults.")
    if any(one.level == "error" for one in found):
        raise typer.Exit(1)
