"""Which switch of a service is meant: a feature flag or an item of Global Config, by its name or by its feature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from allclear.domain.action import News, ParamProblem
from allclear.domain.base import Candidate
from allclear.domain.errors import Refused


def offered_switches(known: Iterable[Mapping[str, str]], param: str, name: str) -> list[str] | None:
    """Return what a form offers for `param`: the names if it is `name`, the features, or None for another parameter.

    `known` are the switches of each service: name -> the feature that it switches.
    """
    if param == name:
        return sorted({switch for one in known for switch in one})
    if param == "feature":
        return sorted({feature for one in known for feature in one.values()})
    return None


def unknown_switch(
    known: Iterable[str], service: str, *, param: str, named: str, noun: str, key: str
) -> Iterator[ParamProblem]:
    """Yield that the service has no switch called `named` under `key` in systems.yaml; nothing if none is named."""
    if named and named not in (names := tuple(known)):
        sentence = f"The service {service} has no {noun} `{named}` in its `{key}`."
        yield ParamProblem(param=param, sentence=sentence, known=names, certain=False)


def meant_switch(known: Mapping[str, str], service: str, *, named: str, feature: str, noun: str, add: str) -> str:
    """Return the switch that is `named`, or else the only one of the feature.

    Raises Refused with the switches that there are; if there are none, `add` says where to add one.
    """
    by_feature = [switch for switch, switched in known.items() if feature and switched == feature]
    found = [named] if named else by_feature
    if len(found) == 1 and found[0] in known:
        return found[0]
    asked = f"is called {named}" if named else f"switches {feature}" if feature else ""
    raise Refused(
        f"No {noun} of {service} {asked}." if asked else f"No {noun} was named.",
        f"Name one of {', '.join(known)}." if known else add,
        tuple(Candidate(name=switch, reason=f"It switches: {switched}") for switch, switched in known.items()),
    )


def switched_news(what: str, state: str) -> News:
    """Return the news that another person has switched `what` since; `state` is how it is now, in words."""
    return News(key=f"switched:{state}", sentence=f"{what} was switched {state} since.", moved=True)


def switched_since(what: str, state: str) -> Refused:
    """Return the refusal to undo what another person has switched since; `state` is how it is now, in words."""
    return Refused(
        f"{what} was switched {state} since then.", "Find out who did it and why. Then set it by hand, or leave it."
    )
