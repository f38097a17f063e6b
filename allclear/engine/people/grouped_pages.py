"""Which of our pages an incident of the pager holds, although it has another key.

PagerDuty may group our page into an incident that is open, so that its reports name only that incident
(docs/decisions/0080-grouped-pages.md). The alerts in it are read away from the inbox: the report waits meanwhile, and
everything else is taken in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from allclear.company import Company
from allclear.domain.act import Act
from allclear.domain.action import AnyAction
from allclear.domain.base import Clock
from allclear.domain.errors import AllclearError, JournalError, NotFound, Unreachable, VendorRefused
from allclear.domain.notify.page_news import PAGE, PEOPLE_PAGE, PageNews
from allclear.engine.actions.executor import Executor
from allclear.engine.incidents import readable
from allclear.journal.ports import Journal

log = logging.getLogger("allclear.responder")

_LONGEST = timedelta(minutes=2)
"""How long a report waits for the pager's answer; then it counts as one about another team's page."""

_PAUSE = timedelta(seconds=3)
"""The time between two tries."""

_KNOWN_FOR = timedelta(minutes=1)
"""How long an answer counts: PagerDuty may group our page into the same incident later."""

_MOST = 50
"""Incidents of the pager about which reports wait at the same time, so that alerts behind them never wait long."""


@dataclass
class _Asked:
    """One incident of the pager that may hold a page of ours."""

    since: datetime
    next_try: datetime
    key: str = ""
    """Our key that it holds; empty if it holds none."""
    until: datetime | None = None
    """How long the answer counts; None if there is none yet."""


class GroupedPages:
    """Finds the key of our page in the incidents that the pager reports about. Used by two threads."""

    def __init__(
        self,
        journal: Journal,
        executor: Executor,
        company: Company,
        is_ours: Callable[[PageNews], bool],
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._executor = executor
        self._company = company
        self._is_ours = is_ours
        self._clock = clock
        self._lock = Lock()
        self._asked: dict[str, _Asked] = {}

    def key_of(self, news: PageNews) -> str | None:
        """Return our key that the reported incident holds, the empty string for none, and None while it is asked.

        Raises JournalError.
        """
        if news.what in {"triggered", "merged"} or self._is_ours(news):
            return ""
        now = self._clock()
        with self._lock:
            known = self._asked.get(news.page)
            if known and known.until is None:
                return None
            if known and known.until and now < known.until:
                return known.key
        if not any(self._unknown_pages()):
            return ""
        with self._lock:
            self._asked = {page: one for page, one in self._asked.items() if one.until is None or now < one.until}
            if len(self._asked) >= _MOST:
                return ""
            self._asked[news.page] = _Asked(now, now)
        return None

    async def ask(self) -> bool:
        """Ask the pager about each incident that waits; return whether one has its answer. Raises JournalError."""
        now = self._clock()
        with self._lock:
            waiting = [(page, one) for page, one in self._asked.items() if one.until is None and one.next_try <= now]
        answered = False
        for page, asked in waiting:
            key = await self._ask(page, asked, now)
            if key is not None:
                answered, asked.key, asked.until = True, key, self._clock() + _KNOWN_FOR
        return answered

    async def _ask(self, page: str, asked: _Asked, now: datetime) -> str | None:
        """Return our key in one incident of the pager; empty for none, None if it must be asked again."""
        try:
            for act, action in self._unknown_pages():
                ours = (act.proposed.resource or "").partition(":")[2]
                if ours in await action.keys_in(page):
                    return ours
        except JournalError:
            raise
        except AllclearError as error:
            passes = isinstance(error, Unreachable) or (isinstance(error, VendorRefused) and error.passes)
            if passes and now - asked.since < _LONGEST:
                asked.next_try = now + _PAUSE
                return None
            log.warning(
                "Whether the pager's incident %s holds a page of ours cannot be read, so that what it reports about it "
                "is not taken as news of a page: %s",
                page,
                error,
            )
        return ""

    def _unknown_pages(self) -> Iterator[tuple[Act, AnyAction]]:
        """Yield each open page of ours whose incident in the pager is not known, and its action."""
        for incident in readable(self._journal, self._journal.incidents(open_only=True)):
            known = {state.act for state in incident.pager.values()}
            for act in incident.acts.values():
                family = (act.proposed.resource or "").partition(":")[0]
                sent = act.proposed.pages and act.issued and act.in_place and family in {PAGE, PEOPLE_PAGE}
                action = self._asking(act.proposed.action) if sent and act.id not in known else None
                if action:
                    yield act, action

    def _asking(self, name: str) -> AnyAction | None:
        """Return the action of a page if it can read which pages the pager has put together here."""
        try:
            action = self._executor.action(name)
        except NotFound:  # it is not installed any more
            return None
        systems = [client.system for client in (*action.needs, *action.uses)]
        described = all(system in self._company.systems.systems for system in systems)
        return action if action.knows_groups and described else None
