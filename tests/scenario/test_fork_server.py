"""The fork server of the runner: its runs have everything imported, and it ends with its runner."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.stack_support import LIMIT, ROOT, environment, until

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc, to see which processes are running")

RUNNER = """
import multiprocessing, os, sys
from allclear.company import find_company
from allclear.engine.actions.registry import Registry
from deployments.fork_server import start_fork_server
from prefect import flow_engine
from prefect.settings import get_current_settings

def open_files():
    for name in os.listdir("/proc/self/fd"):
        try:
            yield os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the folder itself
            continue

def settings_as_in_a_run():
    os.environ.update(get_current_settings().to_environment_variables(exclude_unset=True))
    os.environ["PREFECT__DEPLOYMENT_NAME"] = "no setting"
    return id(flow_engine.Settings())

def run(answers):
    settings = [settings_as_in_a_run()]
    os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
    settings.append(flow_engine.Settings().logging.level)
    answers.send(("deployments.catalog" in sys.modules, os.getppid(), __file__ in open_files(), *settings))

if __name__ == "__main__":
    kept = open(__file__)
    assert __file__ in open_files()
    start_fork_server(find_company("vintstreet"), Registry.installed())
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("forkserver").Process(target=run, args=(theirs,))
    process.start()
    print(*ours.recv(), settings_as_in_a_run(), flush=True)
    sys.stdin.read()
"""


def test_a_run_has_everything_imported_and_the_server_ends_with_its_runner(tmp_path: Path) -> None:
    """It is a fork of the runner, with its settings and without the files that it has open. The runner is killed."""
    script = tmp_path / "runner_of_this_test.py"
    script.write_text(RUNNER)
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, str(script)],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as runner:
        assert runner.stdout is not None
        imported, server, has_its_file, settings, level, of_the_runner = runner.stdout.readline().split()
        assert (imported, has_its_file) == ("True", "False")
        assert settings == of_the_runner  # the same object: the run has not read them again
        assert level == "ERROR"  # unless its environment has others
        assert Path(f"/proc/{server}").exists()
        runner.kill()
        runner.wait(timeout=LIMIT)
    until(lambda: not Path(f"/proc/{server}").exists() or "zombie" in Path(f"/proc/{server}/status").read_text())
