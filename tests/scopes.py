"""The scopes that most tests work in."""

from __future__ import annotations

from allclear.domain.scope import Scope

REAL = Scope("vintstreet", simulated=False)
DRILL = Scope("vintstreet", simulated=True)
