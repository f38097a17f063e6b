"""The journal on SQL: incidents and their chained entries, and the claims on what is being changed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic_core import PydanticSerializationError
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from allclear.domain.base import Clock, utc_now
from allclear.domain.baseline import Baseline
from allclear.domain.errors import ConcurrentWrite, NotFound, Unreadable
from allclear.domain.plan import RotaOverride
from allclear.domain.records import GENESIS, RECORD, ActFinished, ActIntended, By, Entry, IncidentEnded, IncidentOpened
from allclear.domain.scope import Scope
from allclear.journal.alerts import AlertBook
from allclear.journal.baselines import add_baselines, newest_baselines
from allclear.journal.hash_chain import link
from allclear.journal.inbox import Post
from allclear.journal.overrides import add_override, newest_overrides
from allclear.journal.ports import INCIDENTS as OPENING
from allclear.journal.ports import Acquired, Claim, Finished, Held, IncidentRow, OutboxMessage
from allclear.journal.statements import (
    ADD_ENTRY,
    ENDED,
    ENTRIES_AFTER,
    HEAD,
    HEAD_ALONE,
    LAST_NUMBER,
    MOVED,
    OF_AN_ACT,
    OPEN_WITH,
    OPEN_WITH_ALONE,
    incidents_where,
)
from allclear.journal.stats import Stats
from allclear.journal.tables import CLAIMS, ENTRIES, INCIDENTS
from allclear.journal.url import open_database


class SqlJournal(Post, AlertBook, Stats):
    """A journal in a SQL database; see `allclear.journal.ports.Journal` for what each method promises."""

    def __init__(self, url: str, scope: Scope, clock: Clock = utc_now) -> None:
        """Open the journal at `url` in `scope`: `sqlite:///journal.db`, or `postgresql://user@host/database`.

        Raises ConfigError or JournalError.
        """
        super().__init__(open_database(url), scope, clock)
        try:
            self._presence = self._db.presence()
        except BaseException:
            self._db.close()
            raise

    @property
    def holder(self) -> str:
        """Return this process's id among the holders of claims."""
        return self._presence.holder

    def gone(self, holder: str) -> bool:
        """Return whether the process with that id has ended."""
        with self._db.reading() as connection:
            return self._presence.gone(connection, holder)

    def close(self) -> None:
        """Release the database and of our presence among the holders."""
        self._presence.leave()
        self._db.close()

    # --- incidents and entries ---------------------------------------------------------------------

    def open_incident(
        self,
        short: str,
        opened: IncidentOpened,
        by: By,
        *,
        key: str | None = None,
        records: Sequence[Any] = (),
        outbox: Sequence[OutboxMessage] = (),
    ) -> tuple[str, bool]:
        """Open an incident, or joins the open one with that key."""
        scope = str(self.scope)
        if Scope(opened.company, simulated=opened.simulated) != self.scope:
            msg = f"an incident of another scope cannot be opened in the journal of {self.scope}"
            raise ValueError(msg)
        with self._db.writing(OPENING) as connection:
            found = None
            if key is not None:
                found = connection.execute(OPEN_WITH_ALONE, {"its_scope": scope, "its_key": key}).scalar()
            if found is not None:
                self._add(connection, found, records, by)
                return found, False
            number = (connection.execute(LAST_NUMBER, {"its_short": short}).scalar() or 0) + 1
            incident = f"{short}-{number}"
            connection.execute(
                insert(INCIDENTS).values(
                    id=incident,
                    number=number,
                    short=short,
                    scope=scope,
                    service=opened.service,
                    key=key,
                    opened_at=self._clock().isoformat(),
                    ended_at=None,
                    length=0,
                    head=GENESIS,
                )
            )
            self._add(connection, incident, [opened, *records], by)
            mine = [OutboxMessage(e.kind, incident, e.key.format(incident=incident), e.detail) for e in outbox]
            self._add_outbox(connection, mine)
        return incident, True

    def append(
        self,
        incident: str,
        records: Sequence[Any],
        by: By,
        *,
        expect: int | None = None,
        outbox: Sequence[OutboxMessage] = (),
    ) -> list[Entry]:
        """Append in order."""
        with self._db.writing() as connection:
            entries = self._add(connection, incident, records, by, expect)
            self._add_outbox(connection, outbox)
        return entries

    def _add(
        self, connection: Connection, incident: str, records: Sequence[Any], by: By, expect: int | None = None
    ) -> list[Entry]:
        length, head = self._locked(connection, incident)
        if expect is not None and length != expect:
            raise ConcurrentWrite(
                f"{incident} has a newer entry ({length}, seen {expect}).", "Read it again and decide again."
            )
        at, said, entries = self._clock(), by.model_dump_json(), list[Entry]()
        for record in records:
            length, stored = length + 1, _as_json(record)
            hashed = link(incident, length, at.isoformat(), said, stored, head)
            values = {
                "incident": incident,
                "number": length,
                "at": at.isoformat(),
                "by": said,
                "kind": record.kind,
                "record": stored,
                "before": head,
                "hash": hashed,
                "act": getattr(record, "act", None),
                "resource": getattr(record, "resource", None) or None,
            }
            connection.execute(ADD_ENTRY, values)
            entries.append(
                Entry(incident=incident, number=length, at=at, by=by, record=record, before=head, hash=hashed)
            )
            head = hashed
        ended = next((at.isoformat() for record in records if isinstance(record, IncidentEnded)), None)
        moved = {"its_id": incident, "its_length": length, "its_head": head}
        connection.execute(ENDED if ended else MOVED, moved | ({"its_ended_at": ended} if ended else {}))
        return entries

    def _locked(self, connection: Connection, incident: str) -> tuple[int, str]:
        """Return an incident's length and head, and lock it until the transaction ends. Raises NotFound."""
        return self._own(incident, connection.execute(HEAD_ALONE, {"its_id": incident}).one_or_none())

    def _own(self, incident: str, row: Row[tuple[int, str, str]] | None) -> tuple[int, str]:
        if row is None:
            raise _unknown(incident)
        self.scope.require(incident, Scope.read(row.scope))
        return row.length, row.head

    def entries(self, incident: str, *, after: int = 0) -> list[Entry]:
        """Return the entries with a number over `after`, in order."""
        with self._db.reading() as connection:
            rows = connection.execute(ENTRIES_AFTER, {"its_incident": incident, "its_number": after}).all()
            if not rows and connection.execute(HEAD, {"its_id": incident}).one_or_none() is None:
                raise _unknown(incident)
        try:
            return self._read_rows(rows)
        except ValueError as error:
            raise Unreadable(
                f"An entry of {incident} cannot be read.", f"allclear verify {incident} says which; restore a backup."
            ) from error

    @staticmethod
    def _read_rows(rows: Sequence[Row[Any]]) -> list[Entry]:
        return [  # each part is checked by itself: to check the whole once more would take as long again
            Entry.model_construct(
                incident=row.incident,
                number=row.number,
                at=_moment(row.at),
                by=_speaker(row.by),
                record=RECORD.validate_json(row.record),
                before=row.before,
                hash=row.hash,
            )
            for row in rows
        ]

    def head(self, incident: str) -> tuple[int, str]:
        """Return how many entries an incident has, and the hash of the last."""
        with self._db.reading() as connection:
            row = connection.execute(HEAD, {"its_id": incident}).one_or_none()
        return self._own(incident, row)

    def open_with_key(self, key: str) -> str | None:
        """Return the open incident that was opened with `key`, or None."""
        with self._db.reading() as connection:
            return connection.execute(OPEN_WITH, {"its_scope": str(self.scope), "its_key": key}).scalar()

    def incidents(
        self,
        *,
        open_only: bool = False,
        service: str | None = None,
        since: datetime | None = None,
        ended_since: datetime | None = None,
    ) -> list[IncidentRow]:
        """Return the incidents, newest first."""
        asked = {
            "service": service,
            "since": since.isoformat() if since else None,
            "ended_since": ended_since.isoformat() if ended_since else None,
        }
        named = {name: value for name, value in asked.items() if value is not None}
        wanted = incidents_where(frozenset([*named, "open_only"] if open_only else named))
        with self._db.reading() as connection:
            rows = connection.execute(
                wanted, {"its_scope": str(self.scope)} | {f"its_{name}": value for name, value in named.items()}
            ).all()
        return [
            IncidentRow(
                number,
                service,
                datetime.fromisoformat(opened),
                datetime.fromisoformat(ended) if ended else None,
                length,
                head,
            )
            for number, service, opened, ended, length, head in rows
        ]

    def version(self) -> int | None:
        """Return a number that is another one once anybody has written."""
        return self._db.version()

    def incidents_touching(self, resource: str) -> list[str]:
        """Return the ids of the incidents with an act on `resource`, oldest first."""
        wanted = (
            select(INCIDENTS.c.id)
            .where(INCIDENTS.c.scope == str(self.scope))
            .where(INCIDENTS.c.id.in_(select(ENTRIES.c.incident).where(ENTRIES.c.resource == resource)))
            .order_by(INCIDENTS.c.opened_at, INCIDENTS.c.number)
        )
        with self._db.reading() as connection:
            return list(connection.execute(wanted).scalars())

    def broken_link(self, incident: str) -> int | None:
        """Return the number of the first entry whose hash does not fit, or None for a whole chain."""
        with self._db.reading() as connection:
            wanted = select(ENTRIES).where(ENTRIES.c.incident == incident).order_by(ENTRIES.c.number)
            rows = connection.execute(wanted).all()
            kept = connection.execute(select(INCIDENTS.c.length, INCIDENTS.c.head).where(INCIDENTS.c.id == incident))
            known = kept.one_or_none()
        if known is None:
            raise _unknown(incident)
        before = GENESIS
        for number, row in enumerate(rows, start=1):
            try:
                hashed = link(incident, number, row.at, row.by, row.record, before)
                kind = json.loads(row.record)["kind"]
            except (ValueError, KeyError, TypeError):
                return number
            if (row.number, row.before, row.hash, row.kind) != (number, before, hashed, kind):
                return number
            before = row.hash
        return None if (len(rows), before) == tuple(known) else len(rows) + 1

    # --- takeovers ---------------------------------------------------------------------------------

    def take_over(self, takeover: RotaOverride) -> None:
        """Record that a turn was taken over."""
        add_override(self._db, self.scope, takeover)

    def overrides(self, role: str, *, limit: int = 50) -> list[RotaOverride]:
        """Return the newest takeovers of `role`."""
        return newest_overrides(self._db, self.scope, role, limit)

    # --- baselines ---------------------------------------------------------------------------------

    def add_baselines(self, baselines: Sequence[Baseline]) -> None:
        """Record what had all users and was healthy."""
        add_baselines(self._db, self.scope, baselines)

    def baselines(self, resource: str, before: datetime, *, limit: int = 10) -> list[Baseline]:
        """Return the newest baselines of `resource` up to `before`."""
        return newest_baselines(self._db, self.scope, resource, before, limit)

    # --- claims ------------------------------------------------------------------------------------

    def claim(
        self,
        resource: str,
        incident: str,
        act: str,
        lease: timedelta,
        intent: ActIntended,
        by: By,
    ) -> Claim:
        """Take the one claim on `resource`, with the intent in the same transaction."""
        self._presence.hold()
        with self._db.writing(self._claim_on(resource)) as connection:
            self._locked(connection, incident)  # because its outcome may be written without holding the claim
            if _has(connection, incident, act, "act.finished"):
                return Finished()
            held = connection.execute(select(CLAIMS).where(self._claimed(resource))).one_or_none()
            dead = False
            if held is not None:
                until = datetime.fromisoformat(held.until)
                dead = self._presence.gone(connection, held.holder)
                free = dead or until < self._clock()
                if (held.incident, held.act) != (incident, act) or not free:
                    return Held(held.incident, held.act, held.holder, until, free)
            resumed = _has(connection, incident, act, "act.intended")
            token = uuid.uuid4().hex
            row = {
                "scope": str(self.scope),
                "resource": resource,
                "incident": incident,
                "act": act,
                "holder": self.holder,
                "token": token,
                "until": (self._clock() + lease).isoformat(),
            }
            connection.execute(delete(CLAIMS).where(self._claimed(resource)))
            connection.execute(insert(CLAIMS).values(**row))
            if not resumed:
                self._add(connection, incident, [intent], by)
        return Acquired(token, resumed, holder_dead=(dead and self._presence.sure) or held is None)

    def renew(self, resource: str, token: str, lease: timedelta) -> bool:
        """Renew our claim."""
        self._presence.hold()
        with self._db.writing(self._claim_on(resource)) as connection:
            mine = update(CLAIMS).where(self._claimed(resource), CLAIMS.c.token == token)
            return connection.execute(mine.values(until=(self._clock() + lease).isoformat())).rowcount == 1

    def finish(
        self,
        resource: str,
        token: str,
        incident: str,
        finished: ActFinished,
        by: By,
        records: Sequence[Any] = (),
    ) -> bool:
        """Append the outcome and lets go of the claim."""
        with self._db.writing(self._claim_on(resource)) as connection:
            mine = delete(CLAIMS).where(self._claimed(resource), CLAIMS.c.token == token)
            if connection.execute(mine).rowcount != 1:
                return False
            self._add(connection, incident, [finished, *records], by)
        return True

    def _claimed(self, resource: str) -> ColumnElement[bool]:
        return (CLAIMS.c.scope == str(self.scope)) & (CLAIMS.c.resource == resource)

    def _claim_on(self, resource: str) -> str:
        return f"claim on {self.scope}: {resource}"


def _as_json(record: Any) -> str:  # noqa: ANN401 - any record
    """Return a record as JSON; half a character (a lone surrogate, which JSON can smuggle in) becomes `?`."""
    try:
        return record.model_dump_json(by_alias=True)
    except PydanticSerializationError:
        text = json.dumps(record.model_dump(mode="json", by_alias=True), ensure_ascii=False)
        return text.encode(errors="replace").decode()


def _has(connection: Connection, incident: str, act: str, kind: str) -> bool:
    wanted = {"its_incident": incident, "its_act": act, "its_kind": kind}
    return connection.execute(OF_AN_ACT, wanted).first() is not None


@lru_cache(maxsize=1000)
def _speaker(said: str) -> By:
    """Few speak, and each of them often."""
    return By.model_validate_json(said)


def _moment(written: str) -> datetime:
    at = datetime.fromisoformat(written)
    if at.utcoffset() != timedelta(0):
        msg = f"{written} is no moment in UTC"
        raise ValueError(msg)
    return at


def _unknown(incident: str) -> NotFound:
    return NotFound(f"There is no incident {incident} in this journal.", "`allclear incidents` lists those there are.")
