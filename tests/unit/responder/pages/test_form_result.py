"""What the page says after a form: what became of it, without commands to type."""

from __future__ import annotations

import pytest

from allclear.responder.pages.forms import without_commands


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "VS-1 is held. What people approve is still done. When it may go on: allclear release VS-1 --as NAME",
            "VS-1 is held. What people approve is still done.",
        ),
        (
            "Your answer does not count. VS-1/contain/roll-back is closed. Asked: allclear done VS-1/a/b --as NAME.",
            "Your answer does not count. VS-1/contain/roll-back is closed.",
        ),
        ("allclear show VS-1 says it.", "allclear show VS-1 says it."),
        ("Noted in VS-1.", "Noted in VS-1."),
    ],
)
def test_a_notice_has_no_command_to_type(said: str, shown: str) -> None:
    """The button is on the page already; a phone has no command line. A sentence that is nothing else stays."""
    assert without_commands(said) == shown
