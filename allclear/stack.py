"""Runs Prefect's server, the runner, the responder and, if asked for, a simulated production as child processes.

`allclear up` keeps one stack running. Each drill starts its own, so that it cannot reach the real one.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import httpx
from pydantic import SecretStr

from allclear.company import companies_root
from allclear.domain.errors import AllclearError, ConfigError
from allclear.own_secrets import ALERT_TOKEN, LINK_KEY
from allclear.settings import Settings, Simulation
from allclear.vendors.errors import hidden

_START_SECONDS = 600
"""How long a part may take until it answers: minutes, on a busy machine. One that has ended is noticed at once."""

_STOP_SECONDS = 4

_FOR_LISTENERS = range(20_000, 32_768)
"""Ports that no system gives to outgoing connections: Linux begins at 32768, macOS at 49152."""
_OWNER_ONLY, _OWNER_ONLY_FOLDER, _UMASK = 0o600, 0o700, 0o077
"""Logs, addresses with secrets and the databases are for their owner alone."""


@dataclass(frozen=True)
class Ports:
    """The ports on 127.0.0.1 that the parts listen on."""

    prefect: int
    responder: int

    @staticmethod
    def free() -> Ports:
        """Return two free ports. Raises ConfigError if there are none."""
        return Ports(*free_ports(2))


class Stack:
    """The parts, started in order and stopped in reverse order."""

    def __init__(  # noqa: PLR0913 - what a drill changes
        self,
        company: str,
        home: Path,
        ports: Ports,
        scenario: str | None = None,
        *,
        breaks: bool = True,
        recovery_over: timedelta | None = None,
        stand_ins: Mapping[str, str] | None = None,
    ) -> None:
        """`home` holds the journal, the logs and Prefect's database; `scenario` names the production to simulate.

        Its outbreak starts on its own if `breaks` is set, and otherwise when the control API is called. Recovery is
        observed for `recovery_over` instead of the plan's time. `stand_ins`, role -> name, hold the roles that the plan
        names no one for.
        """
        self._recovery_over = recovery_over if scenario else None
        self._stand_ins = dict(stand_ins or {}) if scenario else {}
        self._breaks = breaks
        self.company = company
        self.home = home
        self.ports = ports
        self.scenario = scenario
        self.own_secrets = {secret: secret.read(home) for secret in (ALERT_TOKEN, LINK_KEY)}
        self._children: list[tuple[str, asyncio.subprocess.Process]] = []

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of every part, and of the commands that use them."""
        journal = os.environ.get("ALLCLEAR_JOURNAL_URL") if self.scenario is None else None
        own = {
            "ALLCLEAR_COMPANY": self.company,
            "ALLCLEAR_JOURNAL_URL": journal or f"sqlite:///{self.home / 'journal.db'}",
            "ALLCLEAR_RESPONDER_URL": f"http://127.0.0.1:{self.ports.responder}",
            **{secret.variable: value for secret, value in self.own_secrets.items()},
            "PREFECT_API_URL": f"http://127.0.0.1:{self.ports.prefect}/api",
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",  # it takes two seconds, and nothing here uses blocks
            "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",  # nor the list of what would be registered
            "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",  # server and clients are of one installation
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",  # the server asks for none, and each client asked it first
            "PREFECT_CLI_PROMPT": "false",
            "DO_NOT_TRACK": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if self.scenario:
            own["ALLCLEAR_SIMULATION"] = str(self.home / "simulation.json")
            if self._recovery_over is not None:
                own["ALLCLEAR_RECOVERY_OVER"] = f"{self._recovery_over.total_seconds():g}s"
            if self._stand_ins:
                own["ALLCLEAR_STAND_INS"] = json.dumps(self._stand_ins)
            own["NO_PROXY"] = own["no_proxy"] = "127.0.0.1,localhost"
        outer = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return {**outer, **own}

    @property
    def settings(self) -> Settings:
        """Return the settings of a process inside this stack."""
        environment = self.environment
        simulation = environment.get("ALLCLEAR_SIMULATION")
        return Settings(
            company=self.company,
            journal_url=environment["ALLCLEAR_JOURNAL_URL"],
            responder_url=environment["ALLCLEAR_RESPONDER_URL"],
            alert_token=SecretStr(self.own_secrets[ALERT_TOKEN]),
            link_key=SecretStr(self.own_secrets[LINK_KEY]),
            simulation=Path(simulation) if simulation else None,
            recovery_over=self._recovery_over,
            stand_ins=self._stand_ins,
            PREFECT_API_URL=environment["PREFECT_API_URL"],  # pyright: ignore[reportCallIssue] - its alias
        )

    @property
    def simulation(self) -> Simulation:
        """Return the addresses of the simulated production. Raises ConfigError if there is none."""
        return Simulation.load(self.home / "simulation.json")

    async def __aenter__(self) -> Self:
        """Start every part and return when all answer. Raises AllclearError with the last lines of the log."""
        self.home.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
        (self.home / "logs").mkdir(exist_ok=True)
        try:
            self.lay_out_prefect()
            await self._spawn("prefect", ["deployments.server", str(self.ports.prefect)])
            if self.scenario:
                await self._start_simulation(self.scenario)
            await self._spawn("runner", ["deployments.runner"])
            await self._spawn("responder", ["allclear.responder"])
            await self._answers("responder", f"http://127.0.0.1:{self.ports.responder}/healthz")
            await self._answers("prefect", f"http://127.0.0.1:{self.ports.prefect}/api/health")
            await self._says("runner", "serving ")
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        await self.stop()

    async def stop(self) -> None:
        """Stop every part, the last started first, and kill it and its child processes if it does not stop."""
        for _, child in reversed(self._children):
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.send_signal(signal.SIGINT)
            with suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), _STOP_SECONDS)
            with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, of a group that has ended
                os.killpg(child.pid, signal.SIGKILL)  # each part leads a group of its own: its flow runs are in it
            await child.wait()
        self._children.clear()

    async def watch(self) -> None:
        """Wait until a part ends. Raises AllclearError then."""
        waits = {asyncio.create_task(child.wait()): name for name, child in self._children}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        raise self._died(waits[done.pop()])

    # --- parts ---------------------------------------------------------------------------------------

    async def _spawn(self, name: str, module: list[str]) -> None:
        with private_file(self.home / "logs" / f"{name}.log") as log:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *module,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
                umask=_UMASK,
                preexec_fn=_die_with_parent,
            )
        self._children.append((name, child))

    def lay_out_prefect(self) -> None:
        """Copy an empty Prefect database into `home` if one is kept, because creating it takes twenty seconds."""
        database = self.home / "prefect" / "prefect.db"
        if not database.exists() and empty_prefect().exists():
            database.parent.mkdir(parents=True, exist_ok=True)
            with private_file(database) as copy:
                copy.write(empty_prefect().read_bytes())

    async def _start_simulation(self, scenario: str) -> None:
        described = self.home / "simulation.json"
        described.unlink(missing_ok=True)
        path = companies_root() / self.company / "drills" / f"{scenario}.yaml"
        await self._spawn("production", ["allclear.simulator", str(path), *([] if self._breaks else ["--wait"])])
        line = await self._says("production", "{")
        with private_file(described) as file:
            file.write(line.encode())

    async def _says(self, name: str, start: str) -> str:
        """Return the first line of a part's log that begins with `start`."""
        path = self.home / "logs" / f"{name}.log"
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            for line in path.read_text(errors="replace").splitlines(keepends=True):
                if line.startswith(start) and line.endswith("\n"):
                    return line
            self._alive(name)
            await asyncio.sleep(0.05)
        raise self._silent(name)

    async def _answers(self, name: str, url: str) -> None:
        end = time.monotonic() + _START_SECONDS
        async with httpx.AsyncClient(timeout=2.0) as http:
            while time.monotonic() < end:
                with suppress(httpx.HTTPError):
                    if (await http.get(url)).is_success:
                        return
                self._alive(name)
                await asyncio.sleep(0.1)
        raise self._silent(name)

    def _alive(self, name: str) -> None:
        child = next(child for part, child in self._children if part == name)
        if child.returncode is not None:
            raise self._died(name)

    def _died(self, name: str) -> AllclearError:
        return self._error(name, f"The part `{name}` has stopped")

    def _silent(self, name: str) -> AllclearError:
        return self._error(name, f"The part `{name}` is running but not ready after {_START_SECONDS // 60} minutes")

    def _error(self, name: str, fault: str) -> AllclearError:
        path = self.home / "logs" / f"{name}.log"
        last = [line for line in path.read_text(errors="replace").splitlines() if line.strip()][-3:]
        lines = " / ".join(last) or "its log is empty"
        return ConfigError(f"{fault}: {lines}", f"Read {path}.")


def empty_prefect() -> Path:
    """Return the path of the empty Prefect database that is kept for this version of Prefect."""
    return Path(".allclear") / f"prefect-{version('prefect')}-empty.db"


async def prepare() -> Path:
    """Create the empty Prefect database that later starts copy, unless it exists. Raises ConfigError."""
    kept = empty_prefect().resolve()
    if not kept.exists():
        home = kept.with_suffix(".home")
        home.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1"}
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "prefect",
            "server",
            "database",
            "upgrade",
            "--yes",
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await child.communicate()
        if child.returncode:
            raise ConfigError(
                f"Prefect's database cannot be created: {_tail(output.decode(errors='replace'))}",
                "Check the PREFECT_* settings.",
            )
        (home / "prefect.db").rename(kept)
        shutil.rmtree(home)
    return kept


def _tail(output: str) -> str:
    """Return the end of what Prefect printed, without the values of settings that may hold a password."""
    private = ("CONNECTION_URL", "PASSWORD", "AUTH_STRING", "API_KEY")
    secrets = [value for name, value in os.environ.items() if name.startswith("PREFECT_") and name.endswith(private)]
    return hidden(output, *secrets)[-300:].strip()


def private_file(path: Path) -> BinaryIO:
    """Return the file at `path`, emptied and open for writing, which only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _OWNER_ONLY)
    os.fchmod(descriptor, _OWNER_ONLY)  # one of an earlier version may be open to others
    return os.fdopen(descriptor, "wb")


def _die_with_parent() -> None:
    """Have Linux stop this child process when its parent ends or is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def free_ports(count: int, candidates: Iterable[int] = ()) -> list[int]:
    """Return different ports of 127.0.0.1 on which nothing listens. Raises ConfigError if too few are found.

    The kernel could give a port from its own range to an outgoing connection before our process listens on it. So
    these are below the range of Linux and macOS. `candidates` are the ports to try; default: 100 at random.
    """
    found = list[int]()
    for port in candidates or random.sample(_FOR_LISTENERS, k=100):
        with socket.socket() as one, suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise ConfigError("Too few free ports were found on 127.0.0.1.", "Stop what listens there, then try again.")


def port_taken(port: int) -> bool:
    """Return whether a process listens on 127.0.0.1:`port`."""
    with socket.socket() as one:
        one.settimeout(0.5)
        return one.connect_ex(("127.0.0.1", port)) == 0
