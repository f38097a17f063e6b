"""A route is read by FastAPI when it is first used or described, and works then as any other route."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from allclear.responder.routes.lazy_route import LateRoute


def test_a_route_is_read_at_its_first_request_and_described_in_full() -> None:
    """Until then not even the description of its body is worked out; another method is refused without it."""
    asked: list[str] = []

    def body() -> dict[str, Any]:
        asked.append("body")
        return {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}

    late: Any = body
    router = APIRouter(route_class=LateRoute, tags=["things"])

    @router.post("/things/{number}", status_code=201, openapi_extra=late)
    async def thing(number: int) -> dict[str, int]:
        """Make a thing."""
        return {"made": number}

    app = FastAPI()
    app.router.routes.extend(router.routes)
    client: Any = TestClient(app)
    assert client.get("/things/7").status_code == 405
    assert client.get("/other").status_code == 404
    assert asked == []
    answer = client.post("/things/7")
    assert (answer.status_code, answer.json()) == (201, {"made": 7})
    assert client.post("/things/seven").status_code == 422
    [described] = client.get("/openapi.json").json()["paths"].values()
    assert described["post"]["tags"] == ["things"]
    assert described["post"]["description"] == "Make a thing."
    assert described["post"]["requestBody"] == body()["requestBody"]
    assert asked == ["body", "body"]
    assert thing.__doc__
