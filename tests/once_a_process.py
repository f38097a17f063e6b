"""What libraries make anew for each client, journal, file and call of the command line: made once a test process.

It took a tenth of the tests' processor time. Nothing that a test can see is shared: a TLS context of the same
certificates, the SQL text of a statement, the parser of the command line, and a copy of what a YAML text holds.
"""

from __future__ import annotations

import os
import pickle
from functools import cache
from typing import Any

import httpx._transports.default as of_httpx
import typer.main
import typer.testing
from ruamel.yaml import YAML
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache


def share() -> None:
    """Let all tests of this process share them."""
    _share_tls_context()
    _share_sql_texts()
    _share_command_lines()
    _share_yaml()


def _share_tls_context() -> None:
    """Reading every CA certificate takes 25 ms for each HTTP client, and no test's server is outside this machine."""
    make: Any = getattr(of_httpx, "create_ssl_context")  # noqa: B009 - it is no public name

    @cache
    def usual(_file: str, _folder: str) -> Any:  # noqa: ANN401 - a TLS context
        return make()

    def shared(verify: Any = True, cert: Any = None, trust_env: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002
        if verify is not True or cert is not None:
            return make(verify=verify, cert=cert, trust_env=trust_env)
        return usual(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")) if trust_env else make()

    setattr(of_httpx, "create_ssl_context", shared)  # noqa: B010 - as above


def _share_sql_texts() -> None:
    """Each journal has an engine, which writes the SQL of each of its statements again, 0.5 ms each."""
    cache_of_texts: Any = LRUCache
    texts = cache_of_texts(1000)
    kind: Any = SQLiteDialect_pysqlite
    engine: Any = Engine
    begin = engine.__init__

    def with_shared_texts(self: Any, pool: Any, dialect: Any, *args: Any, **more: Any) -> None:  # noqa: ANN401
        begin(self, pool, dialect, *args, **more)
        if type(dialect) is kind:
            self._compiled_cache = texts

    def equal(self: Any, other: object) -> bool:  # noqa: ANN401
        return type(self) is type(other)

    def hashed(_: object) -> int:
        return hash(SQLiteDialect_pysqlite.__name__)

    kind.__eq__, kind.__hash__ = equal, hashed  # a text is looked up by the dialect, too
    engine.__init__ = with_shared_texts


def _share_command_lines() -> None:
    """Typer builds the parser of all commands for each call, 40 ms; it stays the same until a command is added."""
    make: Any = typer.main.get_command
    made: dict[tuple[int, int, int], Any] = {}

    def shared(app: Any) -> Any:  # noqa: ANN401 - as Typer has it
        key = (id(app), len(app.registered_commands), len(app.registered_groups))
        if key not in made:
            made[key] = (app, make(app))  # with the application, so that its id is not used again
        return made[key][1]

    setattr(typer.testing, "_get_command", shared)  # noqa: B010 - as above
    typer.main.get_command = shared


def _share_yaml() -> None:
    """The files of a company are read by most tests; parsing one takes 3 ms, and a copy a tenth of a millisecond."""
    kind: Any = YAML
    load = kind.load
    known: dict[str, bytes] = {}

    def shared(self: Any, stream: Any) -> Any:  # noqa: ANN401 - as ruamel.yaml has it
        if self.typ != ["safe"] or not isinstance(stream, str):
            return load(self, stream)
        if stream not in known:
            known[stream] = pickle.dumps(load(self, stream))
        return pickle.loads(known[stream])  # noqa: S301 - our own

    kind.load = shared
