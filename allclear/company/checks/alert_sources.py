"""Checks the alert sources of systems.yaml against those that are installed: their names and their options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from allclear.company.capabilities import AlertSourceType
from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import SYSTEMS, Company, Draft
from allclear.company.validation_errors import ValidationProblem, validation_problems
from allclear.company.yaml_file import YamlFile, read_yaml
from allclear.domain.errors import ConfigError
from allclear.domain.systems import AlertSource


def check_alert_sources(draft: Draft, installed: Mapping[str, AlertSourceType]) -> Iterator[Diagnostic]:
    """Yield alert sources that are not installed, and options that a source does not have or that it lacks."""
    if draft.systems is None:
        return
    for problem in _problems(draft.systems.alerts, installed):
        yield draft.files[SYSTEMS].error(problem.place, problem.sentence, problem.next_step)


def require_alert_sources(company: Company, installed: Mapping[str, AlertSourceType]) -> None:
    """Raise ConfigError, with file and line, for the first alert source of `company` that is wrong."""
    problem = next(_problems(company.systems.alerts, installed), None)
    if problem is None:
        return
    file = read_yaml(company.folder / SYSTEMS)
    located = file.error(problem.place, problem.sentence, problem.next_step) if isinstance(file, YamlFile) else file
    raise ConfigError(str(located), located.next_step)


def _problems(
    alerts: Mapping[str, AlertSource], installed: Mapping[str, AlertSourceType]
) -> Iterator[ValidationProblem]:
    for name, configured in alerts.items():
        place = ("alerts", name)
        if name not in installed:
            yield ValidationProblem(place, f"There is no alert source `{name}`.", suggestion(name, list(installed)))
        else:
            yield from _option_problems(name, configured, installed[name])


def _option_problems(name: str, configured: AlertSource, kind: AlertSourceType) -> Iterator[ValidationProblem]:
    place, fields = ("alerts", name), kind.options.model_fields
    for option in configured.options:
        if option not in fields:
            others = suggestion(option, list(fields)) if fields else "It takes no option beside `secret`."
            yield ValidationProblem((*place, option), f"`{name}` has no option `{option}`.", others)
    for option, field in fields.items():
        if field.is_required() and option not in configured.options:
            about = f": {field.description}" if field.description else "."
            yield ValidationProblem(place, f"`{name}` needs the option `{option}`.", f"Add `{option}`{about}")
    known = {option: value for option, value in configured.options.items() if option in fields}
    try:
        kind.options.model_validate(known)
    except ValidationError as error:
        for problem in validation_problems(error, kind.options):
            if str(problem.place[0]) in known:
                yield ValidationProblem((*place, *problem.place), problem.sentence, problem.next_step)
