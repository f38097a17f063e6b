"""`allclear test-channels`: sends marked tests to the people who agreed, and shows what arrived."""

from __future__ import annotations

from typing import Annotated

import typer

from allclear.bootstrap import open_engine
from allclear.cli.root import PREPARE, AsJson, app, out, print_json, print_line, run
from allclear.domain.notify.channel_test import NOT_TESTED, ChannelTest

_STYLE = {"delivered": "green", "acknowledged": "green", "failed": "bold red", NOT_TESTED: "dim"}


@app.command("test-channels", rich_help_panel=PREPARE)
def send_tests(
    ways: Annotated[
        list[str] | None, typer.Argument(metavar="[WAY]...", help="Only these ways of the plan; all if left out.")
    ] = None,
    people: Annotated[list[str] | None, typer.Option("--person", help="Only this person; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a marked test by each way to each person who agreed, and show what arrived.

    The exit code is 0 if every test that was sent has arrived, and 1 if one failed, if it is not known whether one
    arrived, or if nothing was sent. A person has agreed if plan.yaml has `test_messages: true` for that person. A call
    waits up to two minutes for the key that is pressed.
    """
    tests = run(_test(ways or [], people or []))
    if as_json:
        print_json([one.model_dump(mode="json") | {"arrived": one.arrived} for one in tests])
    else:
        print_tests(tests)
    if not all_arrived(tests):
        raise typer.Exit(1)


def all_arrived(tests: list[ChannelTest]) -> bool:
    """Return whether at least one test was sent, and all that were sent have arrived."""
    made = [one for one in tests if one.result != NOT_TESTED]
    return bool(made) and all(one.arrived for one in made)


async def _test(ways: list[str], people: list[str]) -> list[ChannelTest]:
    async with open_engine() as engine:
        return await engine.channel_tests.test(ways, people)


def print_tests(tests: list[ChannelTest]) -> None:
    """Print one line for each way and person, and a summary."""
    result_width = max((len(one.result) for one in tests), default=0)
    way_width = max((len(one.way) for one in tests), default=0)
    person_width = max((len(one.person) for one in tests), default=0)
    for one in tests:
        out.print(f"{one.result:{result_width}}", style=_STYLE.get(one.result, "yellow"), end="  ")
        print_line(f"{one.way:{way_width}}  {one.person:{person_width}}  {one.sentence}")
    made = [one.result for one in tests if one.result != NOT_TESTED]
    counts = ", ".join(f"{made.count(result)} {result}" for result in dict.fromkeys(made))
    print_line(f"{counts or 'nothing was sent'}.")
