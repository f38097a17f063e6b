"""The secrets of allclear: the same after a restart, in a file for their owner only, and never printed."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from allclear.cli.start import print_addresses
from allclear.domain.errors import ConfigError
from allclear.own_secrets import ALERT_TOKEN, LINK_KEY, with_own_secrets
from allclear.settings import Settings
from allclear.stack import Ports, Stack


@pytest.fixture(autouse=True)
def _no_token_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALLCLEAR_ALERT_TOKEN", raising=False)
    monkeypatch.delenv("ALLCLEAR_LINK_KEY", raising=False)
    monkeypatch.delenv("ALLCLEAR_JOURNAL_URL", raising=False)


def test_the_token_is_made_once_and_kept(tmp_path: Path) -> None:
    """A second start has the token of the first, so that senders need no new one."""
    token = ALERT_TOKEN.read(tmp_path / "home")
    assert len(token) >= 32
    assert ALERT_TOKEN.read(tmp_path / "home") == token
    assert ALERT_TOKEN.read(tmp_path / "other") != token


def test_only_its_owner_can_read_the_token(tmp_path: Path) -> None:
    """The file has mode 0600, even if it was opened to others in the meantime, and its new folder 0700."""
    home = tmp_path / "home"
    ALERT_TOKEN.read(home)
    assert stat.S_IMODE(ALERT_TOKEN.file(home).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    ALERT_TOKEN.file(home).chmod(0o644)
    ALERT_TOKEN.read(home)
    assert stat.S_IMODE(ALERT_TOKEN.file(home).stat().st_mode) == 0o600


def test_processes_that_start_at_once_have_one_token(tmp_path: Path) -> None:
    """The first one writes it, and the others read it."""
    with ThreadPoolExecutor(4) as pool:
        tokens = set(pool.map(lambda number: ALERT_TOKEN.read(tmp_path / str(number % 3)), range(30)))
    assert len(tokens) == 3
    assert [path.name for path in (tmp_path / "0").iterdir()] == ["alert-token"]


def test_a_draft_that_a_killed_start_left_does_not_stop_the_next_one(tmp_path: Path) -> None:
    """In a container each start has the same process id, so no name of a draft may come from it."""
    (tmp_path / f".alert-token.{os.getpid()}").write_text("half")
    assert len(ALERT_TOKEN.read(tmp_path)) >= 32


def test_a_token_of_the_environment_is_used_and_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ALLCLEAR_ALERT_TOKEN comes first."""
    monkeypatch.setenv("ALLCLEAR_ALERT_TOKEN", " given ")
    assert ALERT_TOKEN.read(tmp_path) == "given"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b" \n", "Schlüssel".encode()])
def test_a_file_without_a_token_is_an_error_with_the_next_step(tmp_path: Path, content: bytes) -> None:
    """The error names the file and does not repeat what it holds."""
    ALERT_TOKEN.file(tmp_path).write_bytes(content)
    with pytest.raises(ConfigError, match="alert-token") as raised:
        ALERT_TOKEN.read(tmp_path)
    assert "ALLCLEAR_ALERT_TOKEN" in raised.value.next_step
    assert "Schl" not in str(raised.value)


def test_each_secret_has_a_file_and_a_variable_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of personal links is not the alert token, which many senders know."""
    assert ALERT_TOKEN.read(tmp_path) != LINK_KEY.read(tmp_path)
    monkeypatch.setenv("ALLCLEAR_ALERT_TOKEN", "given")
    assert LINK_KEY.read(tmp_path) != "given"


def test_up_writes_the_environment_and_prints_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another terminal reads the token from its file; one that comes from the environment is written nowhere."""
    stack = Stack("vintstreet", tmp_path / "a home", Ports(4200, 8077))
    print_addresses(stack)
    printed, file = capsys.readouterr().out, tmp_path / "a home" / "environment.sh"
    assert f"In another terminal, this line makes allclear's commands work on this:\n  source '{file}'\n" in printed
    assert "export" not in printed
    written = file.read_text()
    assert f"""export ALLCLEAR_ALERT_TOKEN="$(cat '{tmp_path}/a home/alert-token')\"""" in written
    assert f"""export ALLCLEAR_LINK_KEY="$(cat '{tmp_path}/a home/link-key')\"""" in written
    for secret in (ALERT_TOKEN, LINK_KEY):
        assert stack.own_secrets[secret] not in printed + written
    monkeypatch.setenv("ALLCLEAR_ALERT_TOKEN", "a-long-secret-of-ours")
    print_addresses(Stack("vintstreet", tmp_path, Ports(4200, 8077)))
    printed, written = capsys.readouterr().out, (tmp_path / "environment.sh").read_text()
    assert "a-long-secret-of-ours" not in printed + written
    assert "# ALLCLEAR_ALERT_TOKEN as in this terminal: it is a secret" in printed


def test_the_responder_alone_has_the_token_that_up_keeps(tmp_path: Path) -> None:
    """Senders that know the token of `allclear up` need no other one; a simulation has its own."""
    settings = with_own_secrets(Settings(), tmp_path)
    assert settings.alert_token
    assert settings.alert_token.get_secret_value() == ALERT_TOKEN.read(tmp_path)
    assert [key.get_secret_value() for key in settings.link_keys] == [LINK_KEY.read(tmp_path)]
    simulated = with_own_secrets(Settings(simulation=tmp_path / "simulation.json"), tmp_path)
    assert simulated.alert_token
    assert simulated.alert_token.get_secret_value() == ALERT_TOKEN.read(tmp_path / "simulated")


def test_a_token_of_the_environment_counts_for_the_responder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written then."""
    monkeypatch.setenv("ALLCLEAR_LINK_KEY", "given-too")
    monkeypatch.setenv("ALLCLEAR_ALERT_TOKEN", "given-by-a-person")
    settings = with_own_secrets(Settings(), tmp_path / "home")
    assert settings.alert_token
    assert settings.alert_token.get_secret_value() == "given-by-a-person"
    assert not (tmp_path / "home").exists()
