"""Writes a new company's folder: small, commented and working, with a mark at each blank for the company to fill in."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from allclear.company.diagnostics import display_path
from allclear.company.load import load_company, new_companies_root
from allclear.domain.errors import ConfigError

STARTER = Path(__file__).with_name("starter")
"""The files of every new company; `<<name>>` in them is replaced by an answer."""

_MARK = re.compile(r"<<([a-z_]+)>>")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9./:_-]*[A-Za-z0-9/]")
"""Text that YAML reads as text without quotes, unless it is one of these words."""
_WORDS = {"yes", "no", "true", "false", "null", "on", "off"}


@dataclass(frozen=True)
class Question:
    """One question to the person who adds a company."""

    name: str
    question: str
    blank: str
    """The value without an answer: `allclear check` reports it, or it works as it is."""
    default: str = ""
    """The proposed answer; empty if only the company can know it."""
    shape: str = r".{1,80}"
    like: str = ""


def questions(company: str) -> list[Question]:
    """Return the questions about the company called `company`, in order."""
    title = re.sub(r"[_-]+", " ", company).title()
    return [
        Question("title", "The company's name", title, title, like="Acme"),
        Question("service", "A short name for what users reach", "web", "web", _NAME.pattern, "shop"),
        Question("service_url", "Its address", "https://YOUR-SERVICE.example", "", r"https?://\S+", "https://acme.com"),
        Question(
            "cloud_run", "Its service in Cloud Run", "your-service", "", r"[a-z]([-a-z0-9]{0,47}[a-z0-9])?", "acme-web"
        ),
        Question(
            "project", "The Google Cloud project", "your-project", "", r"[a-z][-a-z0-9]{4,28}[a-z0-9]", "acme-prod"
        ),
        Question("region", "Its region", "your-region1", "", r"[a-z]+-[a-z]+\d", "europe-west3"),
        Question(
            "slack_channel",
            "The Slack channel of incidents",
            "#incidents",
            "#incidents",
            r"#?[a-z0-9_-]{1,80}",
            "#incidents",
        ),
        Question("alert", "What monitoring calls the alert (`alertname`)", "HighErrorRate", "HighErrorRate"),
        Question("zone", "The time zone", "UTC", "UTC", r"[A-Za-z0-9_+/-]+", "Europe/Berlin"),
        Question("on_call", "Who is on call", "[Name]", like="Ana Ruiz"),
        Question("tech_lead", "Who leads the engineers", "[Name]", like="Ben Okafor"),
    ]


@dataclass(frozen=True)
class NewCompany:
    """A new company's name, and the value for each mark in the starter."""

    name: str
    marks: dict[str, str]

    @staticmethod
    def read(name: str, answers: Mapping[str, str]) -> NewCompany:
        """Return the new company called `name`. Raises ConfigError for an answer that does not fit its question."""
        marks = {asked.name: valid_answer(asked, answers.get(asked.name, "")) for asked in questions(name)}
        service = marks["cloud_run"]
        return NewCompany(
            name,
            marks
            | {
                "name": name,
                "short": _incident_prefix(name),
                "service_title": f"{marks['title']} {marks['service']}",
                "slack_channel": f"#{marks['slack_channel'].removeprefix('#')}",
                "channel": marks["slack_channel"].removeprefix("#"),
                "good_revision": f"{service}-00041-old",
                "bad_revision": f"{service}-00042-new",
                "fix_revision": f"{service}-00043-fix",
            },
        )

    def fill(self, text: str) -> str:
        """Return a text of the starter with this company's values at its marks, quoted for YAML if needed."""
        return _MARK.sub(lambda found: _yaml_scalar(self.marks[found.group(1)]), text)


def new_folder(name: str) -> Path:
    """Return the folder for a new company called `name`. Raises ConfigError for a bad name or a folder that exists."""
    if not _NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63]
        raise ConfigError(
            f"{name!r} cannot be the name of a company's folder: use lower case letters, digits, `-` and `_`.",
            f"Try: allclear init {near or 'acme'}.",
        )
    folder = new_companies_root() / name
    if folder.exists() or folder.is_symlink():
        raise ConfigError(
            f"{display_path(folder)} exists already and was not changed.",
            "Choose another name, or move that folder away.",
        )
    return folder


def write_new_company(company: NewCompany, folder: Path) -> None:
    """Write the company's folder, whole or not at all. Raises ConfigError if it cannot be written."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # The folder is hidden, so that it is not listed as a company, and one rename moves it to its final place.
        aside = Path(tempfile.mkdtemp(prefix=f".{company.name}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        made = aside / company.name
        for path in sorted(STARTER.rglob("*")):
            if path.is_file():
                target = made / path.relative_to(STARTER)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(company.fill(path.read_text(encoding="utf-8")), encoding="utf-8")
        load_company(made)
        made.rename(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    reason = error.strerror or str(error)
    return ConfigError(
        f"{display_path(folder)} cannot be written: {reason}.", "Check the folder above it and try again."
    )


def valid_answer(question: Question, answer: str) -> str:
    """Return the value that an answer puts into the files. Raises ConfigError, with an example, if it does not fit."""
    if not answer:
        return question.blank
    fits = re.fullmatch(question.shape, answer) is not None and answer.isprintable()
    if question.name == "zone":
        fits = answer in available_timezones()
    if question.name == "service_url" and fits:
        fits = bool(urlsplit(answer).hostname)
        answer = answer.rstrip("/")
    if not fits:
        example = f"Write it like {question.like}." if question.like else "Write it in one short line."
        raise ConfigError(f"{question.question}: {answer!r} does not fit.", example)
    return answer


def _incident_prefix(name: str) -> str:
    letters = re.sub(r"[^a-z0-9]", "", name).lstrip("0123456789").upper()[:4]
    return letters if len(letters) > 1 else "INC"


def _yaml_scalar(text: str) -> str:
    """Return `text` in the form that YAML reads back as the same text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
