"""Hostile texts and values, and the samples of all alert sources with these in them."""

from __future__ import annotations

import json
import random

from tests.unit.responder.sources.sources_support import EVERY, places, put, request_of

CANARY = "Zitronenfalter"
"""A word in all hostile texts, which must not appear where only texts of ours are allowed."""

PREFECT_BLOCK = {
    "__prefect_kind": "jinja",
    "template": "{{ [].__class__.__base__.__subclasses__() }} " + CANARY,
    "value": {"__prefect_kind": "workspace_variable", "variable_name": CANARY},
}
TRICKS = [
    "\x1b[31m",
    "\x1b]0;owned\x07",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\r\n",
    "\x00",
    "\ud800",
    "\U000e0041",
    "<!channel>",
    "<!here|x>",
    "<@U1>",
    "<https://evil.example|click>",
    "*bold*",
    "~x~",
    "`code`",
    "&amp;",
    "&lt;b&gt;",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "| a | b |",
    "\n# Heading",
    "{{ flow_run.name }}",
    "{% for i in range(10**9) %}{% endfor %}",
    "{title}",
    "{t_internal_alert}",
    "${jndi:ldap://x}",
    "'; DROP TABLE entries; --",
    "../../etc/passwd",
    "%s%n",
    "[red]",
    CANARY,
]


def odd(dice: random.Random) -> object:
    """Return a value that a body can have in place of the documented one."""
    tricks = "".join(dice.sample(TRICKS, dice.randint(1, 4)))
    return dice.choice(
        [
            tricks,
            tricks,
            PREFECT_BLOCK,
            [PREFECT_BLOCK],
            {tricks: tricks},
            {"a": {"b": PREFECT_BLOCK}},
            None,
            True,
            -1,
            10**30,
            1e308,
            [],
            {},
            "",
            "x" * 3000,
            ["firing"],
            {"status": "firing"},
            "0001-01-01",
            "resolved",
        ]
    )


BODIES = {case: json.loads(request_of(*case).body) for case in EVERY if case[0] != "statuscake"}
PLACES = {case: places(body) for case, body in BODIES.items()}


def mutated(case: tuple[str, str], dice: random.Random) -> bytes:
    """Return a sample's body with changes that its vendor would never make."""
    raw = bytearray(request_of(*case).body)
    if case in BODIES and dice.random() < 0.7:
        body = BODIES[case]
        for _ in range(dice.randint(1, 3)):
            place = dice.choice(PLACES[case])
            try:
                body = put(body, place, odd(dice))
            except (KeyError, IndexError, TypeError, ValueError):  # an earlier change removed the place
                continue
        return json.dumps(body).encode()
    for _ in range(dice.randint(1, 5)):
        at = dice.randrange(len(raw) + 1)
        new = dice.choice(
            [b"", b"\x00", b"\xff", b"{", b'"', b"]", b"\\ud800", dice.choice(TRICKS).encode(errors="replace")]
        )
        raw[at : at + dice.randrange(6)] = new
    return bytes(raw)
