"""Headless Chromium, and Prefect's two user interfaces in it, as a person uses them: forms, and a run's buttons."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-3d-apis",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE = 300_000
"""Milliseconds after which the browser gives up waiting. It only ends a test that would hang."""

STILL = """
const still = document.createElement("style");
still.textContent = "*, *::before, *::after { animation: none !important; transition: none !important }";
document.addEventListener("DOMContentLoaded", () => document.head.append(still));
window.requestAnimationFrame = (call) => setTimeout(() => call(performance.now()), 100);
window.cancelAnimationFrame = (number) => clearTimeout(number);
"""
"""Without it a page of Prefect that waits is painted sixty times a second, which takes a third of a processor."""

CLASSIC, V2 = "classic", "v2"


@contextmanager
def chromium() -> Generator[Browser]:
    """Yield a browser; each of its contexts has an empty profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        expect.set_options(timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_in(browser: Browser, **options: Any) -> Generator[Page]:  # noqa: ANN401 - Playwright's options of a context
    """Yield a page with an empty profile."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    try:
        yield page
    finally:
        context.close()


class BrowserThread:
    """A browser in a thread of its own, for tests with an event loop: Playwright keeps to its first thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._open = ExitStack()
        self._browser = self._thread.submit(self._open.enter_context, chromium()).result()

    async def do(self, work: Callable[..., None], *args: Any, **options: Any) -> None:  # noqa: ANN401 - of `work`
        """Call `work` with the browser and these arguments, in the browser's thread."""
        call = partial(work, self._browser, *args, **options)
        await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def close(self) -> None:
        """End the browser."""
        self._thread.submit(self._open.close).result()
        self._thread.shutdown()


class RunPage:
    """The page of one flow run in one of Prefect's user interfaces."""

    def __init__(self, page: Page, prefect: str, ui: str, run: str) -> None:
        """`prefect` is the server's address, and `ui` is CLASSIC or V2."""
        self.page = page
        self.ui = ui
        page.goto(f"{prefect}{'/v2' if ui == V2 else ''}/runs/flow-run/{run}")

    # --- the form ------------------------------------------------------------------------------------------

    def open_form(self) -> Locator:
        """Press *Resume*, and return the form."""
        if self.ui == V2:
            self._menu("Resume")
            return self.page.get_by_role("dialog")
        self.page.get_by_role("button", name="Resume").click()
        return self.page.locator(".p-modal")

    def fill_in(self, form: Locator, decision: str, name: str, reason: str = "") -> None:
        """Choose `decision`, and write the name and the reason."""
        if self.ui == V2:
            form.get_by_role("button", name="Select Decision").click()
            self.page.get_by_role("option", name=decision, exact=True).click()
        else:
            form.locator("fieldset").first.get_by_role("button").focus()
            self.page.keyboard.press("Space")  # a click opens the list and closes it again
            self.page.locator(".p-select-option").get_by_text(decision, exact=True).click()
        texts = form.get_by_role("textbox")
        texts.nth(0).fill(name)
        texts.nth(1).fill(reason)

    def submit(self, form: Locator) -> None:
        """Press the form's button."""
        form.get_by_role("button", name="Resume" if self.ui == V2 else "Submit", exact=True).click()

    # --- the other buttons ---------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Press *Cancel*, and confirm it."""
        if self.ui == V2:
            self._menu("Cancel")
            self.page.get_by_role("button", name="Cancel Flow Run").click()
        else:
            self.page.get_by_role("button", name="Cancel").click()
            self.page.locator(".p-modal").get_by_role("button", name="Confirm").click()

    def _menu(self, item: str) -> None:
        self.page.get_by_role("button", name="Open menu").first.click()
        self.page.get_by_role("menuitem", name=item).click()
