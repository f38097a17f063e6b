"""Bad input on the command line: one clear sentence, the next step, the documented exit code, and nothing half-done."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from allclear.cli import main
from tests.end_to_end.stack_support import LIMIT, ROOT, allclear, environment

ME = ("--as", "Ana", "--role", "on_call")
ROLL_BACK = ("act", "vintstreet", "cloud_run.rollback_traffic", "service=storefront")
DO_IT = ("--reason", "a test", "--yes", *ME)


@dataclass(frozen=True)
class Said:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str


Cli = Callable[..., Said]

CLAIMED = "Your name is only claimed: ALLCLEAR_TOKEN is not set, so the journal is written directly."


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file that describes a simulated production in another process."""
    described = tmp_path_factory.mktemp("production") / "simulation.json"
    scenario = ROOT / "runbooks/vintstreet/drills/payment-processing-down.yaml"
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "allclear.simulator", str(scenario)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        described.write_text(process.stdout.readline())
        yield described
        process.terminate()


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], simulation: Path) -> Cli:
    """Run the command line in this process, on a journal of its own and the simulated production."""
    for name in [one for one in os.environ if one.startswith(("ALLCLEAR_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", f"sqlite:///{tmp_path / 'journal.db'}")
    monkeypatch.setenv("ALLCLEAR_SIMULATION", str(simulation))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")

    def run(*words: str, **variables: str) -> Said:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["allclear", *words])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return run


def declared(cli: Cli) -> str:
    """Declare an incident, and return its id."""
    words = ("--severity", "P0", "--service", "storefront", "--runbook", "bad-deployment")
    return cli("respond", "Payments fail", *words, *ME).out.split()[0]


def plain(said: Said, code: int, *words: str) -> None:
    """Check the form of an error: exit code, one sentence with these words, a next step, and no traceback.

    Indented lines between the two list what can be chosen. A line before them may say that the name is only claimed.
    """
    assert said.code == code, said
    error = "".join(line for line in said.err.splitlines(keepends=True) if not line.startswith(CLAIMED))
    said_and_listed, arrow, _ = error.partition("\n→ ")
    assert arrow, said.err
    assert "Traceback" not in said.err
    assert [line for line in said_and_listed.splitlines()[1:] if not line.startswith("  ")] == []
    for word in words:
        assert word in said.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("check", "nobody"), 4, "vintstreet"),
        (("check", "../etc"), 4, "There is no company"),
        (("show", "VS-99"), 4, "There is no journal at"),
        (("drill", "no-such-drill"), 4, "healthy"),
        (("simulate", "vintstreet/none"), 4, "There are"),
        (("respond", "x", "--severity", "P9", "--service", "storefront", "--runbook", "bad-deployment", *ME), 4, "P9"),
        (("respond", "x", "--severity", "P0", "--service", "shop", "--runbook", "bad-deployment", *ME), 4, "shop"),
        (("respond", "x", "--severity", "P0", "--service", "storefront", "--runbook", "nope", *ME), 4, "nope"),
        (("act", "vintstreet", "cloud_run.rollback", "service=storefront", *DO_IT), 4, "Did you mean"),
        (("act", "vintstreet", "cloud_run.rollback_traffic", "service", *DO_IT), 3, "name=value"),
        (("act", "vintstreet", "cloud_run.rollback_traffic", "srvice=storefront", *DO_IT), 3, "service"),
        ((*ROLL_BACK[:3], "service=shop", *DO_IT), 4, "shop"),
        ((*ROLL_BACK, "to=vintstreet-99999-zzz", *DO_IT), 6, "vintstreet-99999-zzz"),
        ((*ROLL_BACK, "to=vintstreet-00041-zul", *DO_IT), 6, "vintstreet-00041-zul"),
        (("act", "vintstreet", "feature_flag.disable", "flag=absent", *DO_IT), 4, "absent"),
        ((*ROLL_BACK, "--yes", "--reason", "x"), 2, "--as"),
        ((*ROLL_BACK, "--yes", *ME), 2, "reason"),
        ((*ROLL_BACK, "--yes", "--reason", "x", "--as", "Ana", "--role", "king"), 4, "king"),
    ],
)
def test_an_unknown_name_is_one_clear_error(cli: Cli, words: tuple[str, ...], code: int, says: str) -> None:
    """The error names it and lists the known companies, severities, services, actions, flags or roles."""
    plain(cli(*words), code, says)


def test_a_refused_act_changes_nothing(cli: Cli, simulation: Path) -> None:
    """After all refusals of the rollback, the production has seen no write."""
    plain(cli(*ROLL_BACK, "to=vintstreet-00041-zul", *DO_IT), 6, "vintstreet-00041-zul")
    log = httpx.get(f"{json.loads(simulation.read_text())['control']}/log", timeout=LIMIT).json()
    assert [line for line in log if line["kind"] == "write"] == []


def test_an_answer_needs_an_open_question(cli: Cli) -> None:
    """An unknown question and an incident that has ended are refused in one sentence."""
    incident = declared(cli)
    plain(cli("approve", f"{incident}/contain/nothing", *ME), 4, "never asked")
    plain(cli("approve", incident, *ME), 4, "waits for", f"allclear show {incident}")
    plain(cli("false-alarm", incident, *ME), 2, "reason")
    assert cli("false-alarm", incident, "--reason", "a test", *ME).code == 0
    plain(cli("ack", incident, *ME), 6, "over", "allclear note")
    assert cli("note", incident, "late", *ME).code == 0
    plain(cli("postmortem", incident, "--write", "poem", "x", *ME), 4, "summary")
    plain(cli("show", "VS-99"), 4, "VS-99")


def test_a_missing_secret_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a simulation, an act whose secret is not in the environment names the variable."""
    monkeypatch.delenv("ALLCLEAR_SIMULATION")
    said = cli("act", "vintstreet", "feature_flag.disable", "flag=new_checkout", *DO_IT)
    plain(said, 3, "SUPABASE_SERVICE_KEY")


def test_an_unreachable_system_is_named(cli: Cli, simulation: Path, tmp_path: Path) -> None:
    """A system that does not answer is named, and nothing is done."""
    described = json.loads(simulation.read_text())
    described["endpoints"]["supabase"] = "http://127.0.0.1:9"
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps(described))
    said = cli(
        "act", "vintstreet", "feature_flag.disable", "flag=new_checkout", *DO_IT, ALLCLEAR_SIMULATION=str(elsewhere)
    )
    plain(said, 7, "upabase")


def test_a_journal_that_is_none_is_not_touched(cli: Cli, tmp_path: Path) -> None:
    """A text file, another program's database and a read-only journal are refused, and left as they were."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, " * 100)
    plain(cli("incidents", ALLCLEAR_JOURNAL_URL=f"sqlite:///{text}"), 8, "not a journal")
    assert text.read_text().startswith("not a database")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()
    plain(cli("incidents", ALLCLEAR_JOURNAL_URL=f"sqlite:///{other}"), 8, "not a journal")
    plain(cli("incidents", ALLCLEAR_JOURNAL_URL="mysql://x/y"), 3, "sqlite:///")
    plain(cli("incidents", ALLCLEAR_JOURNAL_URL="nonsense"), 3, "sqlite:///")


def test_a_locked_journal_is_said(cli: Cli, tmp_path: Path) -> None:
    """While another program holds the database, a word is not half-written: it says who to look for."""
    incident = declared(cli)
    holder = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        plain(cli("note", incident, "zebra", *ME), 8, "locked")
    finally:
        holder.close()
    assert "zebra" not in cli("show", incident).out


def test_a_malformed_folder_is_said_with_file_and_line(cli: Cli, tmp_path: Path) -> None:
    """A broken plan, runbook or scenario is one sentence with file and line, and `check` ends with 1."""
    folder = tmp_path / "runbooks" / "vintstreet"
    shutil.copytree(ROOT / "runbooks/vintstreet", folder)
    plan = folder / "plan.yaml"
    plan.write_text(plan.read_text().replace("short: VS", "shrt: VS"))
    said = cli("check", "vintstreet", ALLCLEAR_RUNBOOKS=str(folder.parent))
    assert said.code == 1
    assert "plan.yaml:" in said.out
    plain(cli("incidents"), 3, "plan.yaml:", "short")
    scenario = folder / "drills" / "healthy.yaml"
    plan.write_text(plan.read_text().replace("shrt: VS", "short: VS"))
    scenario.write_text(scenario.read_text().replace("people:", "peeple:"))
    plain(cli("drill", "healthy"), 3, "healthy.yaml", "peeple")


@pytest.mark.parametrize("name", ["ALLCLEAR_RESPONDER_URL", "PREFECT_API_URL"])
@pytest.mark.parametrize("address", ["http://[::", "127.0.0.1", "http://127.0.0.1:99999", "ftp://x"])
def test_an_address_that_is_none_is_said(cli: Cli, name: str, address: str) -> None:
    """A malformed address in the environment is named before anything is done."""
    plain(cli("incidents", **{name: address}), 3, name)


def test_a_heap_of_aliases_is_refused_at_once(cli: Cli, tmp_path: Path) -> None:
    """A few lines of YAML that stand for a thousand million values do not hang the check."""
    folder = tmp_path / "runbooks" / "vintstreet"
    shutil.copytree(ROOT / "runbooks/vintstreet", folder)
    heap = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    heap += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    (folder / "plan.yaml").write_text(heap)
    said = cli("check", "vintstreet", ALLCLEAR_RUNBOOKS=str(folder.parent))
    assert said.code == 1
    assert "refers to itself" in said.out or "cannot be read" in said.out


def test_wrong_usage_is_exit_code_two(cli: Cli) -> None:
    """A missing argument is a usage error, as everywhere."""
    assert cli("ack").code == 2


def test_a_limit_that_is_no_duration_is_refused() -> None:
    """The error says how to write it, before anything is started."""
    done = allclear("drill", "--within", "soon")
    assert done.returncode == 3
    assert "--within: 'soon' is not a duration" in done.stderr
