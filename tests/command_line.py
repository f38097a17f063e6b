"""The command line in a process of its own for each command, forked from one that has imported it.

A command takes half a second of processor time to import what it needs, and the end-to-end tests give more than a
hundred. What a fork cannot show (`make`, the README's commands, another PYTHONPATH) the tests start as a new program.

`python -m tests.command_line` is the process that forks: it reads a request a line and writes an exit code a line.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.patience import HUNG

ROOT = Path(__file__).parents[1]


def run(words: tuple[str, ...], environment: Mapping[str, str], typed: Path) -> subprocess.CompletedProcess[str]:
    """Run `allclear` with `words` from the repository's root, with `typed` as its standard input; return its result."""
    with TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        files = [str(typed), str(out), str(err)]
        code = _server().ask(json.dumps({"words": words, "environment": dict(environment), "files": files}))
        return subprocess.CompletedProcess(list(words), code, out.read_text(), err.read_text())


class _Server:
    """The process that forks. It ends with this process, which holds its standard input open."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.command_line"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        atexit.register(self._process.communicate)

    def ask(self, request: str) -> int:
        """Have a request carried out, and return the exit code of its command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._one_at_a_time:
            hung = threading.Timer(HUNG, os.killpg, (self._process.pid, 9))
            hung.daemon = True
            hung.start()
            self._process.stdin.write(f"{request}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            hung.cancel()
        assert answer, f"the command hung, or the process that forks has ended: {request}"
        return int(answer)


@cache
def _server() -> _Server:
    return _Server()


def _serve() -> None:
    import typer.main  # noqa: PLC0415 - only the process that forks needs it

    from allclear import cli  # noqa: PLC0415
    from allclear.engine.actions.registry import Registry  # noqa: PLC0415
    from allclear.trusted_certificates import trusted_certificates  # noqa: PLC0415
    from tests import once_a_process  # noqa: PLC0415

    for name in (*cli._MODULES, "drill_person", "responder_client"):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        import_module(f"allclear.cli.{name}")
    for name in ("allclear.bootstrap", "allclear.journal.sqlite", "allclear.prefect_api", "allclear.engine.outbox"):
        import_module(name)
    for name in ("httpcore", "anyio._backends._asyncio"):  # httpx imports them for its first request
        import_module(name)
    once_a_process.share()
    typer.main.get_command(cli.app)
    trusted_certificates()
    Registry.installed()
    gc.freeze()  # nothing of it is ever collected, so that the forks share its memory
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _command(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


def _command(words: list[str], environment: dict[str, str], files: list[str]) -> None:
    """Become the process of one command, and end with its exit code."""
    code = 1
    try:
        for number, (name, mode) in enumerate(zip(files, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
            opened = os.open(name, mode | (os.O_CREAT if number else os.O_NOCTTY), 0o600)
            os.dup2(opened, number)
            os.close(opened)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [str(ROOT / "allclear" / "__main__.py"), *words]
        from allclear.cli import main  # noqa: PLC0415 - it is imported already

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - what ends a program with a traceback ends this one so
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
