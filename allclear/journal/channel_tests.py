"""What became of the test messages to people. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select

from allclear.domain.notify.channel_test import ChannelTest
from allclear.journal.store import Store
from allclear.journal.tables import CHANNEL_TESTS


class SqlChannelTests(Store):
    """The tests of a journal."""

    def add_channel_tests(self, tests: Sequence[ChannelTest]) -> None:
        """Record tests, all or none."""
        rows = [one.model_dump() | {"scope": self._scope_text, "at": one.at.isoformat()} for one in tests]
        if rows:
            with self._db.writing() as connection:
                connection.execute(insert(CHANNEL_TESTS), rows)

    def channel_tests(self, *, limit: int = 200) -> list[ChannelTest]:
        """Return up to `limit` tests, the newest first."""
        query = (
            select(CHANNEL_TESTS)
            .where(CHANNEL_TESTS.c.scope == self._scope_text)
            .order_by(CHANNEL_TESTS.c.number.desc())
            .limit(limit)
        )
        with self._db.reading() as connection:
            return [
                ChannelTest(
                    way=row.way,
                    person=row.person,
                    result=row.result,
                    sentence=row.sentence,
                    at=datetime.fromisoformat(row.at),
                )
                for row in connection.execute(query)
            ]
