"""Commands that run allclear: the whole stack, the responder alone, a simulated production."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from allclear.cli.root import REHEARSE, RUN, app, out, print_line, run, run_until_stopped
from allclear.company import find_company
from allclear.domain.durations import counted
from allclear.domain.errors import AllclearError, ConfigError
from allclear.drill.script import find_script, first_script
from allclear.environment_file import not_exported, source_line, write_exports
from allclear.journal.url import shown
from allclear.own_secrets import HOME, with_own_secrets
from allclear.settings import load_settings
from allclear.stack import Ports, Stack, port_taken
from allclear.stack import prepare as make_ready


@app.command(rich_help_panel=RUN)
def responder(
    home: Annotated[Path, typer.Option(help="The folder that keeps its own secrets.")] = HOME,
) -> None:
    """Run the responder alone. It receives alerts at ALLCLEAR_RESPONDER_URL.

    Its alert token and its key of links are those that `allclear up` keeps, unless the environment has them.
    """
    from allclear.responder.server import serve  # noqa: PLC0415 - FastAPI only where it is served

    run(serve(with_own_secrets(load_settings(), home)))


@app.command(rich_help_panel=REHEARSE)
def simulate(
    scenario: Annotated[
        str, typer.Argument(metavar="COMPANY/SCENARIO", help="A company's drill, as acme/bad-deployment.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as one line of JSON.")] = False,
) -> None:
    """Run a simulated production that breaks on purpose, until you stop it."""
    from allclear.simulator.serve import run as run_simulation  # noqa: PLC0415 - gRPC only where it is served

    company, _, name = scenario.partition("/")
    path = find_company(company).folder / "drills" / f"{name}.yaml"
    if not name or "/" in name or not path.is_file():
        find_script(find_company(company).folder, name)
    run_simulation(path, as_json=as_json)


@app.command(rich_help_panel=RUN)
def prepare() -> None:
    """Make Prefect's empty database, which later starts copy to be quick. `make setup` runs this."""
    print_line(f"Ready: {run(make_ready())}")


@app.command(rich_help_panel=RUN)
def up(
    simulated: Annotated[bool, typer.Option("--simulated", help="Act on a simulated production.")] = False,
    scenario: Annotated[str, typer.Option(help="The simulated production. Default: the company's first drill.")] = "",
    home: Annotated[Path, typer.Option(help="The folder for journal, logs and Prefect's database.")] = HOME,
    port: Annotated[int, typer.Option(help="Prefect's port.")] = 4200,
    responder_port: Annotated[int, typer.Option(help="The responder's port.")] = 8077,
) -> None:
    """Start Prefect, the runner with every deployment, and the responder. Ctrl-C stops everything."""
    settings = load_settings()
    company = find_company(settings.company)
    if settings.simulation and not simulated:
        raise ConfigError(
            "ALLCLEAR_SIMULATION is set, but --simulated is not given.", "Unset the variable, or add --simulated."
        )
    for number in (port, responder_port):
        if port_taken(number):
            raise ConfigError(
                f"Port {number} is taken.", "Stop what listens there, or choose: --port, --responder-port."
            )
    place = (home / "simulated" if simulated else home).resolve()
    if simulated:
        scenario = scenario or first_script(company)
        find_script(company.folder, scenario)
    stack = Stack(company.name, place, Ports(port, responder_port), scenario if simulated else None)
    run_until_stopped(_keep_up(stack, company.name))


async def _keep_up(stack: Stack, company: str) -> None:
    print_line(f"Starting everything for {company}; the first time takes half a minute …")
    async with stack:
        print_addresses(stack)
        tests = asyncio.create_task(_test_systems(stack))
        try:
            await stack.watch()
        except asyncio.CancelledError:  # Ctrl-C, SIGTERM, SIGHUP
            print_line("Stopping …")
        finally:
            tests.cancel()


async def _test_systems(stack: Stack) -> None:
    """Say which secrets are missing and which systems cannot be used, before an incident needs them."""
    if stack.scenario:
        return  # a simulated production has its own secrets
    from allclear.bootstrap import open_doctor  # noqa: PLC0415 - it takes a second, beside the start of the parts

    try:
        async with open_doctor(stack.settings) as doctor:
            reports = [*await doctor.examine(), *doctor.contacts()]
    except AllclearError as error:
        print_line(str(error))
        return
    failed = [report for report in reports if report.failed]
    if not failed:
        print_line("Every system that the plan uses answers. More: allclear doctor")
        return
    out.print(f"NOT READY for an incident: {counted(len(failed), 'problem')}.", style="bold red")
    for report in failed:
        print_line(f"  {report.system}: {report.sentence}\n    → {report.next_step}")
    print_line("Test again, also in another terminal: allclear doctor")


def print_addresses(stack: Stack) -> None:
    """Print the addresses of all parts, and the line that gives another terminal the environment."""
    if stack.scenario:
        out.print("SIMULATED: this acts on a simulated production; nothing real is touched.", style="bold yellow")
        print_line(f"  the shop             {stack.simulation.endpoints['storefront']}")
        print_line(
            f"  the simulator        {stack.simulation.control}  (how to control it: docs/reference/simulator.md)"
        )
    print_line(f"  Prefect              http://127.0.0.1:{stack.ports.prefect}  (Deployments → Start an incident)")
    alerts = f"http://127.0.0.1:{stack.ports.responder}/alerts/json"
    print_line(f"  alerts               POST {alerts}  (token: ALLCLEAR_ALERT_TOKEN)")
    journal = stack.environment["ALLCLEAR_JOURNAL_URL"]
    print_line(f"  the journal          {shown(journal)}")
    print_line(f"  logs                 {stack.home / 'logs'}")
    print_line("In another terminal, this line makes allclear's commands work on this:")
    print_line(f"  {source_line(write_exports(stack))}")
    for line in not_exported(stack):
        print_line(f"  {line}")
    print_line("Ctrl-C stops everything.")
