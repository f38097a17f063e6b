"""Installs a package for one test: a module, and the metadata with its entry points."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from allclear.extensions import forget_installed


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, code: str, sources: Mapping[str, str]) -> None:
    """Install `module` with these alert sources (name -> place) until the test ends."""
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
    lines = "\n".join(f"{name} = {place}" for name, place in sources.items())
    (metadata / "entry_points.txt").write_text(f"[allclear.sources]\n{lines}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, module, raising=False)
    forget_installed()
