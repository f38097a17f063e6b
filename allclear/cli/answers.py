"""Commands that answer a question: one for each word of `allclear.domain.approval.ANSWER_WORDS`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markdown import Markdown

from allclear.bootstrap import Engine, open_engine
from allclear.cli.outcome import PATIENCE, awaited, follow, responder_answers
from allclear.cli.remote_answers import answer_over_http, follow_over_http
from allclear.cli.responder_client import ResponderClient
from allclear.cli.root import (
    RESPOND,
    As,
    AsJson,
    Reason,
    Role,
    app,
    confirmed,
    engine_with_delivery,
    out,
    print_heading,
    print_json,
    print_line,
    run,
)
from allclear.cli.send import author, give, responder_or_none
from allclear.commands.close import FalseAlarm
from allclear.domain.answer_window import text_now
from allclear.domain.ask_state import AskState
from allclear.domain.base import utc_now
from allclear.domain.decisions import decision_for
from allclear.domain.errors import NotAllowed, NotFound, Refused
from allclear.domain.template_values import waiting
from allclear.domain.text import answer_commands, asked_words, plain

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
    if responder := responder_or_none(name, role):
        _answer_over_http(responder, word, given, reason, choice, as_json=as_json)
        return
    answered: list[str] = []

    async def work() -> str:
        async with engine_with_delivery() as engine:
            by = author(engine, name, role)
            state = _find(engine, word, given)
            decision = decision_for(state.ask, word, choice, engine.company.plan)
            if state.open and not (as_json and state.ask.id == given):
                _show(engine, state)
                named = _command(engine, state, word)
                if state.ask.id != given and not confirmed(f"{word.capitalize()}?", f"Name the question: {named}"):
                    return "Nothing was answered."
            sentence = engine.people.answer(decision.ask, by, yes=decision.yes, reason=reason, choice=decision.choice)
            result = await engine.manual.after_answer(decision.ask, by)
            if result is None or result.outcome is None:
                answered.append(decision.ask)
                return sentence
            if not result.outcome.good:
                raise Refused(f"{result.act}: {result.outcome.sentence}", result.outcome.next_step)
            return f"{sentence} {result.outcome.sentence}"

    sentence = run(work())
    if not as_json:
        print_line(sentence)
    for ask in answered:
        run(_print_outcome(ask, sentence, as_json=as_json))


def _answer_over_http(
    responder: ResponderClient, word: str, given: str | None, reason: str, choice: str | None, *, as_json: bool
) -> None:
    """Do the same through the responder. Raises Refused if a change that was approved was not done."""
    ask, sentence = answer_over_http(responder, word, given, reason, choice, quiet=as_json)
    if not as_json:
        print_line(sentence)
    followed = follow_over_http(responder, ask, PATIENCE) if ask else None
    act, incident = followed.act if followed else None, ask.partition("/")[0]
    if as_json:
        contained = followed.contained if followed else None
        named = act["id"] if act else None
        print_json({"ask": ask, "answer": sentence, "act": named, "outcome": act, "contained": contained})
    elif act and followed:
        print_line(act["sentence"] if act["ended"] else f"It has no outcome yet. Follow it: allclear show {incident}")
        print_line(f"{incident} is {'contained' if followed.contained else 'not contained'}.")
    if act and act["ended"] and not act["good"]:
        raise Refused(f"{act['id']}: {act['sentence']}", act["next_step"] or f"Read on: allclear show {incident}.")


async def _print_outcome(ask_id: str, answer: str, *, as_json: bool) -> None:
    """Wait for the outcome of a change that was approved, and print it. Raises Refused if the change was not done."""
    incident = ask_id.partition("/")[0]
    printed: dict[str, Any] = {"ask": ask_id, "answer": answer, "act": None, "outcome": None}
    async with open_engine() as engine:
        act = awaited(engine, ask_id)
        followed = None
        if act is not None:
            answers = await responder_answers(engine.settings.responder_url)
            if not as_json:
                print_line(f"Waiting for its outcome, {PATIENCE / 60:.0f} minutes at most …" if answers else _NOT_YET)
            followed = await follow(engine, incident, act.id, PATIENCE if answers else 0)
            printed |= {"act": act.id, "contained": followed.contained, "sentences": followed.sentences}
    outcome = followed.outcome if followed else None
    if as_json:
        print_json(printed | {"outcome": outcome.model_dump(mode="json") if outcome else None})
    elif followed:
        for sentence in followed.sentences:
            print_line(sentence)
        contained = f"{incident} is {'contained' if followed.contained else 'not contained'}."
        print_line(contained if outcome else f"It has no outcome yet. Follow it: allclear show {incident}")
    if outcome is not None and not outcome.good:
        next_step = outcome.next_step or f"Read on: allclear show {incident}."
        raise Refused(f"{act.id if act else ask_id}: {outcome.sentence}", next_step)


_NOT_YET = "No responder answers at ALLCLEAR_RESPONDER_URL, which carries out what is approved. Start it: allclear up"


def _find(engine: Engine, word: str, given: str | None) -> AskState:
    """Return the question with the id `given`, or the only one that waits for `word`, of one incident or of all."""
    if given and "/" in given:
        return engine.people.question(given)
    incidents = [engine.conductor.incident(given)] if given else list(engine.conductor.incidents())
    states = [state for incident in incidents for state in waiting(incident)]
    fitting = [state for state in states if word in state.ask.words]
    if len(fitting) == 1:
        return fitting[0]
    where = f"in {given}" if given else "in any incident"
    others = "\n".join(f"    {_command(engine, state, word)}" for state in fitting or states)
    if fitting:
        raise NotAllowed(f'{len(fitting)} questions {where} can be answered with "{word}".', f"Name one:\n{others}")
    nothing = f"Read on: allclear show {given}." if given else "List the incidents: allclear incidents."
    next_step = f"Waiting:\n{others}" if states else nothing
    raise NotFound(f'No question {where} waits for "{word}".', next_step)


def _command(engine: Engine, state: AskState, word: str) -> str:
    """Return the command that answers the question with `word`, or with yes if `word` does not answer it."""
    words, commands = state.ask.words, answer_commands(state.ask, engine.company.plan)
    return commands[words.index(word)] if word in words else commands[0]


def _show(engine: Engine, state: AskState) -> None:
    incident = engine.conductor.incident(state.ask.id.partition("/")[0])
    text = text_now(incident, state, utc_now(), engine.company.plan.zone)
    print_heading(f"{plain(state.ask.title)}  ({state.ask.id})")
    out.print(Markdown(text, hyperlinks=False))
    yes, no = state.ask.words
    print_line(f'"{yes}": {state.ask.yes}  "{no}": {state.ask.no}')
    print_line(f"Asked: {asked_words(state.ask.policy, engine.company.plan)}.")
