"""Prints a report: of the responder if there is a token and it answers, and of the journal directly if not."""

from __future__ import annotations

from urllib.parse import urlencode

from allclear.cli.root import out, print_json, run
from allclear.cli.send import responder_or_none
from allclear.reports.base import Reader, Report, Shown
from allclear.settings import load_settings


def read(report: Report, *, as_json: bool = False) -> None:
    """Print a report, or the same as JSON. Raises AllclearError."""
    shown = shown_now(report)
    if as_json:
        print_json(shown.data)
    else:
        print(shown.text, end="")  # noqa: T201 - it is written for this terminal


def shown_now(report: Report) -> Shown:
    """Return the report as it is now, in the width and the colours of this terminal. Raises AllclearError."""
    from allclear.bootstrap import open_engine  # noqa: PLC0415 - the engine takes a second to import

    report = report.model_copy(
        update={"width": max(20, min(out.width, 1000)), "colour": out.is_terminal and not out.no_color}
    )
    if responder := responder_or_none(None, None, load_settings(), reads=True):
        chosen = report.model_dump(mode="json", exclude_defaults=True)
        return Shown.model_validate(responder.get(f"/reports/{report.name}?{urlencode(chosen)}"))

    async def work() -> Shown:
        async with open_engine() as engine:
            return report.show(engine, Reader())

    return run(work())
