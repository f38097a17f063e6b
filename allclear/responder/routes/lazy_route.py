"""Routes that FastAPI reads when they are first needed, so that the responder starts before all of them are read.

To read a route is to look at its parameters and to describe its answers; that takes about 2 ms each. Most of the
routes are for people, and a start answers its first alert or test of readiness long before anyone uses them.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import compile_path, get_name


class LateRoute(APIRoute):
    """A route that knows its path and methods; FastAPI adds the rest at the first request, or to describe the API.

    `openapi_extra` may be a function, which is called then. So a mistake in a route shows no sooner either:
    `tests/scenario/test_openapi.py` reads them all.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:  # noqa: ANN401 - as APIRoute's
        self.path, self.endpoint = path, endpoint
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self.methods = {method.upper() for method in more.get("methods") or ["GET"]}
        self.name = more.get("name") or get_name(endpoint)
        self._unread: dict[str, Any] | None = more
        self._reading = Lock()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any of them
        """Return what FastAPI reads of the route, which is read now."""
        if name.startswith("__") or name in {"_unread", "_reading"}:
            raise AttributeError(name)
        with self._reading:
            if self._unread is not None:
                self._read(self._unread)
        return object.__getattribute__(self, name)

    def _read(self, more: dict[str, Any]) -> None:
        extra: Any = more.get("openapi_extra")
        read: dict[str, Any] = more | {"openapi_extra": extra() if callable(extra) else extra}
        super().__init__(self.path, self.endpoint, **read)
        self._unread = None
