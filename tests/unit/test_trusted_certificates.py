"""The certificates that this machine trusts, if the environment names something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from allclear.domain.errors import ConfigError
from allclear.trusted_certificates import trusted_certificates


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Forget the context before and after."""
    trusted_certificates.cache_clear()
    yield
    trusted_certificates.cache_clear()


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("missing.pem", None, "No such file or directory"),
        ("folder", "", "Is a directory"),
        ("notes.pem", "no certificate", "there is no certificate in it"),
        ("empty.pem", "", "there is no certificate in it"),
        ("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "there is no certificate in"),
    ],
)
def test_certificates_that_cannot_be_read_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str | None, why: str
) -> None:
    """It names the variable, what it holds and what to do; every command and the responder would end in a traceback."""
    path = tmp_path / file
    if file == "folder":
        path.mkdir()
    elif text is not None:
        path.write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ConfigError) as refused:
        trusted_certificates()
    assert refused.value.message.startswith(f"SSL_CERT_FILE is {path}, and no certificate can be read there: ")
    assert why in refused.value.message
    assert refused.value.next_step.startswith("Set SSL_CERT_FILE to a file with certificates in PEM")
