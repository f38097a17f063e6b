"""A transaction pooler in front of a PostgreSQL server, as PgBouncer with `pool_mode = transaction` is one.

Each client gets one of a few sessions of the server for each transaction. Clients sign in without a password.

*Source:* PostgreSQL 18, 54.2 Message Flow and 54.7 Message Formats.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_ENDS_A_BATCH = {b"Q", b"S"}
"""Query and Sync: the server answers each with ReadyForQuery."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Pooler:
    """The sessions at the server, and the clients that use them in turn."""

    def __init__(self, socket: Path, *, sessions: int, oldest_first: bool) -> None:
        self._socket = socket
        self._limit = sessions
        self._oldest_first = oldest_first
        self._idle: list[Streams] = []
        self._made = 0
        self._greeting = b""
        self._freed = asyncio.Condition()
        self._open: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it leaves."""
        self._open.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            startup = await _startup(reader, writer)
            session = await self._take(startup)
            writer.write(self._greeting)
            await self._put(session)
            while True:
                await self._transaction(reader, writer, startup)
        writer.close()

    async def close(self) -> None:
        """Close every connection to clients and to the server."""
        for writer in self._open:
            writer.close()
        for writer in self._open:
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _transaction(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, startup: bytes) -> None:
        """Pass messages to one session until its transaction is over."""
        kind, message = await _message(reader)
        if kind == b"X":
            raise ConnectionResetError
        session = await self._take(startup)
        try:
            while True:
                session[1].write(message)
                if kind in _ENDS_A_BATCH and await _answers(session[0], writer) == b"I":
                    return
                kind, message = await _message(reader)
        finally:
            await self._put(session)

    async def _take(self, startup: bytes) -> Streams:
        async with self._freed:
            while not self._idle and self._made >= self._limit:
                await self._freed.wait()
            if self._idle:
                return self._idle.pop(0 if self._oldest_first else -1)
            self._made += 1
        session = await asyncio.open_unix_connection(self._socket)
        self._open.append(session[1])
        session[1].write(startup)
        self._greeting = await _greeting(session[0])
        return session

    async def _put(self, session: Streams) -> None:
        async with self._freed:
            self._idle.append(session)
            self._freed.notify()


async def _startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return the client's startup message, after declining encryption."""
    while True:
        head = await reader.readexactly(4)
        body = await reader.readexactly(struct.unpack("!I", head)[0] - 4)
        if struct.unpack("!I", body[:4])[0] not in {_SSL_REQUEST, _GSS_REQUEST}:
            return head + body
        writer.write(b"N")


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the kind of the next message, and the whole message."""
    kind, head = await reader.readexactly(1), await reader.readexactly(4)
    return kind, kind + head + await reader.readexactly(struct.unpack("!I", head)[0] - 4)


async def _greeting(reader: asyncio.StreamReader) -> bytes:
    """Return all that the server sends until it is ready for a query."""
    greeting = b""
    while True:
        kind, message = await _message(reader)
        greeting += message
        if kind == b"Z":
            return greeting


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Pass the server's answers on, and return the state of the transaction: `I` is none."""
    while True:
        kind, message = await _message(reader)
        writer.write(message)
        if kind == b"Z":
            return message[-1:]


@contextmanager
def transaction_pooler(socket: Path, *, sessions: int, oldest_first: bool = False) -> Generator[int]:
    """Yield the port of a pooler with so many sessions at the server that listens on `socket`."""
    ports: list[int] = []
    started, loop = threading.Event(), asyncio.new_event_loop()

    async def run() -> None:
        pooler = _Pooler(socket, sessions=sessions, oldest_first=oldest_first)
        server = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        try:
            await server.serve_forever()
        finally:
            await pooler.close()

    def work() -> None:
        asyncio.set_event_loop(loop)
        task = loop.create_task(run())
        stop.append(task)
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
        loop.close()

    stop: list[asyncio.Task[None]] = []
    thread = threading.Thread(target=work)
    thread.start()
    started.wait(60)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop[0].cancel)
        thread.join(60)
