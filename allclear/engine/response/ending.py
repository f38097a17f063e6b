"""The end of an incident: what is still open is closed with it, in the same transaction.

An approval that was given or asked for can then not change production after the end, whichever process comes first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.after_end import is_still_asked, may_still_begin
from allclear.domain.incident import Incident
from allclear.domain.records import ActFinished, IncidentEnded
from allclear.domain.runbook import Phase
from allclear.engine.response.flow_starts import start_message
from allclear.engine.response.moves import WithdrawAsk
from allclear.engine.response.withdrawals import withdrawal
from allclear.journal.rows import OutboxMessage


def ending(incident: Incident, ended: IncidentEnded) -> tuple[list[Any], list[OutboxMessage]]:
    """Return the records of the end, `ended` last, and its outbox messages.

    Questions that the end leaves without a purpose are withdrawn, and the flow runs that wait for them are resumed.
    Acts that have not begun are refused. After a resolved incident the review is started.
    """
    over = replace(incident, ended=ended)
    reason = f"{incident.id} has ended"
    records: list[Any] = []
    outbox = [start_message(incident.id, Phase.REVIEW.value)] if ended.ending == "resolved" else []
    for state in incident.open_asks:
        if not is_still_asked(over, state):
            closed, resumed = withdrawal(incident, WithdrawAsk(state.ask.id, reason, inapplicable=True))
            records += closed
            outbox += resumed
    finished = {record.act for record in records if isinstance(record, ActFinished)}
    for act in incident.acts.values():
        if act.outcome is None and not act.begun and act.id not in finished and not may_still_begin(over, act):
            refused = Outcome(status=ActStatus.REFUSED, changed=False, sentence=f"It was not done: {reason}.")
            records.append(ActFinished(act=act.id, outcome=refused))
    return [*records, ended], outbox
