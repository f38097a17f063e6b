"""The post-mortem as one HTML page that loads nothing and runs nothing: it can be mailed, printed and archived."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from allclear.domain.text import plain
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.failures_chart import CHART, legend, marks, svg_chart
from allclear.postmortem.measurements import measure

if TYPE_CHECKING:
    from markdown_it.renderer import RendererProtocol
    from markdown_it.token import Token

_STYLE = """
:root { color-scheme: light; --ink: #1d2126; --soft: #5b6570; --line: #d9dee3; --bad: #b03a2e; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 52rem; padding: 1rem 1.25rem 4rem; color: var(--ink); background: #fff;
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.55rem; line-height: 1.2; margin: .4rem 0 .6rem; }
h2 { font-size: 1.15rem; margin: 1.6rem 0 .5rem; padding-top: .7rem; border-top: 1px solid var(--line); }
h1 + p + h2, h1 + p + p + h2 { margin-top: .7rem; }
p, ul, ol { margin: .5rem 0; }
ul, ol { padding-left: 1.2rem; }
li { margin: .15rem 0; }
em { color: var(--soft); }
code { font: .85em/1.4 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .22rem .9rem .22rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; font-size: .85rem; }
td:nth-child(2) { font-variant-numeric: tabular-nums; }
td:last-child { min-width: 7rem; }
.many { min-width: 46rem; font-size: .88rem; }
.wide:has(.many)::before { content: "Scroll sideways for all columns."; display: none; color: var(--soft); }
figure { margin: .4rem 0 .8rem; max-width: 40rem; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { font-size: .9rem; color: var(--soft); }
figcaption span { display: inline-block; margin-right: 1rem; }
figcaption b { color: #1f5f8b; }
.drill { border-left: 4px solid var(--bad); padding-left: .7rem; color: var(--bad); }
@media (max-width: 30rem) { body { font-size: 15px; padding: .5rem .9rem 3rem; } h1 { font-size: 1.3rem; }
  h2 { font-size: 1.1rem; margin-top: 1.1rem; } th, td { padding-right: .6rem; }
  .wide:has(.many)::before { display: block; } }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}</body>
</html>
"""

_PERCENT = re.compile(r"(\d) %")
"""A number and its sign, which stay on one line."""

_BOXES = {"[ ] ": "☐", "[x] ": "☑"}

_MANY_COLUMNS = 4
"""A table with more columns is as wide as it needs to be, and is scrolled on a phone."""


def post_mortem_page(source: PostMortem) -> str:
    """Return the post-mortem as HTML: its Markdown, with the chart drawn. Raises ConfigError as `write_post_mortem`."""
    incident = source.incident
    markdown = _PERCENT.sub("\\1\u00a0%", write_post_mortem(source))
    name = plain(f"{incident.id}: {incident.title}", 200)
    title = f"[SIMULATED] {name}" if incident.opened.simulated else name
    return _PAGE.format(
        language=escape(source.plan.language), title=escape(title), style=_STYLE, body=_body(markdown, _figure(source))
    )


def _figure(source: PostMortem) -> str:
    """Return the chart with a legend of its numbers; empty if nothing was measured."""
    measured, marked, zone = measure(source.incident, source.entries), marks(source.incident), source.plan.zone
    svg = svg_chart(measured, marked, zone)
    numbers = "".join(
        f"<span><b>{number}</b> {escape(words)}</span> " for number, words in legend(measured, marked, zone)
    )
    return f"<figure>{svg}<figcaption>{numbers}</figcaption></figure>\n" if svg else ""


def _body(markdown: str, figure: str) -> str:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - only HTML needs it

    reader = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable(["table", "strikethrough"])

    def block(_: RendererProtocol, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:  # noqa: ANN401, ARG001
        token = tokens[place]
        return figure if token.info == CHART else f"<pre><code>{escape(token.content)}</code></pre>\n"

    def table(_: RendererProtocol, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:  # noqa: ANN401, ARG001
        row = next((number for number, token in enumerate(tokens[place:]) if token.type == "tr_close"), 0)
        columns = sum(token.type == "th_open" for token in tokens[place : place + row])
        return f'<div class="wide"><table{" class=" + chr(34) + "many" + chr(34) if columns > _MANY_COLUMNS else ""}>\n'

    reader.add_render_rule("fence", block)
    reader.add_render_rule("table_open", table)
    reader.add_render_rule("table_close", lambda *_: "</table></div>\n")
    tokens = reader.parse(markdown)
    _mark(tokens)
    return str(reader.renderer.render(tokens, reader.options, {}))


def _mark(tokens: Sequence[Token]) -> None:
    """Mark the banner of a drill, and show boxes to tick as such."""
    for before, token in pairwise(tokens):
        if token.type != "inline" or not token.children:
            continue
        if before.type == "paragraph_open" and token.content.startswith("**SIMULATED: "):
            before.attrSet("class", "drill")
        first = token.children[0]
        box = _BOXES.get(first.content[:4]) if first.type == "text" else None
        if box:
            first.content = f"{box} {first.content[4:]}"
