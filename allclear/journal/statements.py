"""The statements that run for every entry and alert. Made once, because building one takes longer than running it.

Their parameters are named `p_` and the column.
"""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    String,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from allclear.journal.tables import BASELINES, CLAIMS, ENTRIES, INBOX, INCIDENTS, OUTBOX

HEAD = select(INCIDENTS.c.length, INCIDENTS.c.head, INCIDENTS.c.scope).where(INCIDENTS.c.id == bindparam("p_id"))
HEAD_LOCKED = HEAD.with_for_update()
"""Locks the incident until the transaction ends."""

SET_HEAD = (
    update(INCIDENTS)
    .where(INCIDENTS.c.id == bindparam("p_id"))
    .values(length=bindparam("p_length"), head=bindparam("p_head"))
)
SET_ENDED = SET_HEAD.values(ended_at=bindparam("p_ended_at"))

OPEN_WITH_KEY = select(INCIDENTS.c.id).where(
    INCIDENTS.c.scope == bindparam("p_scope"), INCIDENTS.c.key == bindparam("p_key"), INCIDENTS.c.ended_at.is_(None)
)
OPEN_WITH_KEY_LOCKED = OPEN_WITH_KEY.with_for_update()
LAST_NUMBER = select(func.max(INCIDENTS.c.number)).where(INCIDENTS.c.short == bindparam("p_short"))

TICKET_PREFIX = "-T"
"""The end of `short` in the rows of tickets: `VS-T3` is the third ticket of VS. A plan's `short` has no hyphen."""

ADD_ENTRY = insert(ENTRIES)
ENTRIES_AFTER = (
    select(ENTRIES)
    .where(ENTRIES.c.incident == bindparam("p_incident"), ENTRIES.c.number > bindparam("p_number"))
    .order_by(ENTRIES.c.number)
)
ENTRY_OF_ACT = (
    select(ENTRIES.c.number)
    .where(
        ENTRIES.c.incident == bindparam("p_incident"),
        ENTRIES.c.act == bindparam("p_act"),
        ENTRIES.c.kind == bindparam("p_kind"),
    )
    .limit(1)
)

TOUCHING = (
    select(INCIDENTS.c.id)
    .where(
        INCIDENTS.c.scope == bindparam("p_scope"),
        INCIDENTS.c.id.in_(select(ENTRIES.c.incident).where(ENTRIES.c.resource == bindparam("p_resource"))),
    )
    .order_by(INCIDENTS.c.opened_at, INCIDENTS.c.number)
)

_CLAIM_ON = (CLAIMS.c.scope == bindparam("p_scope")) & (CLAIMS.c.resource == bindparam("p_resource"))
CLAIM_ON = select(CLAIMS).where(_CLAIM_ON)
ADD_CLAIM = insert(CLAIMS)
REMOVE_CLAIM = delete(CLAIMS).where(_CLAIM_ON)
REMOVE_OWN_CLAIM = REMOVE_CLAIM.where(CLAIMS.c.token == bindparam("p_token"))
RENEW_OWN_CLAIM = (
    update(CLAIMS).where(_CLAIM_ON, CLAIMS.c.token == bindparam("p_token")).values(until=bindparam("p_until"))
)

BASELINES_BEFORE = (
    select(BASELINES)
    .where(
        BASELINES.c.scope == bindparam("p_scope"),
        BASELINES.c.resource == bindparam("p_resource"),
        BASELINES.c.at <= bindparam("p_before"),
    )
    .order_by(BASELINES.c.at.desc(), BASELINES.c.number.desc())
    .limit(bindparam("p_limit"))
)

DUE_MESSAGES = (
    select(OUTBOX)
    .where(
        OUTBOX.c.done == 0,
        OUTBOX.c.next_at <= bindparam("p_now"),
        OUTBOX.c.incident.in_(select(INCIDENTS.c.id).where(INCIDENTS.c.scope == bindparam("p_scope"))),
    )
    .order_by(OUTBOX.c.next_at)
    .limit(bindparam("p_limit"))
)
DUE_MESSAGES_OF = DUE_MESSAGES.where(OUTBOX.c.incident == bindparam("p_incident"))

DELIVERIES_WITH_KEYS_LOCKED = (
    select(INBOX.c.id, INBOX.c.state, INBOX.c.number, INBOX.c.read_again, INBOX.c.delivery_key)
    .where(INBOX.c.delivery_key.in_(bindparam("p_delivery_keys", expanding=True)))
    .order_by(INBOX.c.number)
    .with_for_update()
)
"""Locks the rows in the order in which the inbox worker writes them, so that the two never wait for each other."""
NEWEST_UNREAD = select(func.max(INBOX.c.number), func.max(INBOX.c.read_again)).where(
    INBOX.c.state == "new", INBOX.c.scope == bindparam("p_scope"), INBOX.c.source == bindparam("p_source")
)
COUNT_REPEAT = update(INBOX).where(INBOX.c.id == bindparam("p_id")).values(count=INBOX.c.count + bindparam("p_count"))
READ_NOW = COUNT_REPEAT.values(state="new", number=bindparam("p_number"))
READ_AGAIN = COUNT_REPEAT.values(read_again=bindparam("p_number"))
DELIVERY = select(INBOX).where(INBOX.c.id == bindparam("p_id"))
SET_TAKEN_IN = update(INBOX).where(INBOX.c.id == bindparam("p_id")).values(taken_in=bindparam("p_taken_in"))
SET_STATE = (
    update(INBOX)
    .where(INBOX.c.id == bindparam("p_id"))
    .values(
        state=case((INBOX.c.read_again.is_(None), bindparam("p_state", type_=String)), else_="new"),
        number=func.coalesce(INBOX.c.read_again, INBOX.c.number),
        read_again=None,
        reason=bindparam("p_reason"),
        incident=bindparam("p_incident"),
        taken_in=0,
    )
)
_RANKED = (
    select(
        INBOX.c.id,
        INBOX.c.source,
        INBOX.c.number,
        func.row_number().over(partition_by=INBOX.c.source, order_by=INBOX.c.number).label("rank"),
    )
    .where(INBOX.c.state == "new", INBOX.c.scope == bindparam("p_scope"))
    .subquery()
)
UNREAD = (
    select(_RANKED.c.id, _RANKED.c.source).where(_RANKED.c.rank <= bindparam("p_per_source")).order_by(_RANKED.c.number)
)
LAST_DELIVERY = select(
    select(func.max(INBOX.c.number)).scalar_subquery(), select(func.max(INBOX.c.read_again)).scalar_subquery()
)
"""Two queries in one, because SQLite finds a maximum in an index only if it is the only one that is asked for."""
ADD_DELIVERY = insert(INBOX)


@lru_cache
def _follow_ups(kind: str) -> ScalarSelect[int]:
    """Return the query for how many records of a kind the incident has."""
    entries = ENTRIES.c
    count = select(func.count()).where(entries.incident == INCIDENTS.c.id, entries.kind == kind)
    return count.correlate(INCIDENTS).scalar_subquery()


def _follow_up_done_since() -> ColumnElement[bool]:
    """Return whether the incident has a follow-up that was done at `p_with_follow_ups` or later."""
    entries = ENTRIES.c
    lately = entries.at >= bindparam("p_with_follow_ups")
    done = select(entries.number).where(entries.incident == INCIDENTS.c.id, entries.kind == "follow-up.done", lately)
    return done.correlate(INCIDENTS).exists()


@lru_cache
def incidents_where(filters: frozenset[str]) -> Select[tuple[str, str, str, str | None, int, str]]:
    """Return the query for the incidents of a scope, newest first, with these filters."""
    columns = INCIDENTS.c
    conditions = {
        "open_only": columns.ended_at.is_(None),
        "service": columns.service == bindparam("p_service"),
        "since": columns.opened_at >= bindparam("p_since"),
        "ended_since": columns.ended_at.is_(None) | (columns.ended_at >= bindparam("p_ended_since")),
        "no_tickets": columns.short.not_like(f"%{TICKET_PREFIX}"),
        "with_follow_ups": (_follow_ups("follow-up.added") > _follow_ups("follow-up.done")) | _follow_up_done_since(),
    }
    query = select(
        columns.id, columns.service, columns.opened_at, columns.ended_at, columns.length, columns.head
    ).where(columns.scope == bindparam("p_scope"))
    query = query.where(*(condition for name, condition in conditions.items() if name in filters))
    return query.order_by(columns.opened_at.desc(), columns.number.desc())
