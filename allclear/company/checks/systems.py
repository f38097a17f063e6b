"""Checks a company's systems: those that the runbooks need exist, and their clients know the options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from pydantic import BaseModel, ValidationError

from allclear.company.capabilities import Capabilities
from allclear.company.checks.placeholders import texts
from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import SYSTEMS, Draft
from allclear.company.used_systems import calls_of, needs_of, steps_of
from allclear.company.validation_errors import validation_problems
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.action import Client
from allclear.domain.plan import is_blank
from allclear.domain.systems import Misfit, System

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_BLANK = re.compile(r"YOUR[A-Z0-9_-]*[A-Z]|\byour-[a-z0-9-]*[a-z0-9]")


def check_systems(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield systems that are missing or unused, options that a client does not know, and blanks."""
    if draft.systems is None:
        return
    yield from _missing(draft, capabilities)
    file, clients = draft.files[SYSTEMS], _clients(capabilities)
    for name, system in draft.systems.systems.items():
        place = ("systems", name)
        if name not in clients:
            yield file.warning(place, f"No action or probe uses the system `{name}`.", suggestion(name, clients))
        else:
            yield from _options(file, name, system, clients[name])
            yield from _misfits(file, place, clients[name], system)
        if system.secret is not None and not _VARIABLE.fullmatch(system.secret):
            # The value is not repeated, because it may be the secret itself.
            yield file.error(
                (*place, "secret"),
                "`secret` is not the name of an environment variable.",
                "Write a name in capital letters, and put the secret into that variable.",
            )
        yield from _further_secrets(file, name, system, clients.get(name))
        yield from _blanks(file, texts(system.model_dump(exclude={"secret", "secrets"}), place))
    for name, service in draft.systems.services.items():
        yield from _blanks(file, texts(service.model_dump(mode="json"), ("services", name)))
        for key in type(service).model_fields:
            yield from _misfits(file, ("services", name, key), getattr(service, key), draft.systems.systems)


def _misfits(file: YamlFile, place: Place, checked: object, against: object) -> Iterator[Diagnostic]:
    """Yield what a client's class says of its system, or a handle of the systems, if it has `misfits`."""
    misfits: Callable[[object], Iterable[Misfit]] | None = getattr(checked, "misfits", None)
    for found in misfits(against) if misfits else ():
        yield file.error((*place, *found.place), found.sentence, found.next_step)


def _further_secrets(file: YamlFile, name: str, system: System, client: type[Client] | None) -> Iterator[Diagnostic]:
    """Yield further secrets that the client does not have, and values that are no name of a variable."""
    ask: Callable[[System], Mapping[str, str]] | None = getattr(client, "further_secrets_of", None)
    known: dict[str, str] = dict(ask(system) if ask else getattr(client, "further_secrets", {}))
    for secret, variable in system.secrets.items():
        place = ("systems", name, "secrets", secret)
        if client is not None and secret not in known:
            next_step = suggestion(secret, known) if known else "Remove it."
            yield file.error(place, f"The system `{name}` has no further secret `{secret}`.", next_step)
        if not _VARIABLE.fullmatch(variable):
            yield file.error(
                place,
                f"`{secret}` is not the name of an environment variable.",
                "Write a name in capital letters, and put the secret into that variable.",
            )


def _blanks(file: YamlFile, values: Iterable[tuple[Place, str]]) -> Iterator[Diagnostic]:
    for place, text in values:
        match = _BLANK.search(text)
        if match or is_blank(text):
            blank = match.group() if match else text
            yield file.warning(place, f"`{place[-1]}` still contains the blank `{blank}`.", "Fill it in.")


def _options(file: YamlFile, name: str, system: System, client: type[Client]) -> Iterator[Diagnostic]:
    """Yield the options that the client's model in its class attribute `options` refuses.

    A client without that attribute checks its options only when it is made.
    """
    model: object = getattr(client, "options", None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return
    try:
        model.model_validate(system.options)
    except ValidationError as error:
        for problem in validation_problems(error, model):
            sentence = f"The system `{name}`: {problem.sentence}"
            yield file.error(("systems", name, *problem.place), sentence, problem.next_step)


def _clients(capabilities: Capabilities) -> dict[str, type[Client]]:
    every = [*capabilities.actions.values(), *capabilities.probes.values()]
    return {client.system: client for kind in every for client in (*kind.needs, *kind.uses)}


def _missing(draft: Draft, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Yield each system that is missing once, with all actions and probes that need it."""
    if draft.systems is None:
        return
    needs: dict[str, list[str]] = {}
    for runbook in draft.runbooks.values():
        for name, params in steps_of(runbook):
            kind = capabilities.actions.get(name) or capabilities.probes.get(name)
            for client in needs_of(kind, params, runbook.service, draft.systems) if kind else ():
                needs.setdefault(client.system, []).append(name)
    for call in calls_of(draft.plan) if draft.plan else ():
        kind = capabilities.actions.get(call.action)
        for client in kind.needs if kind else ():
            needs.setdefault(client.system, []).append(call.action)
    for system, users in needs.items():
        if system not in draft.systems.systems:
            yield draft.files[SYSTEMS].error(
                ("systems",),
                f"There is no system `{system}`, which {', '.join(dict.fromkeys(users))} needs.",
                f"Add `{system}` under `systems` with its `endpoint`.",
            )
