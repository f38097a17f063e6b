"""How each monitoring system writes its alerts: one small file for each source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allclear.engine.intake import Alert
from allclear.responder.sources import alertmanager, json_alert

Parser = Callable[[Any], list[Alert]]

SOURCES: dict[str, Parser] = {"json": json_alert.parse, "alertmanager": alertmanager.parse}
"""Source -> how its body (already decoded JSON) becomes alerts. A parser raises ValueError with one sentence."""
