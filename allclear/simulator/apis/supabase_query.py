"""A PostgREST query string, taken apart: which rows, which columns, in which order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from allclear.simulator.apis.http_api import whole_number
from allclear.simulator.flag_table import FlagTable, Row

_RESERVED = ("select", "order", "limit", "offset", "columns", "on_conflict")
_TRUE, _FALSE = ("true", "t", "yes", "on", "1"), ("false", "f", "no", "off", "0")
_LARGEST = 10_000


class PostgrestError(Exception):
    """An error as PostgREST words it: status, its code or PostgreSQL's, message and details."""

    def __init__(self, status: int, code: str, message: str, details: str | None = None) -> None:
        super().__init__(code, message)
        self.status, self.code, self.message, self.details = status, code, message, details


@dataclass(frozen=True)
class Filter:
    """One condition on one column, and how it was written."""

    column: str
    written: str
    negated: bool
    wanted: tuple[Any, ...]

    def matches(self, value: object) -> bool:
        """Return whether a column's value meets the condition. In SQL, NULL is neither equal nor unequal to a value."""
        if value is None and None not in self.wanted:
            return False
        return (value in self.wanted) != self.negated


@dataclass(frozen=True)
class Query:
    """What a request asks of the table."""

    table: FlagTable
    columns: tuple[str, ...]
    filters: tuple[Filter, ...]
    order: tuple[tuple[str, bool], ...]
    limit: int | None
    offset: int

    def matches(self, row: Row) -> bool:
        """Return whether a row meets all the filters."""
        return all(f.matches(typed(self.table, f.column, row[f.column])) for f in self.filters)

    def sorted(self, rows: list[Row]) -> list[Row]:
        """Return the rows in the order asked for; the last-named column decides least."""
        for column, descending in reversed(self.order):
            rows = sorted(rows, key=lambda row: row[column], reverse=descending)
        return rows

    def page(self, rows: list[Row]) -> list[Row]:
        """Return the rows that limit and offset leave."""
        end = None if self.limit is None else self.offset + self.limit
        return rows[self.offset : end]

    def pick(self, row: Row) -> Row:
        """Return the columns that were asked for."""
        return {column: row[column] for column in self.columns}


def parse_query(items: list[tuple[str, str]], table: FlagTable) -> Query:
    """Return the query that a request's parameters spell.

    Raises PostgrestError: 42703 for an unknown column, PGRST100 for what cannot be parsed, 22P02
        for a value that the column's type cannot hold.
    """
    given = dict(items)
    chosen = [c.strip() for c in given.get("select", "*").split(",")]
    columns = [name for c in chosen for name in (table.columns if c in ("*", "") else [c])]
    for column in columns:
        _known(table, column)
    filters = [_filter(table, name, text) for name, text in items if name not in _RESERVED]
    return Query(
        table=table,
        columns=tuple(columns),
        filters=tuple(filters),
        order=tuple(_order(table, part) for part in given.get("order", "").split(",") if part),
        limit=_count(given["limit"], "limit") if "limit" in given else None,
        offset=_count(given.get("offset", "0"), "offset"),
    )


def typed(table: FlagTable, column: str, value: object) -> object:
    """Return the value as the column's type.

    Raises PostgrestError: 22P02 or 22007, as PostgreSQL has it.
    """
    kind = table.columns[column]
    if value is None:
        return None
    text = str(value).strip()
    if kind is bool:
        if isinstance(value, bool):
            return value
        if text.lower() in (*_TRUE, *_FALSE):
            return text.lower() in _TRUE
    elif kind is int:
        if re.fullmatch(r"[+-]?\d{1,18}", text):
            return int(text)
    elif kind is datetime:
        return _moment(text)
    elif isinstance(value, str):
        return value
    names: dict[type, str] = {bool: "boolean", int: "bigint"}
    message = f'invalid input syntax for type {names.get(kind, "text")}: "{value}"'
    raise PostgrestError(400, "22P02", message)


def _moment(text: str) -> datetime:
    try:
        # A plus sign that was not encoded arrives as a space.
        moment = datetime.fromisoformat(re.sub(r" (\d\d:\d\d)$", r"+\1", text))
    except ValueError:
        message = f'invalid input syntax for type timestamp with time zone: "{text}"'
        raise PostgrestError(400, "22007", message) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _filter(table: FlagTable, column: str, text: str) -> Filter:
    _known(table, column)
    negated = text.startswith("not.")
    operator, dot, value = text.removeprefix("not.").partition(".")
    if not dot or operator not in ("eq", "neq", "is", "in"):
        raise _unparsable(f"({text})", "the simulated table filters with eq, neq, is and in only")
    if operator == "in":
        wanted = tuple(typed(table, column, part) for part in _list(value))
    elif operator == "is" and value.lower() == "null":
        wanted = (None,)
    else:
        wanted = (typed(table, column, value),)
    return Filter(column, text, negated != (operator == "neq"), wanted)


def _list(value: str) -> list[str]:
    if not (value.startswith("(") and value.endswith(")")):
        raise _unparsable(f"(in.{value})", "a list is written in parentheses")
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"|([^,]+)', value[1:-1])
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in parts]


def _order(table: FlagTable, part: str) -> tuple[str, bool]:
    column, _, rest = part.partition(".")
    _known(table, column)
    words = rest.split(".") if rest else []
    if not set(words) <= {"asc", "desc", "nullsfirst", "nullslast"}:
        raise _unparsable(f"({part})", "expected asc, desc, nullsfirst or nullslast")
    return column, "desc" in words


def _count(text: str, what: str) -> int:
    number = whole_number(text)
    if number is None:
        raise _unparsable(f"({text})", f"{what} must be a whole number")
    return min(number, _LARGEST)


def _known(table: FlagTable, column: str) -> None:
    if column not in table.columns:
        raise PostgrestError(400, "42703", f"column {table.name}.{column} does not exist")


def _unparsable(what: str, details: str) -> PostgrestError:
    return PostgrestError(400, "PGRST100", f'"failed to parse {what}" (line 1, column 1)', details)
