"""What one connection makes the responder parse is bounded before it is parsed."""

from __future__ import annotations

import h11
import pytest

from allclear.responder.connection_limits import BoundedParser, RefusedRequest

HEAD = b"POST /alerts/json HTTP/1.1\r\nHost: here\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def parsed(*received: bytes) -> tuple[int, str]:
    """Return how many events were parsed, and why parsing stopped; an empty reason if it did not."""
    parser, events = BoundedParser(h11.SERVER), 0
    try:
        for data in received:
            parser.receive_data(data)
            while parser.next_event() not in (h11.NEED_DATA, h11.PAUSED):
                events += 1
    except RefusedRequest as refused:
        return events, refused.status
    return events, ""


def test_four_hundred_thousand_chunks_are_not_parsed() -> None:
    """Parsing stops after as many pieces as a body may have, however many have arrived."""
    events, status = parsed(CHUNKED, b"1\r\nx\r\n" * 400_000)
    assert (events, status) == (1 + BoundedParser.max_pieces, "413 Content Too Large")


def test_a_body_that_drips_is_not_parsed_without_end() -> None:
    """Each part that arrives is a piece, with a length as well as with chunks."""
    events, status = parsed(HEAD + b"Content-Length: 5000\r\n\r\n", *[b"x"] * 5000)
    assert (events, status) == (1 + BoundedParser.max_pieces, "413 Content Too Large")


def test_an_ordinary_chunked_body_is_parsed() -> None:
    """Chunks of a kibibyte, and a chunk with an extension; the next request on the connection is counted anew."""
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    body = chunk * 900 + b"4;name=value\r\nabcd\r\n0\r\n\r\n"
    events, status = parsed(CHUNKED + body)
    assert (events > 900, status) == (True, "")
    parser = BoundedParser(h11.SERVER)
    for _ in range(3):
        parser.receive_data(CHUNKED + body)
        while parser.next_event() is not h11.NEED_DATA and parser.their_state is not h11.DONE:
            pass
        parser.send(h11.Response(status_code=202, headers=[("content-length", "0")]))
        parser.send(h11.EndOfMessage())
        parser.start_next_cycle()


def test_bytes_that_only_frame_a_body_are_bounded() -> None:
    """Long extensions of chunks are not part of the body, and count as bytes of the request."""
    size = BoundedParser.max_bytes // 8 + 1
    _, status = parsed(CHUNKED, *[b"1;" + b"e" * size + b"\r\nx\r\n"] * 8)
    assert status == "413 Content Too Large"


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /alerts/json HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_request_with_two_lengths_is_refused(head: bytes) -> None:
    """A proxy in front could see another end of the body, and so another next request."""
    assert parsed(head + b"0\r\n\r\n") == (0, "400 Bad Request")
