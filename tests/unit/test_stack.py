"""The environment that `allclear up` and drills give to their parts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from prefect.settings import Settings

from allclear.stack import Ports, Stack


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
