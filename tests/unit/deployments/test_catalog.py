"""The deployments of a company: their names, and forms that offer only what works."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prefect.utilities.callables import parameter_schema

from allclear.company import find_company
from allclear.deployment_names import START_INCIDENT, STARTED_BY_ALLCLEAR, api_path
from allclear.domain.approval import ANSWER_WORDS
from allclear.engine.actions.registry import Registry
from allclear.engine.flow_runs import QUESTION
from deployments.catalog import DeploymentSpec, deployments_of
from deployments.fork_server import preload


@cache
def deployments(company: str) -> list[DeploymentSpec]:
    """Return a company's deployments, which no test changes."""
    return list(deployments_of(find_company(company), Registry.installed()))


def specs(company: str) -> dict[str, DeploymentSpec]:
    """Return a company's deployments by name."""
    return {spec.name: spec for spec in deployments(company)}


def actions(company: str) -> dict[str, str]:
    """Return the actions that a person may start by hand: name of the deployment → action."""
    return {name: spec.parameters["action"] for name, spec in specs(company).items() if spec.kind == "action"}


def faults(spec: DeploymentSpec, parameters: dict[str, Any]) -> list[str]:
    """Return the form's errors for these parameters, as Prefect's server checks them."""
    merged = {**spec.parameters, **parameters}
    return [error.message for error in Draft202012Validator(spec.form).iter_errors(merged)]


def test_each_company_is_offered_the_actions_that_its_services_can_run() -> None:
    """VintStreet has Cloud Run, a firewall, GitHub, flags and a database. RetailGen has Vercel and Convex."""
    assert set(actions("vintstreet").values()) == {
        "cloud_armor.block_addresses",
        "cloud_armor.unblock_addresses",
        "cloud_run.rollback_traffic",
        "cloud_run.restore_latest",
        "feature_flag.disable",
        "feature_flag.enable",
        "github.open_revert",
        "github.merge",
        "github.run_workflow",
        "maintenance.enable",
        "maintenance.disable",
        "supabase.restore_to_point",
    }
    assert set(actions("retailgen").values()) == {
        "vercel.rollback",
        "vercel.promote",
        "vercel.block_addresses",
        "vercel.unblock_addresses",
        "vercel.attack_mode",
        "vercel.end_attack_mode",
        "vercel.disable_flag",
        "vercel.enable_flag",
        "vercel.enable_maintenance",
        "vercel.disable_maintenance",
        "convex.pause",
        "convex.unpause",
        "convex.set_environment",
    }


def test_a_deployment_of_an_action_has_the_action_s_title() -> None:
    """Prefect shows it in bold."""
    assert actions("vintstreet")["Roll back traffic"] == "cloud_run.rollback_traffic"


@pytest.mark.parametrize("company", ["vintstreet", "retailgen"])
def test_names_are_unique_and_do_not_repeat_the_company(company: str) -> None:
    """A deployment's name says what it does; the company is in the flow's name."""
    every = deployments(company)
    assert len({spec.name for spec in every}) == len(every)
    assert not [spec.name for spec in every if company in spec.name.lower()]
    assert all(spec.flow.name.startswith(f"{company}-") for spec in every)


def test_the_flows_that_allclear_starts_exist_under_the_names_that_it_uses() -> None:
    """The outbox finds the deployment of each flow by its path in Prefect's API, and needs ids only."""
    every = deployments("vintstreet")
    for flow in STARTED_BY_ALLCLEAR:
        [spec] = [
            one
            for one in every
            if f"deployments/name/{one.flow.name}/{one.name}".replace(" ", "%20") == api_path(flow, "vintstreet")
        ]
        asked = {"ask": "VS-1/contain/roll-back"} if flow == QUESTION else {}
        assert faults(spec, {"incident": "VS-1", **asked}) == []


def test_a_form_refuses_a_missing_or_blank_value() -> None:
    """An incident needs a title and a name, which cannot be only spaces."""
    start = specs("vintstreet")["Start an incident"]
    assert faults(start, {"title": "Slow", "name": "Ana"}) == []
    assert faults(start, {"name": "Ana"}) == ["'title' is a required property"]
    assert faults(start, {"title": "Slow", "name": "   "})
    assert faults(start, {"title": "Slow", "name": "Ana", "service": "shop"})


def test_the_form_of_an_action_has_its_parameters() -> None:
    """A service and a flag are chosen from the known ones, and an unknown parameter is refused."""
    flag = specs("vintstreet")["Switch a feature flag off"]
    given = {"reason": "errors", "name": "Ana"}
    assert faults(flag, {**given, "params": {"flag": "new_checkout"}}) == []
    assert faults(flag, {**given, "params": {"flag": "other"}})
    assert faults(flag, {**given, "params": {}}) == ["'flag' is a required property"]
    back = specs("vintstreet")["Roll back traffic"]
    assert back.form["properties"]["params"]["properties"]["service"]["enum"] == ["storefront"]
    assert faults(back, given) == []
    assert faults(back, {**given, "params": {"service": "storefront", "too": "previous"}})


@pytest.mark.parametrize("company", ["vintstreet", "retailgen"])
def test_the_default_role_is_one_of_the_plan(company: str) -> None:
    """A form without a default role asks for one."""
    roles = find_company(company).plan.roles
    for spec in specs(company).values():
        if "role" in spec.form["properties"]:
            assert spec.parameters["role"] in roles if "role" in spec.parameters else "role" in spec.form["required"]


def test_the_modules_of_the_companys_systems_are_preloaded() -> None:
    """For RetailGen these are Vercel's actions, without Cloud Run's library."""
    ours, theirs = (preload(find_company(company), Registry.installed()) for company in ("vintstreet", "retailgen"))
    assert {"tasks.cloud_run.rollback", "google.cloud.run_v2", "postgrest", "tasks.slack"} <= set(ours)
    assert "tasks.vercel.actions" in theirs
    assert not {"tasks.cloud_run.rollback", "google.cloud.run_v2", "postgrest"} & set(theirs)


@pytest.mark.parametrize("company", ["vintstreet", "retailgen"])
def test_every_module_that_is_preloaded_exists(company: str) -> None:
    """Python's fork server ignores a module that cannot be imported, so a wrong name would not be noticed."""
    for module in preload(find_company(company), Registry.installed()):
        assert find_spec(module) is not None, module


OPTIONAL = {
    "Start an incident": {"began", "known_since", "facts", "kind"},
    "Answer a question": {"reason", "choice"},
    "Record a decision": {"reason"},
    "Assess an incident": {"facts", "kind", "reason", "known_since"},
    "End an incident": {"false_alarm"},
    "Add a follow-up": {"due_in_days"},
    "Finish a follow-up": {"note"},
    "Record whom you told": {"text"},
    "Release an incident": {"reason"},
    "Add a note": {"post_mortem"},
}
"""What may stay empty in a form. In the form of an action it is the incident."""


@pytest.mark.parametrize("company", ["vintstreet", "retailgen"])
def test_what_is_needed_is_required_in_every_form(company: str) -> None:
    """Prefect writes "(Optional)" beside any other field, and would start a run that can only fail."""
    for name, spec in specs(company).items():
        if spec.kind == "drill":
            continue
        optional = {"incident"} if spec.kind == "action" else OPTIONAL.get(name, set())
        assert set(spec.form["properties"]) - set(spec.form["required"]) == optional, name


@pytest.mark.parametrize("company", ["vintstreet", "retailgen"])
def test_no_form_takes_a_blank_where_something_is_needed(company: str) -> None:
    """Not in a field of its own, in the parameters of an action, or in a list."""
    for name, spec in specs(company).items():
        params = spec.form["properties"].get("params", {"properties": {}})
        needed = [(spec.form["properties"][field], field) for field in spec.form["required"]]
        needed += [(params["properties"][field], field) for field in params.get("required", ())]
        for schema, field in needed:
            blank: Any = ["  "] if schema.get("type") == "array" else "   "
            if schema.get("type") in {"string", "array"}:
                assert not Draft202012Validator(schema).is_valid(blank), (name, field)


def test_untouched_forms_start_nothing() -> None:
    """A form that is submitted as it opens lacks at least the person's name or the incident."""
    for name, spec in specs("vintstreet").items():
        assert spec.kind == "drill" or faults(spec, {}), name


def test_facts_are_chosen_and_may_be_left_out() -> None:
    """Both forms that take them list each fact of the plan with each of its values, and `unknown`."""
    for name in ("Start an incident", "Assess an incident"):
        facts = specs("vintstreet")[name].form["properties"]["facts"]
        assert facts["type"] == "array"
        assert "customer_facing=yes" in facts["items"]["enum"]
        assert "security_breach=unknown" in facts["items"]["enum"]
        assert "default" not in facts


def test_an_answer_is_given_in_the_words_of_the_question() -> None:
    """The form offers the words of all kinds of questions, as the command line does."""
    form = specs("vintstreet")["Answer a question"]
    given = {"ask": "VS-1/contain/roll-back", "name": "Ana", "role": "on_call"}
    for words in ANSWER_WORDS:
        for word in words:
            assert faults(form, {**given, "decision": word}) == []
    assert faults(form, {**given, "decision": "yes"})
    assert faults(form, given) == ["'decision' is a required property"]


def test_the_form_explains_severities_and_runbooks_in_the_plans_words() -> None:
    """A person who starts an incident reads the definitions beside the choices."""
    company = find_company("vintstreet")
    start = next(spec for spec in deployments_of(company, Registry.installed()) if spec.name == START_INCIDENT)
    severity = start.form["properties"]["severity"]["description"]
    assert "P1 (High): Major feature broken, significant user impact." in severity
    assert "Checkout broken" in severity
    assert sum(line.startswith("- P") for line in severity.splitlines()) == len(company.plan.severities)
    assert company.runbooks["bad-deployment"].about in start.form["properties"]["runbook"]["description"]


SAMPLES = {"string": "x", "boolean": True, "integer": 1, "array": ["x"], "object": {}}


@pytest.mark.parametrize("company", ["vintstreet", "retailgen"])
def test_prefect_can_check_the_parameters_of_every_flow(company: str) -> None:
    """Prefect resolves annotations in a place of its own: with a type that it cannot find, every run would fail."""
    for spec in specs(company).values():
        fields = parameter_schema(spec.flow).properties
        types = {name: field.get("anyOf", [field])[0].get("type", "string") for name, field in fields.items()}
        given = {name: SAMPLES[kind] for name, kind in types.items()}
        assert spec.flow.validate_parameters(given) == given
