"""What separates the incidents that share a journal: the company, and whether production is simulated."""

from __future__ import annotations

from dataclasses import dataclass, field

from allclear.domain.errors import NotFound

_SIMULATED = "/simulated"


@dataclass(frozen=True)
class Scope:
    """One company's real incidents, or those of its drills.

    A journal is opened in one scope and lists only what belongs to it, so that no drill changes a real incident and no
    company sees another's. As text, which is what the journal stores: `acme` or `acme/simulated`.
    """

    company: str
    simulated: bool = field(kw_only=True)
    simulation: str = field(default="", kw_only=True, compare=False)
    """The id of the simulated production, which is a new one after each restart of it; empty if that is not known.

    The incidents of all simulated productions of a company belong to one scope.
    """

    def __str__(self) -> str:
        """Return the scope as the journal stores it."""
        return f"{self.company}{_SIMULATED}" if self.simulated else self.company

    @classmethod
    def read(cls, text: str) -> Scope:
        """Return the scope that the journal stored as `text`."""
        return cls(text.removesuffix(_SIMULATED), simulated=text.endswith(_SIMULATED))

    def require(self, incident: str, scope: Scope) -> None:
        """Raise NotFound unless `scope`, to which `incident` belongs, is this one."""
        if scope == self:
            return
        if scope.company != self.company:
            next_step = f"Set ALLCLEAR_COMPANY={scope.company}, or work in that company's terminal."
        elif scope.simulated:
            next_step = "Set ALLCLEAR_SIMULATION, as the drill or `allclear up --simulated` printed it."
        else:
            next_step = "Leave the simulation: unset ALLCLEAR_SIMULATION."
        raise NotFound(f"{incident} belongs to {scope}, and this process works on {self}.", next_step)
