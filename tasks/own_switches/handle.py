"""What systems.yaml says of a switch of the company's own: how to look, how to set, how to undo, what proves it.

Everything that is sent stands there. A parameter of an act only names a service, a switch and one of its positions, so
that no text of an alert ever becomes a part of a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self, cast
from urllib.parse import quote, unquote

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    RootModel,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from allclear.domain.base import JsonBody, Model, Slug, is_blank, not_json, wrong_at
from allclear.domain.durations import Duration
from allclear.domain.systems import Misfit, System
from allclear.vendors.own_systems import OwnSystems

VALUE, POSITION = "{value}", "{position}"


def _value(value: object) -> object:
    if why := not_json(value):
        raise ValueError(why)
    return value


Value = Annotated[StrictBool | StrictInt | StrictFloat | StrictStr | None, AfterValidator(_value)]
"""What a system shows for a position: no lists and no objects."""
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_SECRET = re.compile(r"[?&][^=&]*(token|secret|passw|key|sig)[^=&]*=", re.IGNORECASE)
_SECRET_NAME = re.compile(r"token|secret|passw|key|sig|credential|auth", re.IGNORECASE)
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[^\s{}]{8,}|[^\s{}]{20,}")
"""A text as no one writes a setting: letters with digits, or very long, without a space or a placeholder."""
_KNOWN_SECRET = re.compile(
    r"\b(sk-|sk_live_|xox[a-z]-|gh[a-z]_|github_pat_|glpat-|AKIA[A-Z0-9]|ya29\.|SG\.|eyJ[\w-]+\.)"
    r"|-----BEGIN |^(Bearer|Basic) \S"
)
"""How well-known kinds of keys and tokens begin."""
_WHERE_SECRETS_GO = (
    "Take it out and change it, because a file was read by others. Name the variable that holds the new one under "
    "`secret` or `secrets` of the system `http`: it is sent in a header."
)
_LONGEST = timedelta(minutes=10)


def _path(text: str) -> str:
    """Return `text` if it is a path on the switch's own host."""
    bare = unquote(text.partition("?")[0])
    if not re.fullmatch(r"/[^\s#\\]*", text) or text.startswith("//") or not text.isprintable():
        msg = "it must be a path as /v1/mode: the host stands under `systems.http`"
        raise ValueError(msg)
    if any(part in (".", "..") for part in bare.split("/")):
        msg = "it must not go up with `..`"
        raise ValueError(msg)
    if _SECRET.search(text):
        msg = "it must hold no secret: name the variable under `systems.http`, whose secret goes into a header"
        raise ValueError(msg)
    return text


def _pointer(text: str) -> str:
    if not re.fullmatch(r"(/([^~/]|~[01])*)+", text):
        msg = "it must be a JSON pointer as /mode or /data/0/mode"
        raise ValueError(msg)
    return text


def _only_read(text: str) -> str:
    if _PLACEHOLDER.search(text):
        msg = "a path that is read is the same for every position, so nothing is filled into it"
        raise ValueError(msg)
    return text


def _line(text: str) -> str:
    if is_blank(text) or not text.isprintable():
        msg = "it must be one line of text"
        raise ValueError(msg)
    return text


def _takes(span: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= span <= _LONGEST:
        msg = "it must be from 1s to 10m"
        raise ValueError(msg)
    return span


Path = Annotated[str, Field(max_length=1_000), AfterValidator(_path)]
Line = Annotated[str, AfterValidator(_line)]
Host = Annotated[str | None, Field(description="One of `hosts` of the system `http`; that system if left out.")]


class Look(Model):
    """Where a value is read: with GET, as JSON."""

    host: Host = None
    path: Annotated[Path, AfterValidator(_only_read)] = Field(description="The path, as /v1/mode.")
    at: Annotated[str, AfterValidator(_pointer)] = Field(description="The JSON pointer to the value, as /mode.")


class Proof(Look):
    """Where the effect shows, if `look` only shows what was asked for."""

    positions: dict[Slug, Value] = Field(
        default={}, description="What the value is there in each position, if it is not as in the switch's own."
    )


class Write(Model):
    """One request that changes the switch. `{value}` and `{position}` stand for what it is set to."""

    host: Host = None
    method: Literal["PUT", "POST", "PATCH", "DELETE"] = Field(description="The HTTP method.")
    path: Path = Field(description="The path, as /v1/mode.")
    json_body: JsonBody | None = Field(default=None, alias="json", description="The JSON body, if any.")

    @property
    def texts(self) -> list[str]:
        """Return every text that may hold a placeholder."""
        return [self.path, *_texts(self.json_body)]

    def filled(self, position: str, value: Value) -> tuple[str, object]:
        """Return the path and the body for a position."""
        plain = "true" if value is True else "false" if value is False else "" if value is None else str(value)
        path = self.path.replace(VALUE, quote(plain, safe="")).replace(POSITION, quote(position, safe=""))
        return path, _filled(self.json_body, position, value, plain)


class OwnSwitch(Model):
    """One switch in a system of the company's own."""

    title: Line = Field(min_length=1, max_length=100, description="What people call it, as `Read-only mode`.")
    risk: Line = Field(min_length=1, max_length=500, description="What users notice when it is set, as a sentence.")
    positions: dict[Slug, Value] = Field(description="Each position, with the value that the system shows for it.")
    normal: Slug = Field(description="The position outside an incident.")
    look: Look = Field(description="How to see where it stands.")
    set: Write = Field(description="How it is set.")
    undo: Write | None = Field(default=None, description="How it is set back to normal, if not as it is set.")
    proof: Proof | None = Field(default=None, description="What proves the effect, if looking is not enough.")
    takes: Annotated[Duration, AfterValidator(_takes)] = Field(
        default=timedelta(seconds=30), description="How long it may take until it shows."
    )
    review_after: Duration = Field(
        default=timedelta(hours=4), description="When its owner is reminded that it is set, if the step does not say."
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        _check_positions(self)
        _check_writes(self)
        for name in self.proof.positions if self.proof else ():
            if name not in self.positions:
                raise wrong_at(("proof", "positions", name), "it is not one of the switch's positions")
        return self

    def position_of(self, value: object, shown: Mapping[str, Value] | None = None) -> str:
        """Return the position that a value shows; empty if it is none of them."""
        values = {**self.positions, **(shown or {})}
        return next((name for name, known in values.items() if _same(known, value)), "")

    def write_to(self, position: str) -> tuple[Write, str, object]:
        """Return the request that sets it to `position`: the write, its path and its body."""
        write = self.undo if self.undo and position == self.normal else self.set
        path, body = write.filled(position, self.positions[position])
        return write, path, body


class SwitchesHandle(RootModel[dict[Slug, OwnSwitch]]):
    """Its switches in systems of the company's own, each by a short name."""

    model_config = ConfigDict(frozen=True)
    key: ClassVar[str] = "switches"

    def misfits(self, systems: Mapping[str, System]) -> Iterator[Misfit]:
        """Yield hosts that the system `http` does not have."""
        http = systems.get(OwnSystems.system)
        if http is None:
            sentence = "There is no system `http`, in which the switches are."
            yield Misfit((), sentence, "Add `http` under `systems` with its `endpoint` and its `secret`.")
            return
        known = OwnSystems.further_secrets_of(http)
        for name, switch in self.root.items():
            parts = {"look": switch.look, "set": switch.set, "undo": switch.undo, "proof": switch.proof}
            for part, request in parts.items():
                if request is not None and request.host is not None and request.host not in known:
                    sentence = f"The system `http` has no host `{request.host}`."
                    step = f"There are: {', '.join(known) or 'none'}. Correct it, or add it under `hosts`."
                    yield Misfit((name, part, "host"), sentence, step)


def _check_positions(switch: OwnSwitch) -> None:
    if len(switch.positions) < 2:  # noqa: PLR2004 - on and off
        raise wrong_at(("positions",), "a switch has two positions or more")
    if switch.normal not in switch.positions:
        known = ", ".join(switch.positions)
        raise wrong_at(("normal",), f"`{switch.normal}` is not one of its positions", f"Write one of: {known}.")
    for values, place in (
        (switch.positions, ("positions",)),
        ({**switch.positions, **switch.proof.positions} if switch.proof else {}, ("proof", "positions")),
    ):
        names = list(values)
        for index, name in enumerate(names):
            if any(_same(values[name], values[other]) for other in names[:index]):
                raise wrong_at((*place, name), "another position shows the same value")


def _check_writes(switch: OwnSwitch) -> None:
    for name, write in (("set", switch.set), ("undo", switch.undo)):
        for text in write.texts if write else ():
            for found in _PLACEHOLDER.findall(text):
                if found not in (VALUE, POSITION):
                    sentence = f"`{found}` is neither `{VALUE}` nor `{POSITION}`"
                    raise wrong_at((name,), sentence, "Nothing else is filled in.")
        for position in switch.positions if write else ():
            if write and (why := _wrong_path(write, position, switch.positions[position])):
                raise wrong_at((name, "path"), f"with the position {position}: {why}")
        if write and any(_PLACEHOLDER.search(key) for key in _keys(write.json_body)):
            raise wrong_at((name, "json"), "a placeholder stands in a key: only values are filled in")
        if write and (place := _place_of_secret(write.json_body)):
            sentence = "it looks like a secret, and systems.yaml must hold none"
            raise wrong_at((name, "json", *place), sentence, _WHERE_SECRETS_GO)
    variable = any(one in text for text in switch.set.texts for one in (VALUE, POSITION))
    if not variable and (switch.undo is None or len(switch.positions) > 2):  # noqa: PLR2004 - on and off
        sentence = f"it is the same for every position: it holds neither `{VALUE}` nor `{POSITION}`"
        raise wrong_at(("set",), sentence, "Add one, or add `undo`, the request that sets it back to normal.")


def _wrong_path(write: Write, position: str, value: Value) -> str:
    """Return why a position makes no path; empty if it makes one."""
    if VALUE in write.path and value in (None, ""):
        return "it has no text for its path"
    try:
        _path(write.filled(position, value)[0])
    except ValueError as error:
        return str(error)
    return ""


def _place_of_secret(body: object) -> tuple[str | int, ...]:
    """Return the keys that lead to a text of a body that looks like a secret; empty if there is none.

    A text does so by its form, or by its form and the name of its field: `{"password": "disabled"}` is a setting.
    """
    for place, text in _placed_texts(body):
        name = next((one for one in reversed(place) if isinstance(one, str)), "")
        if _KNOWN_SECRET.search(text) or (_SECRET_NAME.search(name) and _RANDOM.fullmatch(text)):
            return place
    return ()


def _placed_texts(part: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield each text of a body with the keys that lead to it."""
    if isinstance(part, str):
        yield place, part
    elif isinstance(part, dict):
        for key, one in cast("dict[str, object]", part).items():
            yield from _placed_texts(one, (*place, key))
    elif isinstance(part, list):
        for index, one in enumerate(cast("list[object]", part)):
            yield from _placed_texts(one, (*place, index))


def _keys(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for key, one in cast("dict[str, object]", part).items():
            yield key
            yield from _keys(one)
    elif isinstance(part, list):
        yield from (key for one in cast("list[object]", part) for key in _keys(one))


def _same(known: object, seen: object) -> bool:
    """Return whether two JSON values are equal; in Python, true would be 1."""
    return isinstance(known, bool) == isinstance(seen, bool) and known == seen


def _texts(part: object) -> Iterator[str]:
    yield from (text for _, text in _placed_texts(part))


def _filled(part: object, position: str, value: Value, plain: str) -> object:
    if isinstance(part, dict):
        return {key: _filled(one, position, value, plain) for key, one in cast("dict[str, object]", part).items()}
    if isinstance(part, list):
        return [_filled(one, position, value, plain) for one in cast("list[object]", part)]
    if part == VALUE:
        return value
    return part.replace(VALUE, plain).replace(POSITION, position) if isinstance(part, str) else part
