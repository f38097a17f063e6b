"""The base of the classes that make up a SQL journal."""

from __future__ import annotations

from allclear.domain.base import Clock
from allclear.domain.scope import Scope
from allclear.journal.database import Database


class Store:
    """One database, seen in one scope."""

    def __init__(self, database: Database, scope: Scope, clock: Clock) -> None:
        self.scope = scope
        self._db = database
        self._clock = clock
        self._scope_text = str(scope)
