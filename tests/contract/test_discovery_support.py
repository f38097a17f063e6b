"""The check against Google's descriptions: it finds wrong values and accepts right ones."""

# ruff: noqa: ANN401 - JSON can be anything

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.contract.discovery_support import Description, description

_DOCUMENT: dict[str, Any] = {
    "schemas": {
        "Shop": {
            "id": "Shop",
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "open": {"type": "boolean"},
                "size": {"type": "integer", "format": "int32"},
                "share": {"type": "number", "format": "float"},
                "generation": {"type": "string", "format": "int64"},
                "made": {"type": "string", "format": "google-datetime"},
                "takes": {"type": "string", "format": "google-duration"},
                "mask": {"type": "string", "format": "google-fieldmask"},
                "key": {"type": "string", "format": "byte"},
                "state": {"type": "string", "enum": ["OPEN", "SHUT"], "enumDescriptions": ["", ""]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "parts": {"type": "array", "items": {"$ref": "Shop"}},
                "packed": {"type": "object", "additionalProperties": {"type": "any", "description": "Anything."}},
            },
        }
    },
    "resources": {
        "shops": {
            "methods": {
                "get": {
                    "id": "a.get",
                    "httpMethod": "GET",
                    "flatPath": "v1/shops/{shopsId}",
                    "parameters": {"name": {}},
                },
                "wait": {"id": "a.wait", "httpMethod": "POST", "flatPath": "v1/shops/{shopsId}:wait", "parameters": {}},
            }
        }
    },
}
_SHOP: dict[str, Any] = {
    "name": "Corner",
    "open": True,
    "size": 2**31 - 1,
    "share": 0.5,
    "generation": "9007199254740993",
    "made": "2026-11-20T03:00:00.000001Z",
    "takes": "3.5s",
    "mask": "traffic,template.revision",
    "key": "AAE=",
    "state": "OPEN",
    "labels": {"any": "thing"},
    "parts": [{"name": "Till"}],
    "packed": {"@type": "type.example.com/Shop", "name": "Corner"},
}


def test_a_value_that_fits_has_no_problems() -> None:
    """Every kind of field accepts a right value, and none is required."""
    assert Description(_DOCUMENT).problems("Shop", _SHOP) == []
    assert Description(_DOCUMENT).problems("Shop", {}) == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("nmae", "Corner", "Shop: has no field 'nmae'"),
        ("name", None, "Shop.name: None is no string"),
        ("name", 3, "Shop.name: 3 is no string"),
        ("open", "true", "Shop.open: 'true' is no boolean"),
        ("size", True, "Shop.size: True is no integer"),
        ("size", 2**31, "Shop.size: 2147483648 is too large for int32"),
        ("size", "3", "Shop.size: '3' is no integer"),
        ("size", 3.0, "Shop.size: 3.0 is no integer"),
        ("share", "0.5", "Shop.share: '0.5' is no number"),
        ("generation", 3, "Shop.generation: 3 is no string"),
        ("generation", "3.0", "Shop.generation: '3.0' is no int64"),
        ("generation", str(2**63), f"Shop.generation: '{2**63}' is no int64"),
        ("made", "2026-11-20T03:00:00+00:00", "Shop.made: '2026-11-20T03:00:00+00:00' is no google-datetime"),
        ("made", "todayZ", "Shop.made: 'todayZ' is no google-datetime"),
        ("takes", "3", "Shop.takes: '3' is no google-duration"),
        ("mask", "traffic, template", "Shop.mask: 'traffic, template' is no google-fieldmask"),
        ("key", "not base64!", "Shop.key: 'not base64!' is no byte"),
        ("state", "AJAR", "Shop.state: 'AJAR' is not one of OPEN, SHUT"),
        ("state", 1, "Shop.state: 1 is no string"),
        ("labels", {"any": 3}, "Shop.labels.any: 3 is no string"),
        ("labels", [], "Shop.labels: [] is no object"),
        ("parts", {}, "Shop.parts: {} is no list"),
        ("parts", [{}, {"nmae": ""}], "Shop.parts[1]: has no field 'nmae'"),
        ("packed", {"@type": "type.example.com/Shop", "nmae": ""}, "Shop.packed: has no field 'nmae'"),
        ("packed", {"@type": "type.example.com/Pub"}, "Shop.packed: 'type.example.com/Pub' is not described"),
    ],
)
def test_a_value_that_does_not_fit_is_a_problem_with_its_place(field: str, value: Any, said: str) -> None:
    """One wrong field is one problem, which names the field."""
    assert Description(_DOCUMENT).problems("Shop", {**_SHOP, field: value}) == [said]


def test_a_request_is_matched_with_the_method_that_google_describes() -> None:
    """Its path must fit the pattern of a method."""
    shops = Description(_DOCUMENT)
    assert shops.method("GET", "/v1/shops/one")["id"] == "a.get"
    assert shops.method("POST", "/v1/shops/one:wait")["id"] == "a.wait"
    for verb, path in (("GET", "/v1/shops/one:wait"), ("PUT", "/v1/shops/one"), ("GET", "/v1/shops/one/two")):
        with pytest.raises(AssertionError, match="means 0 methods"):
            shops.method(verb, path)


def test_an_unknown_parameter_fails() -> None:
    """Parameters of the method and of the whole API pass."""
    shops = Description(_DOCUMENT)
    method = shops.method("GET", "/v1/shops/one")
    shops.check_query(method, httpx.QueryParams({"name": "one", "alt": "json", "$alt": "json;enum-encoding=int"}))
    with pytest.raises(AssertionError, match="nmae"):
        shops.check_query(method, httpx.QueryParams({"nmae": "one"}))


def test_a_keyword_that_the_check_does_not_know_fails() -> None:
    """Otherwise a new keyword would accept every value."""
    with pytest.raises(AssertionError, match="maximum"):
        Description({"schemas": {"Shop": {"type": "integer", "maximum": "9"}}}).problems("Shop", 10)


def test_a_text_that_does_not_match_its_pattern_is_a_problem() -> None:
    """As the name of a security policy of Compute Engine."""
    shops = Description({"schemas": {"Shop": {"type": "string", "pattern": "a[0-9]"}}})
    assert shops.problems("Shop", "a1") == []
    assert shops.problems("Shop", "b") == ["Shop: 'b' does not match a[0-9]"]


def test_googles_own_documents_refuse_wrong_values() -> None:
    """Traffic of v1 passes, and traffic of v2 and an integer enum do not."""
    v1, v2 = description("run.v1"), description("run.v2")
    assert v1.problems("ServiceSpec", {"traffic": [{"latestRevision": True, "percent": 100}]}) == []
    assert v1.problems("ServiceSpec", {"traffic": [{"type": "LATEST", "percent": 100}]}) != []
    assert v2.problems("GoogleCloudRunV2TrafficTarget", {"type": 1, "percent": 100}) != []
