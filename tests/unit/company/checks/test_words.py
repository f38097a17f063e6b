"""A plan in another language: its own words fill its templates, and `check` lists those that stay English."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from allclear.company import load_company
from allclear.company.check import check_company
from allclear.company.diagnostics import Diagnostic
from allclear.domain.incident import Incident
from allclear.domain.placeholders import PLACEHOLDERS
from allclear.domain.plan.words import ENGLISH_SENTENCES, WORDS, WORDS_OF
from allclear.domain.template_values import values
from allclear.engine.actions.registry import Registry
from allclear.postmortem.placeholders import PLACEHOLDERS as POST_MORTEM
from tests.contract.simulator_support import REPOSITORY
from tests.unit.domain.stories import Story

NORDWIND = REPOSITORY / "tests" / "companies" / "nordwind"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the German company."""
    return shutil.copytree(NORDWIND, tmp_path / "nordwind")


def written(folder: Path, **replaced: str) -> None:
    """Replace text in the plan: `old=new`, with spaces for underscores in the names."""
    plan = folder / "plan.yaml"
    text = plan.read_text(encoding="utf-8")
    for old, new in replaced.items():
        assert f"  {old}: " in text
        text = re.sub(rf"^  {old}: .*\n", new, text, flags=re.MULTILINE)
    plan.write_text(text, encoding="utf-8")


def found(folder: Path) -> list[Diagnostic]:
    """Return what `check` says about words."""
    every = check_company(folder, Registry.installed(), POST_MORTEM)
    return [one for one in every if "English" in one.sentence or "word" in one.sentence]


def rendered(incident: Incident, story: Story) -> str:
    """Return the German company's template for this incident, which no one leads."""
    company = load_company(NORDWIND)
    plan = company.plan.model_copy(update={"people": []})
    filled = values(
        incident,
        lambda: story.entries,
        plan,
        service_title="Laden",
        impact="Bestellungen schlagen fehl",
        now=story.now,
        templates=company.templates,
    )
    return filled["t_rundruf"]


def test_a_german_template_has_no_english_word_and_its_own_zone() -> None:
    """The state and the missing lead are in German, and times are in Berlin's."""
    story = Story().opened()
    text = rendered(story.incident, story)
    assert "Lage: WIRD UNTERSUCHT" in text
    assert "Einsatzleitung: noch niemand" in text
    assert re.search(r"Bemerkt: 2026-11-22 15:\d\d CET", text)
    assert "UTC" not in text
    assert not any(re.search(rf"\b{re.escape(word)}\b", text) for word in WORDS.values())


def test_each_state_is_in_the_plan_s_words() -> None:
    """Every prefix of a whole incident has a status in German."""
    story = Story().whole()
    plan = load_company(NORDWIND).plan
    states = {plan.word(word) for word in ("investigating", "identified", "contained", "resolved", "false_alarm")}
    line = re.search(r"Lage: (.*)", rendered(story.incident, story))
    assert line
    assert line[1] == "BEHOBEN"
    assert len(states) == 5
    assert not states & set(WORDS.values())


def test_check_says_nothing_about_a_template_that_is_german_throughout(folder: Path) -> None:
    """The words that no template uses need not be given."""
    assert found(folder) == []


def test_check_lists_the_words_that_a_template_uses_and_the_plan_lacks(folder: Path) -> None:
    """It names the template, each word with its English text, and what to write."""
    written(folder, contained="", no_lead="")
    first, second = found(folder)
    assert (first.level, second.level) == ("warning", "warning")
    assert "The template `rundruf` is filled with English words" in first.sentence
    assert 'contained ("CONTAINED"), no_lead ("not yet named")' in first.sentence
    assert first.next_step == "Give each under `words`, as `contained: ...`."
    assert second.sentence.startswith("The post-mortem's template is filled")


def test_check_names_placeholders_whose_sentences_are_english(folder: Path) -> None:
    """Words alone do not translate them."""
    template = folder / "templates" / "rundruf.txt"
    template.write_text(template.read_text(encoding="utf-8") + "Offen: {waiting}\n", encoding="utf-8")
    assert any("`rundruf` holds {waiting}, whose sentences are English" in one.sentence for one in found(folder))


def test_an_english_plan_is_not_warned(folder: Path) -> None:
    """Its words are the default."""
    plan = folder / "plan.yaml"
    text = plan.read_text(encoding="utf-8")
    text = re.sub(r"^language: de\nwords:\n(  .*\n)+", "", text, flags=re.MULTILINE)
    plan.write_text(text, encoding="utf-8")
    assert found(folder) == []


@pytest.mark.parametrize(
    ("line", "sentence", "step"),
    [
        ("  containd: X\n", "no template is filled with a word `containd`", "Did you mean `contained`?"),
        ('  contained: " "\n', "the word `contained` is empty", "Write it, as CONTAINED."),
    ],
)
def test_a_word_that_fills_nothing_is_an_error_at_its_line(folder: Path, line: str, sentence: str, step: str) -> None:
    """A typing error would leave the word English without anyone noticing."""
    written(folder, contained=line)
    number = (folder / "plan.yaml").read_text(encoding="utf-8").splitlines().index(line.rstrip("\n")) + 1
    (error,) = [one for one in check_company(folder, Registry.installed()) if one.level == "error"]
    assert error.line == number
    assert sentence in error.sentence
    assert step in (error.sentence + error.next_step)


def test_every_word_fills_a_placeholder() -> None:
    """A word that nothing uses would be asked for in vain."""
    assert {word for words in WORDS_OF.values() for word in words} == set(WORDS)
    assert set(WORDS_OF) | ENGLISH_SENTENCES <= {*PLACEHOLDERS, "incident_lead"}
