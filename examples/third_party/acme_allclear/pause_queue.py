"""The action `acme.pause_queue`: it stops a queue's workers, so that bad jobs do no more damage."""

from datetime import timedelta

from acme_allclear.queues import Queues
from allclear.domain.action import Action, Change, Fence, Params, Receipt, State
from allclear.domain.errors import Refused
from allclear.domain.permission import Permission


class QueueParams(Params):
    """The queue to pause."""

    queue: str


class QueueState(State):
    """Whether the queue is paused."""

    paused: bool


class PauseQueue(Action[QueueParams, QueueState]):
    """Stops the workers of a queue; its jobs are kept."""

    name = "acme.pause_queue"
    title = "Pause a queue"
    params, state, needs = QueueParams, QueueState, (Queues,)
    fence = Fence.NONE  # the service compares no version and knows no key of ours: never write twice
    leaves = "queue paused"
    usual_risk = "Jobs wait until the queue is resumed."
    usual_undo = "Resumes the queue, unless it was changed since."
    permissions = (Permission(Queues.system, "to read, pause and resume queues", "a token with queues:write"),)

    def resource(self, params: QueueParams) -> str:
        return f"queue:{params.queue}"

    async def observe(self, params: QueueParams) -> QueueState:
        return QueueState(paused=await self.context.client(Queues).paused(params.queue))

    def plan(self, params: QueueParams, before: QueueState) -> Change[QueueState]:
        return self._change(params, before, paused=True)

    async def apply(self, params: QueueParams, change: Change[QueueState], key: str) -> Receipt:
        await self.context.client(Queues).pause(params.queue, paused=change.after.paused)
        return Receipt()

    def undo(self, params: QueueParams, done: Change[QueueState], now: QueueState) -> Change[QueueState]:
        if now != done.after:
            raise Refused(f"The queue {params.queue} was changed since.", "Ask who changed it, or leave it.")
        return self._change(params, now, paused=done.before.paused)

    def _change(self, params: QueueParams, before: QueueState, *, paused: bool) -> Change[QueueState]:
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"{'Pause' if paused else 'Resume'} the queue {params.queue}.",
            before=before,
            after=QueueState(paused=paused),
            risk="Jobs wait until the queue is resumed." if paused else "The jobs that waited are run.",
            undo=f"{'Resumes' if paused else 'Pauses'} the queue, unless it was changed since.",
            deadline=timedelta(seconds=30),
        )
