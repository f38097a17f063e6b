"""Journals of older versions are brought up to date when they are opened, and nothing in them is lost."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

import allclear.journal.migrations
from allclear.journal.rows import NewDelivery
from allclear.journal.sql_journal import SqlJournal
from tests.journal_support import Journals, manual
from tests.scopes import REAL

AT = "2026-11-22T05:00:00+00:00"


def migrate(url: str, revision: str) -> None:
    """Make a journal of an older version."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir()
    config = Config()
    config.set_main_option("script_location", str(Path(allclear.journal.migrations.__file__).parent))
    with manual(url) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_deliveries_and_alerts_of_the_first_version_are_kept(journals: Journals) -> None:
    """A delivery that waits is read in its order, and an alert has no order and no end until its source sends one."""
    url = journals.blank()
    migrate(url, "0001")
    with manual(url) as connection:
        connection.exec_driver_sql(
            "INSERT INTO inbox (id, number, scope, source, delivery_key, received_at, headers, body, count, state,"  # noqa: S608 - constants
            f" incident, reason, taken_in) VALUES ('d1', 7, '{REAL}', 'json', '{REAL}:k', '{AT}', '{{}}', '1', 1,"
            " 'new', NULL, '', 0)"
        )
        connection.exec_driver_sql(
            "INSERT INTO alerts (scope, key, incident, source, title, state, source_state, source_time, changed_at,"  # noqa: S608 - constants
            f" last_seen_at, transitions, count) VALUES ('{REAL}', 'json:a', 'VS-1', 'json', 'T', 'firing', 'firing',"
            f" NULL, '{AT}', '{AT}', '[]', 3)"
        )
    journal = SqlJournal(url, REAL)
    known = journal.alert("json:a")
    assert known is not None
    assert (known.count, known.source_order, known.source_end) == (3, None, None)
    second = journal.receive_all([NewDelivery("json", {}, b"2", "other")])[0][0]
    assert journal.receive_all([NewDelivery("json", {}, b"1", "k")])[0][0] == "d1"
    assert [delivery for delivery, _ in journal.unread()] == ["d1", second]
    journal.set_delivery_state("d1", "opened", "A reason.")
    assert [delivery for delivery, _ in journal.unread()] == [second, "d1"]
    journal.close()
