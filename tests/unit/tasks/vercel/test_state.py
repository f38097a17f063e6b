"""Which deployment of Vercel served before: deployments of the same time are a doubt, and people choose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from allclear.domain.errors import Refused
from allclear.vendors.vercel import Deployment
from tasks.vercel.state import HostingState, choose_newest, choose_previous

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def made(name: str, hours: int, *, staged: bool = False) -> Deployment:
    """Return a deployment that is ready and was made so many hours ago."""
    return Deployment(id=name, created=NOW - timedelta(hours=hours), ready=True, staged=staged)


def serving(name: str, *deployments: Deployment) -> HostingState:
    """Return a state in which `name` serves; the deployments are newest first."""
    return HostingState(project="p", domain="shop.test", serving=name, deployments=deployments)


@pytest.mark.parametrize(
    ("deployments", "names"),
    [
        ((made("bad", 1), made("twin", 1), made("good", 5)), {"twin", "good"}),
        ((made("twin", 1), made("bad", 1)), {"twin"}),
        ((made("bad", 1), made("good", 5), made("better", 5)), {"good", "better"}),
    ],
)
def test_deployments_of_the_same_time_are_left_to_people(deployments: tuple[Deployment, ...], names: set[str]) -> None:
    """Which of them served before the other is not known, so none is chosen or dropped without a word."""
    with pytest.raises(Refused, match="made at the same time") as refused:
        choose_previous(serving("bad", *deployments))
    assert {candidate.name for candidate in refused.value.candidates} == names


def test_a_deployment_of_the_same_time_that_cannot_serve_is_no_doubt() -> None:
    """One that was only staged has never served."""
    target, _ = choose_previous(serving("bad", made("bad", 1), made("staged", 1, staged=True), made("good", 5)))
    assert target.id == "good"


def test_the_newest_of_two_of_the_same_time_is_not_guessed() -> None:
    """`latest` and the undo of a rollback promote the newest."""
    state = serving("good", made("one", 1), made("other", 1), made("good", 5))
    with pytest.raises(Refused, match="made at the same time") as refused:
        choose_newest(state)
    assert {candidate.name for candidate in refused.value.candidates} == {"one", "other"}
