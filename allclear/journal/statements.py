"""The statements that every move and every alert needs. Made once: to build one takes longer than to run it.

Their values are named as the columns, after `its_`.
"""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Select, bindparam, func, insert, select, update

from allclear.journal.tables import ENTRIES, INBOX, INCIDENTS

HEAD = select(INCIDENTS.c.length, INCIDENTS.c.head, INCIDENTS.c.scope).where(INCIDENTS.c.id == bindparam("its_id"))
HEAD_ALONE = HEAD.with_for_update()
"""Nobody else writes to the incident before the transaction ends."""

MOVED = (
    update(INCIDENTS)
    .where(INCIDENTS.c.id == bindparam("its_id"))
    .values(length=bindparam("its_length"), head=bindparam("its_head"))
)
ENDED = MOVED.values(ended_at=bindparam("its_ended_at"))

OPEN_WITH = select(INCIDENTS.c.id).where(
    INCIDENTS.c.scope == bindparam("its_scope"), INCIDENTS.c.key == bindparam("its_key"), INCIDENTS.c.ended_at.is_(None)
)
OPEN_WITH_ALONE = OPEN_WITH.with_for_update()
LAST_NUMBER = select(func.max(INCIDENTS.c.number)).where(INCIDENTS.c.short == bindparam("its_short"))

ADD_ENTRY = insert(ENTRIES)
ENTRIES_AFTER = (
    select(ENTRIES)
    .where(ENTRIES.c.incident == bindparam("its_incident"), ENTRIES.c.number > bindparam("its_number"))
    .order_by(ENTRIES.c.number)
)
OF_AN_ACT = (
    select(ENTRIES.c.number)
    .where(
        ENTRIES.c.incident == bindparam("its_incident"),
        ENTRIES.c.act == bindparam("its_act"),
        ENTRIES.c.kind == bindparam("its_kind"),
    )
    .limit(1)
)

DELIVERED = (
    select(INBOX.c.id, INBOX.c.state).where(INBOX.c.delivery_key == bindparam("its_delivery_key")).with_for_update()
)
DELIVERED_AGAIN = (
    update(INBOX)
    .where(INBOX.c.id == bindparam("its_id"))
    .values(count=INBOX.c.count + bindparam("its_count"), state="new")
)
A_DELIVERY = select(INBOX).where(INBOX.c.id == bindparam("its_id"))
READ_TO = update(INBOX).where(INBOX.c.id == bindparam("its_id")).values(read_to=bindparam("its_count"))
SETTLED = (
    update(INBOX)
    .where(INBOX.c.id == bindparam("its_id"))
    .values(state=bindparam("its_state"), reason=bindparam("its_reason"), incident=bindparam("its_incident"), read_to=0)
)
_PLACED = (
    select(
        INBOX.c.id,
        INBOX.c.source,
        INBOX.c.number,
        func.row_number().over(partition_by=INBOX.c.source, order_by=INBOX.c.number).label("place"),
    )
    .where(INBOX.c.state == "new", INBOX.c.scope == bindparam("its_scope"))
    .subquery()
)
UNREAD = (
    select(_PLACED.c.id, _PLACED.c.source).where(_PLACED.c.place <= bindparam("its_most")).order_by(_PLACED.c.number)
)
LAST_DELIVERY = select(func.max(INBOX.c.number))
ADD_DELIVERY = insert(INBOX)


@lru_cache
def incidents_where(asked: frozenset[str]) -> Select[tuple[str, str, str, str | None, int, str]]:
    """Return the list of incidents, newest first: those of a scope; of a service, opened or ended since, or open."""
    columns = INCIDENTS.c
    conditions = {
        "open_only": columns.ended_at.is_(None),
        "service": columns.service == bindparam("its_service"),
        "since": columns.opened_at >= bindparam("its_since"),
        "ended_since": columns.ended_at.is_(None) | (columns.ended_at >= bindparam("its_ended_since")),
    }
    listed = select(columns.id, columns.service, columns.opened_at, columns.ended_at, columns.length, columns.head)
    wanted = [condition for name, condition in conditions.items() if name in asked]
    return listed.where(columns.scope == bindparam("its_scope"), *wanted).order_by(
        columns.opened_at.desc(), columns.number.desc()
    )
