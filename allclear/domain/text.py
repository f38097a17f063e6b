"""Words that sentences, messages and documents share, and how text from outside is made safe.

Titles of alerts, notes and names come from outside and are not trusted. `plain` puts them on one line, without control
characters and of a limited length; `markdown_safe` does the same for documents and artifacts.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Callable, Sequence
from typing import cast

from allclear.domain.approval import ApprovalPolicy, Ask, AskKind, command_of
from allclear.domain.base import JsonDict
from allclear.domain.plan import Plan

SHORT, LONG = 160, 1000
"""Characters of a title, and of what a person writes."""

WHOLE = 30_000
"""Characters of a change that a person approves: all of the longest text that a status page takes."""

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-~]"
)
# Control and format characters (bidi overrides, zero width), lone surrogates, private use.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co"})
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are shown as nothing: fillers of Hangul, and the empty pattern of Braille."""
_MARKUP = re.compile(
    r"""
      [\\`|]                               # an escape, code, the end of a table's cell
    | (?<!\s)\*|\*(?!\s)                   # emphasis, unless spaces are on both sides
    | (?<![^\W_])_                         # the beginning of emphasis, which its end alone is not: empty_
    | ^\#(?=\s)|\#(?=[\d#])|\#$            # a heading, its end, the number of an issue: not #incidents
    | ^\[(?=[ xX]\])|\[(?=[\[^])           # a box to tick, a footnote, a wiki's link
    | \](?=[(\[:]|$)                       # the text of a link, or what a definition of one defines
    | ^>                                   # a quotation
    | (?i:(?<=www)\.)|:(?=//)              # an address that would become a link
    """,
    re.VERBOSE,
)
"""The signs that are markup where they stand. The others stay as they are, so that the text can be read unrendered."""
_END_OF_ITALICS = re.compile(r"(?<=[^\W_])_(?![^\W_])")
_PAIRED = re.compile(r"[~$]")
"""Signs that are markup only in pairs: ~~deleted~~, $formula$."""
_ENTITY = re.compile(r"&(?=#|\w+;)")
_LINE_START = re.compile(r"^(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[-+=*]))")
_MEANINGLESS = frozenset({"etag"})
"""Fields of a state that differ after every write and mean nothing to a reader."""


class _Visible(dict[int, "int | str | None"]):
    """Code point -> what `plain` makes of it: itself, a space, or None for nothing. The usual ones are remembered."""

    _MOST = 4096

    def __missing__(self, code: int) -> int | str | None:
        sign = chr(code)
        kept = None if unicodedata.category(sign) in _INVISIBLE else code
        seen = " " if sign.isspace() else kept
        if len(self) < self._MOST:
            self[code] = seen
        return seen


_VISIBLE = _Visible()


def plain(text: str, limit: int = SHORT) -> str:
    """Return `text` on one line, without terminal escapes and invisible characters, `limit` characters at most."""
    if not (text.isascii() and text.isprintable()):
        text = _ESCAPES.sub("", text[: limit * 20]).translate(_VISIBLE)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def printable(text: str) -> str:
    """Return `text` with its lines and spaces, without terminal escapes and other invisible characters."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        sign for sign in _ESCAPES.sub("", text) if sign in "\n\t" or unicodedata.category(sign) not in _INVISIBLE
    )


def is_visible(text: str) -> bool:
    """Return whether a reader sees anything of `text`: a letter, a digit, punctuation or a symbol that is not blank."""
    return any(unicodedata.category(sign)[0] in "LNPS" and sign not in _BLANK for sign in text)


def markdown_safe(text: str, limit: int = LONG) -> str:
    """Return `plain(text)` so that Markdown shows it as it is: no markup, no HTML, no link, no table cell ends."""
    escaped = _MARKUP.sub(r"\\\g<0>", _ENTITY.sub("&amp;", plain(text, limit)))
    if escaped.count("~") > 1 or escaped.count("$") > 1:
        escaped = _PAIRED.sub(r"\\\g<0>", escaped)
    return _LINE_START.sub(r"\1\\", escaped.replace("<", "&lt;"))


def emphasised(safe: str) -> str:
    """Return a text that `markdown_safe` returned in italics; a sign in it that could end them is escaped."""
    escaped = _END_OF_ITALICS.sub(r"\\_", safe)
    return f"_{escaped}_"


def differences(
    before: JsonDict, after: JsonDict, safe: Callable[[str], str] = markdown_safe
) -> list[tuple[str, str, str]]:
    """Return the fields that differ, as (name, before, after) in words, each made safe by `safe`."""
    return [
        (safe(key.replace("_", " ")), safe(value_words(before.get(key))), safe(value_words(after.get(key))))
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key) and key not in _MEANINGLESS
    ]


def change_rows(change: JsonDict, safe: Callable[[str], str] = markdown_safe) -> list[tuple[str, str, str]]:
    """Return a change of the journal as (name, before, after); in the action's own words if it has any."""
    if change.get("was") or change.get("becomes"):
        return [("", safe(str(change.get("was") or "")), safe(str(change.get("becomes") or "")))]
    return differences(change.get("before") or {}, change.get("after") or {}, safe)


def value_words(value: object) -> str:
    """Return a value of a state as a person reads it: `yes`, `nothing`, `latest 100`."""
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value)
        return ", ".join(f"{key.replace('_', ' ')} {value_words(item)}" for key, item in pairs.items())
    if isinstance(value, list):
        return "; ".join(value_words(item) for item in cast("list[object]", value))
    return plain(str(value))


_COUNTS = ("", "", "two of ", "three of ", "four of ", "five of ")


def role_words(role: str, plan: Plan | None = None) -> str:
    """Return a role within a sentence: as the plan writes it, whatever its language, or else `tech lead`, `CTO`."""
    if plan and role in plan.roles:
        words = [plan.role_title(role)]
    elif role == "on_call":
        words = ["on-call"]
    else:
        # The plan has no title for it, so a word of up to three letters is taken for an abbreviation (CTO, CEO).
        words = [word.upper() if len(word) <= 3 else word for word in role.split("_")]  # noqa: PLR2004
    return plain(" ".join(words), 60)


def asked_words(policy: ApprovalPolicy, plan: Plan | None = None) -> str:
    """Return who is asked: `tech lead or CTO`, `two of on-call, tech lead or CTO`."""
    roles = [role_words(role, plan) for role in policy.roles]
    either = enumerated(roles, "or")
    return _COUNTS[policy.people] + either


AS_NAME = "--as NAME"
"""How a printed command says who gives it, if the plan names the people."""


def signature(plan: Plan | None, *roles: str) -> str:
    """Return the options by which a command says who gives it, in one of `roles` or, without them, in any role.

    A name that the plan does not have needs `--role`, so the option is there if the plan names no one for the roles.
    """
    asked = roles or tuple(plan.roles) if plan else ()
    if plan is None or any(plan.holders(role) for role in asked):
        return AS_NAME
    role = next((role for role in (*roles, "on_call") if role in plan.roles), next(iter(plan.roles)))
    return f"{AS_NAME} --role {role}"


def answer_commands(ask: Ask, plan: Plan | None = None) -> tuple[str, str]:
    """Return the commands that answer `ask` with yes and with no; with `--role` if the plan names no person for it.

    What a person has to choose is a word in capitals, whose values follow in parentheses.
    """
    yes, no = (command_of(word) for word in ask.words)
    blank = "VALUE" if ask.asks_fact else "CANDIDATE" if ask.kind is AskKind.CHOICE else ""
    names = enumerated([plain(one.name, 60) for one in ask.choices], "or")
    which, meant = f" {blank}" if blank else "", f" ({blank} is {names})" if blank and names else ""
    who = f" {signature(plan, *ask.policy.roles)}"
    why_yes, why_no = (' --reason "..."' if ask.reason_needed(yes=given) else "" for given in (True, False))
    return f"allclear {yes} {plain(ask.id)}{which}{who}{why_yes}{meant}", f"allclear {no} {plain(ask.id)}{who}{why_no}"


def with_proof(command: str, policy: ApprovalPolicy) -> str:
    """Return a command that answers; if the answer needs proof of who gives it, with what proves it."""
    return f"{command} (with your token in ALLCLEAR_TOKEN)" if policy.needs_proof else command


def must_answer(ask: Ask, plan: Plan | None = None) -> str:
    """Return who must answer `ask`, and the commands: `Tech Lead or CTO must answer: allclear approve …`."""
    yes, no = answer_commands(ask, plan)
    return f"{asked_words(ask.policy, plan)} must answer: {yes} or: {no}"


def shell_word(text: str) -> str:
    """Return `text` as one argument of a command."""
    return shlex.quote(plain(text))


def bare(text: str, limit: int = LONG) -> str:
    """Return `plain(text)` without the full stop at its end."""
    return plain(text, limit).rstrip(" .")


def enumerated(names: Sequence[str], word: str = "and") -> str:
    """Return the names as a sentence has them: `a`, `a and b`, or `a, b and c`; empty for none."""
    return f" {word} ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def with_full_stop(text: str) -> str:
    """Return `text` with a full stop, unless it ends as a sentence does."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def as_sentence(words: str) -> str:
    """Return `words` with a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."
