"""Reports about one incident: how it stands, whether its record is unchanged, and its post-mortem."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.base import utc_now
from allclear.domain.errors import JournalError
from allclear.domain.incident import Incident
from allclear.domain.links import LinkTo
from allclear.domain.local_times import local, zone_name
from allclear.engine.alerts.explain import Explanation, alert_text, decision_text, explain
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.html_page import post_mortem_page
from allclear.reports.base import Page, Reader, Report
from allclear.reports.incident_summary import show

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class _OfIncident(Report):
    """A report about one incident."""

    incident: str = Field(description="The incident's id, as VS-12.")

    def _read(self, engine: Engine, reader: Reader) -> Incident:
        """Return the incident. Raises NotFound, and NotAllowed if it is private to the reader."""
        incident = engine.conductor.incident(self.incident)
        reader.require(engine.company.plan, incident)
        return incident


class Show(_OfIncident):
    """How an incident stands, its open questions and its timeline; as data, the entries of its record."""

    name: ClassVar[str] = "show"
    title: ClassVar[str] = "One incident, with its timeline"

    every: bool = Field(default=False, description="Include the lines that only an audit needs.")
    why: bool = Field(
        default=False, description="Explain each alert's decision, and why nothing was done automatically."
    )

    @override
    def _write(self, engine: Engine, reader: Reader, page: Page) -> Any:
        incident = self._read(engine, reader)
        if self.why:
            reasons = explain(engine.journal, engine.company, self.incident, utc_now())
            _explanation(reasons, engine.company.plan.zone, page)
            return reasons.as_json()
        entries = engine.journal.entries(self.incident)
        checking = engine.conductor.running_check(incident)
        page.draw(show(incident, entries, engine.company.plan, utc_now(), routine=self.every, checking=checking))
        if link := engine.links.href(LinkTo(incident=self.incident)):
            page.line(f"\nIts page: {link}")
        return [entry.model_dump(mode="json", by_alias=True) for entry in entries]


def _explanation(reason: Explanation, zone: tzinfo, page: Page) -> None:
    for line in (*reason.opened, *reason.automatic, *reason.stale):
        page.line(line)
    if not reason.decisions:
        page.line("No alert belongs to this incident.")
        return
    received = f"Received ({zone_name(zone, *(one.at for one in reason.decisions))})"
    page.heading(f"\n{received:19}  {'Source':12}  The alert, and the decision with its rule")
    for place, one in enumerate(reason.decisions):
        if place == 1 and reason.left_out:
            page.line(f"{'':21}({reason.left_out} more, which are not shown)")
        times = f" ({one.count} times)" if one.count > 1 else ""
        text = alert_text(one.state, one.severity, one.title)
        page.line(f"{local(one.at, zone):%Y-%m-%d %H:%M:%S}  {one.source:12}  {text}{times}")
        page.line(f"{'':21}{decision_text(one.decision, one.state, one.incident, one.reason)}")


class Verify(_OfIncident):
    """Whether no entry of an incident's record was changed, and the hash of the last one."""

    name: ClassVar[str] = "verify"
    title: ClassVar[str] = "Whether a record is unchanged"

    @override
    def _write(self, engine: Engine, reader: Reader, page: Page) -> dict[str, Any]:
        broken = engine.journal.broken_link(self.incident)
        if broken is not None:
            raise JournalError(
                f"The record of {self.incident} was changed at entry {broken}.", "Restore the journal from a backup."
            )
        state = engine.conductor.incident(self.incident)
        page.line(
            f"The record of {self.incident} is unchanged: {state.length} entries, the last one's hash is {state.head}"
        )
        return {"incident": self.incident, "entries": state.length, "hash": state.head}


class PostMortemDocument(_OfIncident):
    """The post-mortem: the company's template, filled from the journal."""

    name: ClassVar[str] = "post-mortem"
    title: ClassVar[str] = "The post-mortem of an incident"

    html: bool = Field(default=False, description="One HTML page instead of Markdown, with a chart.")

    @override
    def _write(self, engine: Engine, reader: Reader, page: Page) -> str:
        incident, company = self._read(engine, reader), engine.company
        service = company.systems.services.get(incident.opened.service)
        title = service.title if service else incident.opened.service
        entries = engine.journal.entries(self.incident)
        source = PostMortem(incident, entries, company.plan, title, company.post_mortem, utc_now())
        document = post_mortem_page(source) if self.html else write_post_mortem(source)
        page.document(document)
        return document
