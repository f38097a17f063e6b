"""The command line's requests end in time, however slowly the responder's address answers."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import suppress

import pytest

from allclear.cli.responder_client import request

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize("sent_at_once", [b"", HEAD[:20], HEAD, HEAD + b"{" * 50])
def test_an_answer_of_which_a_byte_comes_now_and_then_ends_in_time(sent_at_once: bytes) -> None:
    """The journal is then written directly; a time limit for each read would begin anew at every byte."""
    stop = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def trickle() -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.sendall(sent_at_once)
            while not stop.wait(0.01):
                connection.sendall(b" " if HEAD in sent_at_once else b"H")

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    try:
        with pytest.raises((OSError, http.client.HTTPException)):
            request(f"http://127.0.0.1:{server.getsockname()[1]}", "GET", "/healthz", None, {}, 0.3)
    finally:
        stop.set()
        thread.join(10)
        server.close()
