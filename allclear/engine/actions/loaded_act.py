"""An act read back from the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allclear.domain.action import AnyAction, Change


@dataclass(frozen=True)
class LoadedAct:
    """An act's action, parameters and change, with the types that its journal entry does not keep."""

    action: AnyAction
    params: Any
    change: Change[Any]
