"""What a change by hand would do now: shown before a person confirms it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from allclear.domain.action import Refusal
from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import Refused
from allclear.domain.privacy import require_reader
from allclear.domain.records import By
from allclear.domain.text import asked_words, signature

if TYPE_CHECKING:
    from allclear.bootstrap import Engine
    from allclear.engine.actions.executor import Preview


class ChangeView(Model):
    """What would be changed, and what speaks against it."""

    summary: str = Field(description="The change, in a sentence.")
    was: str = Field(description="What it is now.")
    becomes: str = Field(description="What it would be.")
    risk: str
    undo: str = Field(description="How it is undone.")
    digest: str = Field(description="Binds a confirmation to this change: send it along.")
    done: bool = Field(description="Whether nothing is left to change.")
    refusals: list[Refusal] = Field(description="Why it would be refused now; one that passes is waited for.")
    approval: str = Field(default="", description="Who must approve it; empty if no approval is needed.")

    @classmethod
    def of(cls, preview: Preview, approval: str = "") -> ChangeView:
        """Return what `preview` shows."""
        change = preview.change
        was, becomes = change.in_words
        return cls(
            summary=change.summary,
            was=was,
            becomes=becomes,
            risk=change.risk,
            undo=change.undo,
            digest=change.digest,
            done=preview.done,
            refusals=preview.refusals,
            approval=approval,
        )


class PreviewUndo(Model):
    """An act whose undo is to be shown."""

    act: str = Field(description="The act, as contain/roll-back.")

    async def show(self, engine: Engine, incident: str, by: By) -> ChangeView:
        """Return what undoing it would change. Raises NotFound, and Refused if it cannot be undone."""
        require_reader(engine.company.plan, engine.conductor.incident(incident), by)
        return ChangeView.of(await engine.manual.preview_undo(incident, self.act, by))


class PreviewAct(Model):
    """An action that is to be shown."""

    action: str = Field(description="An action, as cloud_run.rollback_traffic.")
    params: JsonDict = Field(default={}, description="Its parameters, as service -> storefront.")

    async def show(self, engine: Engine) -> ChangeView:
        """Return what it would change. Raises NotFound, ConfigError, Refused, VendorError."""
        from allclear.engine.actions.manual import PHASE  # noqa: PLC0415 - the command line starts without it
        from allclear.engine.actions.proposals import ActionRequest  # noqa: PLC0415 - as above

        request = ActionRequest(PHASE, "preview", self.action, self.params, "")
        try:
            preview, policy = await engine.proposer.preview(request)
        except Refused as error:
            raise self._with_command(engine, error) from error
        return ChangeView.of(preview, asked_words(policy, engine.company.plan) if policy else "")

    def _with_command(self, engine: Engine, error: Refused) -> Refused:
        """Return the refusal with the command that names one of its candidates, if it has any."""
        chooses = engine.executor.action(self.action).chooses
        if not error.candidates or not chooses:
            return error
        given = {**self.params, chooses: error.candidates[0].name}
        params = " ".join(f"{name}={value}" for name, value in given.items())
        sign = signature(engine.company.plan)
        command = f"allclear act {engine.company.name} {self.action} {params} --reason WHY {sign}"
        return Refused(error.message, f"Choose one of them and name it, as in: {command}", error.candidates)
