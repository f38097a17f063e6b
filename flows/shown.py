"""What a flow run shows in Prefect: lines of its log, and the sentence with which it ends.

Each flow does its work in `carried_out`, and writes no log line and no state of its own. So nothing of a private
incident reaches Prefect, which knows no readers.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from prefect import get_run_logger
from prefect.states import Completed
from typing_extensions import override

from allclear.bootstrap import Engine, open_engine
from allclear.domain.errors import AllclearError, NotFound
from allclear.domain.links import LinkTo
from allclear.domain.notify.published import became_private
from allclear.domain.privacy import NotAReader, is_private, where_to_read
from allclear.engine.prefect_privacy import hide_in_prefect
from allclear.prefect_api import PrefectApi
from flows.run_context import Ended, not_done


class _WaitingIsNoError(logging.Filter):
    """Lets a run that waits for people say so as information: Prefect logs every end but success as an error."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno == logging.ERROR and record.getMessage() == "Finished in state Suspended(type=PAUSED)":
            record.levelno, record.levelname = logging.INFO, "INFO"
        return True


logging.getLogger("prefect.flow_runs").addFilter(_WaitingIsNoError())


class Shown:
    """The incident that a run is about, and what the run may show of it."""

    def __init__(self, engine: Engine, incident: str = "") -> None:
        """`incident` is its id; empty if it is not known yet."""
        self._engine = engine
        self._incident = incident

    def about(self, incident: str) -> None:
        """Name the incident, once it is known."""
        self._incident = incident

    @property
    def private(self) -> bool:
        """Return whether the incident is private. Raises JournalError."""
        if not self._incident:
            return False
        with suppress(NotFound):
            return is_private(self._engine.company.plan, self._engine.conductor.incident(self._incident))
        return False

    @property
    def where(self) -> str:
        """Return where the incident can be read."""
        return where_to_read(self._incident, self._engine.links.href(LinkTo(incident=self._incident)))

    def text(self, sentence: str, instead: str = "") -> str:
        """Return the sentence; of a private incident only `instead`, and where to read more."""
        return f"{instead} {self.where}".strip() if self.private else sentence

    def problem(self, error: AllclearError) -> str:
        """Return why it was not done. That a person may not read an incident says nothing of it."""
        return str(error) if isinstance(error, NotAReader) else self.text(str(error), "It was NOT done.")

    def log(self, sentence: str, level: int = logging.INFO) -> None:
        """Write a line to the run's log."""
        get_run_logger().log(level, "%s", self.text(sentence))

    async def hide(self) -> None:
        """Replace what Prefect has of a private incident, this run's parameters included, as far as it answers."""
        if not self.private:
            return
        incident, engine = self._engine.conductor.incident(self._incident), self._engine
        prefect = PrefectApi(engine.settings.prefect_api_url, engine.company.name)
        with suppress(AllclearError):  # the responder does it again
            page = engine.links.href(LinkTo(incident=incident.id))
            since = became_private(engine.company.plan, incident)
            await hide_in_prefect(prefect, engine.company.plan, incident, page, since and since.at)
        await prefect.close()


async def carried_out(work: Callable[[Engine, Shown], Awaitable[str]], incident: str = "") -> Ended:
    """Do a run's work with an engine, and return the state in which the run ends.

    `work` returns the sentence about what was done, or raises AllclearError if it was not done. `incident` is the id of
    the incident; if it is known later, `work` says so (`Shown.about`).
    """
    try:
        async with open_engine() as engine:
            shown = Shown(engine, incident.strip().upper())
            try:
                sentence, done = shown.text(await work(engine, shown), "It is recorded."), True
            except AllclearError as error:
                sentence, done = shown.problem(error), False
            except Exception as error:
                if not shown.private:
                    raise  # Prefect shows the traceback
                sentence, done = f"It failed: {type(error).__name__}. {shown.where}", False
            await shown.hide()
    except AllclearError as error:  # the engine cannot be opened, or the journal does not answer
        return not_done(str(error))
    if not done:
        return not_done(sentence)
    get_run_logger().info(sentence)
    return Completed(message=sentence)
