"""`python -m allclear.reference`: write docs/actions.md and docs/systems.md, in a clone of the repository."""

from __future__ import annotations

from pathlib import Path

from allclear.company.traceability_page import traced_companies
from allclear.engine.actions.registry import Registry
from allclear.reference.actions_page import actions_page
from allclear.reference.find_tests import find_tests
from allclear.reference.systems_page import systems_page

ROOT = Path(__file__).parents[2]


def pages(root: Path = ROOT) -> dict[str, str]:
    """Return path -> content of both pages, of what is installed and of the clone's companies. Raises ConfigError."""
    registry = Registry.installed()
    kinds = [*registry.actions.values(), *registry.probes.values()]
    tests = find_tests(root, kinds)
    by_name = {kind.name: tests[kind] for kind in kinds}
    return {
        "docs/actions.md": actions_page(registry, by_name),
        "docs/systems.md": systems_page(traced_companies(root / "runbooks"), registry, tests),
    }


def main() -> None:
    """Write the pages."""
    for path, content in pages().items():
        (ROOT / path).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
