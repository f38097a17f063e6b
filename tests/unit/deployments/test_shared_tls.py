"""Prefect's clients in one process share one TLS context, which still verifies."""

from __future__ import annotations

import ssl

import pytest
from prefect.client import orchestration
from prefect.settings import get_current_settings

from deployments.shared_tls import share_tls_context


def test_clients_share_a_context_that_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same arguments get the same context, others another one, and every other name is the module's."""
    monkeypatch.setattr(orchestration, "ssl", ssl)  # put back at the end
    share_tls_context()
    seen = vars(orchestration)["ssl"]
    made = seen.create_default_context.cache_info().misses
    file = get_current_settings().api.ssl_cert_file
    first = seen.create_default_context(cafile=file)
    assert seen.create_default_context.cache_info().misses == made > 0  # it was made before, so that a fork has it
    assert seen.create_default_context(cafile=file) is first
    assert seen.create_default_context() is not first
    assert first.verify_mode is seen.CERT_REQUIRED
    assert first.check_hostname
    assert isinstance(first, seen.SSLContext)
