"""The person at the terminal in `allclear drill --interactive`: shown who that person is, and asked."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable

from rich.markdown import Markdown
from rich.text import Text

from allclear.cli.root import out, print_heading, print_line
from allclear.domain.approval import Ask
from allclear.domain.base import is_blank, person_key
from allclear.domain.decisions import Decision, decisions
from allclear.domain.incident import Incident
from allclear.domain.records import AskOpened, Entry
from allclear.domain.text import plain


class Screen:
    """The lines of a drill. While a person is asked they are held back, so that none is glued to the question."""

    def __init__(self) -> None:
        self.printed: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """Question -> set when the line of its entry has been printed."""
        self._held: list[Text] | None = None

    def show(self, entry: Entry, text: Text | None) -> None:
        """Print the line of an entry now, or after the person's answer; None if it has no line."""
        if text is not None and self._held is None:
            out.print(text, soft_wrap=True)
        elif text is not None and self._held is not None:
            self._held.append(text)
        if isinstance(entry.record, AskOpened):
            self.printed[entry.record.ask.id].set()

    def hold(self) -> None:
        """Hold further lines back."""
        self._held = []

    def release(self) -> None:
        """Print the lines that were held back."""
        held, self._held = self._held or [], None
        for text in held:
            out.print(text, soft_wrap=True)


class PersonAtTerminal:
    """Asks the person at the terminal, one question at a time."""

    def __init__(self, screen: Screen, read: Callable[[str], str] = input) -> None:
        """`read` prints a prompt and returns a line; it raises EOFError at the end of the input."""
        self._screen = screen
        self._read = read
        self._asking = asyncio.Lock()

    async def begin(self, who: str, others: list[str], questions: int) -> None:
        """Print whom the person plays, who is simulated, how many questions come, and how to leave."""
        print_heading(f"You are {who}.")
        print_line(f"Simulated, and answering by themselves: {', '.join(others) or 'no one'}.")
        print_line(
            f"The script has about {questions} questions for you; your answers can add some. Ctrl-C ends the drill."
        )

    async def acknowledge(self, incident: Incident) -> None:
        """Return when the person presses Enter."""
        async with self._asking:
            self._screen.hold()
            try:
                print_heading(
                    f"\nYou are paged: {incident.id}, {plain(incident.severity, 20)}: {plain(incident.title)}"
                )
                await self._line("Press Enter to acknowledge: ")
            finally:
                self._screen.release()

    async def decide(self, ask: Ask) -> tuple[Decision, str]:
        """Return the decision that the person typed, and a reason if the question needs one."""
        async with self._asking:
            await self._screen.printed[ask.id].wait()  # the line that says who is asked comes first
            self._screen.hold()
            try:
                return await self._ask(ask)
            finally:
                self._screen.release()

    async def _ask(self, ask: Ask) -> tuple[Decision, str]:
        print_heading(f"\n{plain(ask.title)}")
        out.print(Markdown(ask.text, hyperlinks=False))
        for word, effect in zip(ask.words, (ask.yes, ask.no), strict=True):
            print_line(f'"{word}": {effect}')
        offered = {decision.text.removesuffix(f": {ask.id}"): decision for decision in decisions(ask)}
        by_key = {person_key(text): decision for text, decision in offered.items()}
        while (decision := by_key.get(person_key(await self._line(f"{' / '.join(offered)} ? ")))) is None:
            print_line(f"That answers nothing. Type {' or '.join(offered)}.")
        needed = ask.reason_needed(yes=decision.yes)
        reason = await self._line("Reason: " if needed else "Reason (Enter for none): ")
        while needed and is_blank(reason):
            print_line("This answer needs a reason, as in a real incident: a few words.")
            reason = await self._line("Reason: ")
        return decision, reason

    async def _line(self, prompt: str) -> str:
        """Return a line that the person types. Its thread does not keep the program from ending."""
        loop, typed = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def deliver(set_it: Callable[..., None], value: object) -> None:
            if not typed.done():
                set_it(value)

        def read() -> None:
            try:
                line = self._read(prompt)
            except BaseException as error:  # noqa: BLE001 - raised again where the line is awaited
                finish = (typed.set_exception, error)
            else:
                finish = (typed.set_result, line)
            if not loop.is_closed():
                loop.call_soon_threadsafe(deliver, *finish)

        threading.Thread(target=read, daemon=True).start()
        return str(await typed)
