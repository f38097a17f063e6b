"""Answering a question through the responder: it is found, shown and answered as it is with the journal at hand."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from rich.markdown import Markdown

from allclear.cli.responder_client import ResponderClient
from allclear.cli.root import confirmed, out, print_heading, print_line
from allclear.cli.send import over_http
from allclear.commands.answers import Answer
from allclear.domain.errors import NotAllowed, NotFound

_POLL = 0.5
"""Seconds between two questions about an outcome."""


@dataclass(frozen=True)
class Followed:
    """An act that a person has approved, as `GET /incidents/{id}` has it, and whether its incident is contained."""

    act: dict[str, Any]
    contained: bool


Question = dict[str, Any]
"""A question as `GET /incidents/{id}` has it."""


def answer_over_http(
    responder: ResponderClient, word: str, given: str | None, reason: str, choice: str | None, *, quiet: bool = False
) -> tuple[str, str]:
    """Give the answer `word` to the question that `given` names; return its id and the sentence. Raises AllclearError.

    The question is shown first. An answer binds to the change that was shown.
    """
    question = _find(responder, word, given)
    if question is None:  # it is closed: the responder says why, and what is asked now
        ask, digest = str(given), None
    else:
        ask, digest = str(question["id"]), question["digest"]
        if not (quiet and ask == given):
            _show(question)
        instead = f"Name the question: {_command(question, word)}"
        if ask != given and not confirmed(f"{word.capitalize()}?", instead):
            return "", "Nothing was answered."
    command = Answer(ask=ask, word=word, reason=reason, choice=choice, digest=digest)
    return ask, over_http(responder, command, ask.partition("/")[0])


def follow_over_http(responder: ResponderClient, ask: str, patience: float) -> Followed | None:
    """Wait for the outcome of the change that `ask` has approved, for at most `patience` seconds.

    None if the question is about no change, if it needs more approvals or was denied, and for an act by hand, which is
    carried out before the answer.
    """
    incident, end = ask.partition("/")[0], time.monotonic() + patience
    while True:
        details = responder.get(f"/incidents/{quote(incident, safe='')}")
        act = next((act for act in details["acts"] if ask in act["asks"]), None)
        if act is None or act["id"].startswith("manual/") or act["status"] == "rejected":
            return None
        if any(question["id"] == ask for question in details["open_asks"]):
            return None
        if act["ended"] or time.monotonic() >= end:
            return Followed(act, contained=details["contained_at"] is not None)
        time.sleep(_POLL)


def _find(responder: ResponderClient, word: str, given: str | None) -> Question | None:
    """Return the question with the id `given`, or the only one that waits for `word`, of one incident or of all.

    None if `given` names one that does not wait.
    """
    if given:
        ids = [given.partition("/")[0]]
    else:
        ids = [str(row["id"]) for row in responder.get("/incidents?open=true&limit=200") if row["open_asks"]]
    asked: list[Question] = []
    for incident in ids:
        asked += responder.get(f"/incidents/{quote(incident, safe='')}")["open_asks"]
    if given and "/" in given:
        return next((question for question in asked if question["id"] == given), None)
    fitting = [question for question in asked if word in question["words"]]
    if len(fitting) == 1:
        return fitting[0]
    where = f"in {given}" if given else "in any incident"
    others = "\n".join(f"    {_command(question, word)}" for question in fitting or asked)
    if fitting:
        raise NotAllowed(f'{len(fitting)} questions {where} can be answered with "{word}".', f"Name one:\n{others}")
    nothing = f"Read on: allclear show {given}." if given else "List the incidents: allclear incidents."
    raise NotFound(f'No question {where} waits for "{word}".', f"Waiting:\n{others}" if asked else nothing)


def _command(question: Question, word: str) -> str:
    """Return the command that answers the question with `word`, or with yes if `word` does not answer it."""
    words = list(question["words"])
    return str(question["commands"][words.index(word) if word in words else 0])


def _show(question: Question) -> None:
    print_heading(f"{question['title']}  ({question['id']})")
    out.print(Markdown(question["text"], hyperlinks=False))
    yes, no = question["words"]
    print_line(f'"{yes}": {question["yes"]}  "{no}": {question["no"]}')
    print_line(f"Asked: {question['asked']}.")
