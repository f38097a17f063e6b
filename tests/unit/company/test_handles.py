"""The handles of services, which the vendors' modules declare: they are read, refused, and offered by the schema."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from allclear.company.handles import installed_systems_model, systems_model_of
from allclear.company.validation_errors import validation_problems
from allclear.domain.action import Params
from allclear.domain.base import Model
from allclear.domain.errors import ConfigError
from allclear.domain.systems import Service
from allclear.engine.actions.registry import Registry
from allclear.schemas import schema_of
from allclear.vendors.cloud_run.handle import CloudRunHandle
from allclear.vendors.vercel import VercelHandle
from tasks.feature_flags import FlagsHandle
from tasks.maintenance_handle import MaintenanceHandle
from tests.unit.company.company_support import action

GENERIC: dict[str, Any] = {"title": "Shop", "url": "https://shop.example", "smoke": {"timeout": "1s"}}


class HerokuHandle(Model):
    """Its app on Heroku."""

    key: ClassVar[str] = "heroku"
    app: str


ROLL_BACK = action("heroku.rollback", Params, handles=(HerokuHandle,))


def read(**fields: Any) -> Service:  # noqa: ANN401 - a file may hold any value
    """Return a service with these fields, as it is read from a systems.yaml."""
    document = {"systems": {}, "services": {"shop": GENERIC | fields}}
    return installed_systems_model().model_validate(document).services["shop"]


def test_actions_read_handles_as_typed_objects() -> None:
    """Each handle has the model that its vendor's module declares; one that is absent is None."""
    service = read(cloud_run="web", flags=["checkout"], maintenance={"flag": "closed"})
    assert service.handle(CloudRunHandle) == CloudRunHandle("web")
    assert service.handle(FlagsHandle) == FlagsHandle(["checkout"])
    assert service.handle(MaintenanceHandle) == MaintenanceHandle(flag="closed")
    assert service.handle(VercelHandle) is None


def test_a_service_in_several_regions_has_a_name_in_each() -> None:
    """A plain name is in the system's own region."""
    both = CloudRunHandle({"us-central1": "web", "europe-west1": "web-eu"})
    assert (both.names, both.regions) == (["web", "web-eu"], both.root)
    assert CloudRunHandle("web").by_region("us-central1") == {"us-central1": "web"}
    assert CloudRunHandle("web").regions == {}


@pytest.mark.parametrize(
    ("fields", "sentence", "next_step"),
    [
        ({"vercell": {}}, "`vercell` is not a field in `shop`.", "Did you mean `vercel`?"),
        (
            {"cloud_run": {"moon": "web"}},
            "`cloud_run`: it must be a service's name, or one for each region, as `us-central1: web`.",
            "Correct it; `allclear schema` shows what is allowed.",
        ),
        ({"vercel": {"project": "shop"}}, "`domain` is missing in `vercel`.", "Add `domain`: The production domain"),
    ],
)
def test_a_wrong_handle_is_refused_with_a_hint(fields: dict[str, Any], sentence: str, next_step: str) -> None:
    """A misspelt key, a wrong shape and a missing field are each reported in one sentence."""
    model = installed_systems_model()
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"systems": {}, "services": {"shop": GENERIC | fields}})
    [problem] = validation_problems(refused.value, model)
    assert problem.sentence == sentence
    assert problem.next_step.startswith(next_step)


def test_a_third_partys_handle_needs_no_change_in_allclear() -> None:
    """Its action declares the handle, so services may carry it and the schema offers it."""
    kinds = Registry.of([ROLL_BACK])
    model = systems_model_of(kinds)
    service = model.model_validate({"systems": {}, "services": {"shop": GENERIC | {"heroku": {"app": "shop-1"}}}})
    assert service.services["shop"].handle(HerokuHandle) == HerokuHandle(app="shop-1")
    offered = schema_of("systems", kinds)["$defs"]["Service"]["properties"]["heroku"]
    assert offered["description"] == "Its app on Heroku."


def test_two_handles_under_one_key_are_refused() -> None:
    """Neither silently replaces the other."""

    class OtherHandle(Model):
        """Another vendor's."""

        key: ClassVar[str] = "heroku"

    with pytest.raises(ConfigError, match="declared twice"):
        systems_model_of(Registry.of([ROLL_BACK, action("other.rollback", Params, handles=(OtherHandle,))]))
