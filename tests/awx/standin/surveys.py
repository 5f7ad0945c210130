# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX does with surveys: which ones it takes, and what it makes of answers when a job is launched.

The rules are those of AWX 24.6: `JobTemplateSurveySpec` in awx/api/views, `SurveyJobTemplateMixin` in awx/main/models,
and the user guide on optional survey questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

#: Question type -> Python type of its default.
TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "multiselect": str,
    "integer": int,
    "float": (float, int),
}
_TEXTS = ("text", "textarea", "password")
_CHOICES = ("multiplechoice", "multiselect")
_PLACEHOLDER = "$encrypted$"


class SurveyError(Exception):
    """A survey or an answer that AWX refuses."""


class LaunchError(Exception):
    """Answers that AWX refuses; `errors` has one sentence for each thing that is wrong."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


def check_survey(survey: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The survey as AWX stores it; SurveyError when AWX refuses it.  `old` is the one that it replaces."""
    for field, kind, label in (("name", str, "string"), ("description", str, "string"), ("spec", list, "list")):
        if field not in survey:
            raise SurveyError(f"the field {field} is missing from the survey")
        if not isinstance(survey[field], kind):
            raise SurveyError(f"the field {field} of the survey is no {label}")
    if not survey["spec"]:
        raise SurveyError("the survey has no question")
    old_defaults = {question["variable"]: question.get("default") for question in (old or {}).get("spec", [])}
    stored: list[dict[str, Any]] = []
    for number, question in enumerate(survey["spec"]):
        if not isinstance(question, dict):
            raise SurveyError(f"question {number} is no object")
        checked = _check_question(number, question, old_defaults)
        if checked["variable"] in {other["variable"] for other in stored}:
            raise SurveyError(f"question {number} has the variable {checked['variable']} of another one")
        stored.append(checked)
    return {**survey, "spec": stored}


def _check_question(number: int, question: Mapping[str, Any], old_defaults: Mapping[str, Any]) -> dict[str, Any]:
    for field, kind in (("type", str), ("question_name", str), ("variable", str), ("required", bool)):
        if field not in question:
            raise SurveyError(f"question {number} has no {field}")
        if not isinstance(question[field], kind):
            raise SurveyError(f"{field} of question {number} is no {kind.__name__}")
    kind_name = question["type"]
    if kind_name not in TYPES:
        raise SurveyError(f"question {number} has the unknown type {kind_name}")
    checked = dict(question)
    default = question.get("default", "")
    if default != "" and not isinstance(default, TYPES[kind_name]):
        raise SurveyError(f"the default of question {number} is of another type than {kind_name}")
    for bound in ("min", "max"):
        if question.get(bound) is not None and not isinstance(question[bound], int):
            raise SurveyError(f"{bound} of question {number} is no integer")
    if kind_name in _CHOICES:
        checked |= _check_choices(number, question)
    if isinstance(default, str) and default.startswith(_PLACEHOLDER):
        before = old_defaults.get(question["variable"])
        if kind_name != "password" or not (before == "" or str(before).startswith(_PLACEHOLDER)):
            raise SurveyError(f"the default of question {number} begins with {_PLACEHOLDER}, which is reserved")
    return checked


def _check_choices(number: int, question: Mapping[str, Any]) -> dict[str, Any]:
    if "choices" not in question:
        raise SurveyError(f"question {number} has no choices")
    checked: dict[str, Any] = {"choices": _lines(question["choices"])}
    if "default" not in question:
        return checked
    checked["default"] = _lines(question["default"])
    defaults = checked["default"].splitlines()
    if question["type"] == "multiplechoice" and len(defaults) > 1:
        raise SurveyError(f"question {number} has more than one default")
    if any(one not in choices_of(question) for one in defaults):
        raise SurveyError(f"the default of question {number} is none of its choices")
    return checked


def _lines(value: Any) -> Any:
    """A text without its empty lines; anything else as it is."""
    return "\n".join(line for line in value.splitlines() if line.strip()) if isinstance(value, str) else value


def choices_of(question: Mapping[str, Any]) -> list[str]:
    """The choices of a question, which is a list or a text of lines."""
    choices = question["choices"]
    return [line for line in choices.splitlines() if line.strip()] if isinstance(choices, str) else list(choices)


def launch(
    template: Mapping[str, Any], answers: Mapping[str, Any] | None = None, *, by_itself: bool = False
) -> dict[str, Any]:
    """The extra variables of a job; LaunchError when AWX refuses the answers.

    template: an element of `controller_templates`. answers: what the launch request says as extra variables: what is
    left out here was not answered, and gets the default of its question if that is an answer (the empty text of an
    integer or a choice is none, that of a text is one). `from_form` makes them of a form that a person has filled in.
    by_itself: a schedule or a workflow launches the job, for which required questions need no answer.
    """
    given = dict(answers or {})
    survey = template.get("survey_spec") if template.get("survey_enabled") else None
    questions = (survey or {}).get("spec", [])
    errors = [error for question in questions for error in _answer_errors(question, given, required=not by_itself)]
    known = {question["variable"] for question in questions}
    own: dict[str, Any] = dict(template.get("extra_vars") or {})
    foreign = sorted(name for name in given if name not in known and not (name in own and own[name] == given[name]))
    if foreign and not template.get("ask_variables_on_launch"):
        errors.append(f"Variables {', '.join(foreign)} are not allowed on launch.")
    if errors:
        raise LaunchError(errors)
    defaults = {
        question["variable"]: question["default"]
        for question in questions
        if question.get("default") is not None
        and not _answer_errors(question, {question["variable"]: question["default"]})
    }
    return own | defaults | given


def from_form(template: Mapping[str, Any], filled: Mapping[str, Any]) -> dict[str, Any]:
    """The answers that a form sends: a question's default stands in it, unless `filled` says otherwise.

    None in `filled` is a field that was emptied: a text of a length that may be 0 is sent as an empty text, and
    anything else is left out.
    """
    answers: dict[str, Any] = {}
    for question in template.get("survey_spec", {}).get("spec", []):
        variable = question["variable"]
        value = filled.get(variable, question.get("default"))
        if value in (None, "", []):
            if question["type"] in _TEXTS and not question.get("min") and not question["required"]:
                answers[variable] = ""
        else:
            answers[variable] = value
    return answers | {name: value for name, value in filled.items() if name not in answers and value is not None}


def emptied(template: Mapping[str, Any]) -> dict[str, None]:
    """For `from_form`: every optional question emptied."""
    questions = template.get("survey_spec", {}).get("spec", [])
    return {question["variable"]: None for question in questions if not question["required"]}


def _answer_errors(question: Mapping[str, Any], answers: Mapping[str, Any], *, required: bool = True) -> list[str]:
    variable = question["variable"]
    if variable not in answers:
        return [f"'{variable}' value missing"] if question["required"] and required else []
    return _CHECKS[question["type"]](question, answers[variable])


def _check_text(question: Mapping[str, Any], value: Any) -> list[str]:
    if not isinstance(value, str):
        return [f"Value {value} for '{question['variable']}' expected to be a string."]
    return _bounds(question, value, len(value))


def _check_integer(question: Mapping[str, Any], value: Any) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, int):
        return [f"Value {value} for '{question['variable']}' expected to be an integer."]
    return _bounds(question, value, value)


def _check_float(question: Mapping[str, Any], value: Any) -> list[str]:
    if type(value) not in (int, float):
        return [f"Value {value} for '{question['variable']}' expected to be a numeric type."]
    return _bounds(question, value, value)


def _check_choice(question: Mapping[str, Any], value: Any) -> list[str]:
    choices = choices_of(question)
    return [] if value in choices else [f"Value {value} for '{question['variable']}' expected to be one of {choices}."]


def _check_several(question: Mapping[str, Any], value: Any) -> list[str]:
    if not isinstance(value, list):
        return [f"'{question['variable']}' value is expected to be a list."]
    return [error for one in value for error in _check_choice(question, one)]


def _bounds(question: Mapping[str, Any], value: Any, size: float) -> list[str]:
    """The bounds of a text are those of its length."""
    errors = []
    lowest, highest = question.get("min"), question.get("max")
    if lowest not in ("", None) and size < int(lowest):
        errors.append(f"'{question['variable']}' value {value} is too small (must be at least {lowest}).")
    if highest not in ("", None) and size > int(highest):
        errors.append(f"'{question['variable']}' value {value} is too large (must be no more than {highest}).")
    return errors


_CHECKS: dict[str, Callable[[Mapping[str, Any], Any], list[str]]] = {
    "text": _check_text,
    "textarea": _check_text,
    "password": _check_text,
    "integer": _check_integer,
    "float": _check_float,
    "multiplechoice": _check_choice,
    "multiselect": _check_several,
}
