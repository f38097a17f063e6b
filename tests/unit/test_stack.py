"""The environment that `allclear up` and drills give to their parts."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from prefect.settings import Settings

from allclear.domain.errors import ConfigError
from allclear.stack import Ports, Stack, free_ports


def test_every_setting_of_prefect_is_one_that_this_prefect_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect ignores a setting whose name it has changed: the start then takes seconds longer, without an error."""
    for name in [one for one in os.environ if one.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    given = Stack("vintstreet", tmp_path, Ports(1, 2), "healthy").environment
    named = {name: value for name, value in given.items() if name.startswith("PREFECT_")}
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    read = Settings()
    assert set(named) - set(read.to_environment_variables(exclude_unset=True)) == set()
    assert read.server.register_blocks_on_start is False
    assert read.server.memoize_block_auto_registration is False
    assert read.client.server_version_check_enabled is False
    assert read.client.csrf_support_enabled is False
    assert read.server.api.csrf_protection_enabled is False, "the clients would be refused"


def test_a_free_port_is_none_that_an_outgoing_connection_is_given() -> None:
    """Such a port could be gone before the process that is to listen on it has started."""
    ports = {free_ports(1)[0] for _ in range(20)}
    assert all(20_000 <= port < 32_768 for port in ports)
    assert len(ports) > 1, "two stacks that start together seldom choose the same"


def test_a_port_on_which_something_listens_is_not_free() -> None:
    """The next candidate is taken; if there are too few, the error says so."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken, [other] = server.getsockname()[1], free_ports(1)
        assert free_ports(1, [taken, other]) == [other]
        with pytest.raises(ConfigError, match="Too few free ports"):
            free_ports(2, [taken, other])
