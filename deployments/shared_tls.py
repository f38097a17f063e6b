"""One TLS context for all of Prefect's clients in a process, because making one reads every CA certificate.

That takes 40 ms of processor time. Prefect makes a client for each deployment that it registers and several for each
flow run; runs are forked from this process and so have its context.

*Source:* Prefect 3.8, `prefect/client/orchestration/__init__.py`: both clients call `ssl.create_default_context`.
"""

from __future__ import annotations

import ssl
from functools import cache

from prefect.client import orchestration
from prefect.settings import get_current_settings


class _Ssl:
    """The module `ssl`, as Prefect's clients see it: the same arguments get the same context."""

    create_default_context = staticmethod(cache(ssl.create_default_context))

    def __getattr__(self, name: str) -> object:
        return getattr(ssl, name)


def share_tls_context() -> None:
    """Let Prefect's clients in this process share a context, and make it, so that the forks of this process have it."""
    setattr(orchestration, "ssl", _Ssl())  # noqa: B010 - it is no public name of that module
    _Ssl.create_default_context(cafile=get_current_settings().api.ssl_cert_file)
