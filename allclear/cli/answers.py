"""Commands that answer a question: one for each word of `allclear.domain.approval.ANSWER_WORDS`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markdown import Markdown

from allclear.cli.answering import find_question, print_outcome
from allclear.cli.root import (
    RESPOND,
    As,
    AsJson,
    Reason,
    Role,
    app,
    confirmed,
    out,
    print_heading,
    print_line,
    run,
)
from allclear.cli.send import give, sender
from allclear.commands.answers import Answer
from allclear.commands.close import FalseAlarm
from allclear.commands.questions import QuestionView

AskId = Annotated[
    str | None,
    typer.Argument(
        metavar="[ASK]",
        help="The question's id, as VS-12/contain/roll-back. VS-12, or nothing, is enough if one question waits.",
        show_default=False,
    ),
]


@app.command(rich_help_panel=RESPOND)
def approve(
    ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "", as_json: AsJson = False
) -> None:
    """Approve a change. It is shown, carried out at once and verified; the outcome is printed.

    The exit code is 6 if the change was not done.
    """
    _answer("approve", ask, name, role, reason, as_json=as_json)


@app.command(rich_help_panel=RESPOND)
def deny(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Deny a change. It is not done, and the runbook goes on without it."""
    _answer("deny", ask, name, role, reason)


@app.command(rich_help_panel=RESPOND)
def done(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Report that you have done a step, with a note of what you did."""
    _answer("done", ask, name, role, reason)


@app.command("not-done", rich_help_panel=RESPOND)
def not_done(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Report that a step cannot be done or need not be done, with a note of why. The runbook goes on."""
    _answer("not done", ask, name, role, reason)


@app.command(rich_help_panel=RESPOND)
def contained(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Confirm that the incident is contained, with a note of how you know."""
    _answer("contained", ask, name, role, reason)


@app.command("not-contained", rich_help_panel=RESPOND)
def not_contained(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Report that the incident is not contained, with a note of how you know. The response goes on."""
    _answer("not contained", ask, name, role, reason)


@app.command(rich_help_panel=RESPOND)
def close(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Answer that the incident is over. It ends as soon as no change is in place any more."""
    _answer("close", ask, name, role, reason)


@app.command("keep-open", rich_help_panel=RESPOND)
def keep_open(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Answer that the incident is not over. The response goes on."""
    _answer("keep open", ask, name, role, reason)


@app.command(rich_help_panel=RESPOND)
def choose(
    ask: Annotated[str, typer.Argument(metavar="ASK", help="The question's id, as VS-12/contain/roll-back-choice.")],
    candidate: Annotated[str, typer.Argument(help="One of the candidates that the question lists.")],
    name: As = None,
    role: Role = None,
    reason: Reason = "",
) -> None:
    """Choose one of the candidates that a question lists. The change to it is then put to you for approval."""
    _answer("choose", ask, name, role, reason, candidate)


@app.command("none-of-them", rich_help_panel=RESPOND)
def none_of_them(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Choose none of the candidates that a question lists. The runbook goes on without it."""
    _answer("none of them", ask, name, role, reason)


@app.command(rich_help_panel=RESPOND)
def answer(
    ask: Annotated[str, typer.Argument(metavar="ASK", help="The question's id, as VS-12/fact/customer_facing.")],
    value: Annotated[str, typer.Argument(help="What is true, as the question lists it: yes, no or another value.")],
    name: As = None,
    role: Role = None,
    reason: Reason = "",
) -> None:
    """Answer the question for a fact. Everyone who is due because of the answer is notified at once."""
    _answer("answer", ask, name, role, reason, value)


@app.command("not-known-yet", rich_help_panel=RESPOND)
def not_known_yet(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Answer that a fact is not known yet. It then counts as a match when the time to answer is over."""
    _answer("not known yet", ask, name, role, reason)


@app.command("try-again", rich_help_panel=RESPOND)
def try_again(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Try again what did not succeed: a health check, or an undo."""
    _answer("try again", ask, name, role, reason)


@app.command("go-on", rich_help_panel=RESPOND)
def go_on(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Go on without what did not succeed: a health check, or an undo."""
    _answer("go on", ask, name, role, reason)


@app.command(rich_help_panel=RESPOND)
def real(ask: AskId = None, name: As = None, role: Role = None, reason: Reason = "") -> None:
    """Say that the trouble is real although the service looks healthy. The response goes on."""
    _answer("real", ask, name, role, reason)


@app.command("false-alarm", rich_help_panel=RESPOND)
def false_alarm(
    incident: Annotated[
        str | None,
        typer.Argument(
            metavar="[INCIDENT or ASK]",
            help="The incident, as VS-12, or the question whether it is one. Nothing is enough if one question waits.",
            show_default=False,
        ),
    ] = None,
    name: As = None,
    role: Role = None,
    reason: Reason = "",
) -> None:
    """End an incident as a false alarm: there was no trouble."""
    if incident is None or "/" in incident:
        _answer("false alarm", incident, name, role, reason)
        return

    give(FalseAlarm(reason=reason), incident, name, role)


def _answer(  # noqa: PLR0913 - what a person may say
    word: str,
    given: str | None,
    name: str | None,
    role: str | None,
    reason: str,
    choice: str | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Give the answer `word` to the question that `given` names, and print what became of it."""

    async def work() -> None:
        async with sender(name, role) as to:
            question = await find_question(to, word, given)
            ask = question.id if question else str(given)
            if question and not (as_json and ask == given):
                _show(question)
            instead = f"Name the question: {question.command(word)}" if question else ""
            if ask != given and not confirmed(f"{word.capitalize()}?", instead):
                print_line("Nothing was answered.")
                return
            digest = question.digest if question else None  # a closed question is refused, with what is asked now
            command = Answer(ask=ask, word=word, reason=reason, choice=choice, digest=digest)
            sentence = await to.carry_out(command, ask.partition("/")[0])
            if not as_json:
                print_line(sentence)
            await print_outcome(to, ask, sentence, as_json=as_json)

    run(work())


def _show(question: QuestionView) -> None:
    print_heading(f"{question.title}  ({question.id})")
    out.print(Markdown(question.text, hyperlinks=False))
    yes, no = question.words
    print_line(f'"{yes}": {question.yes}  "{no}": {question.no}')
    print_line(f"Asked: {question.asked}.")
