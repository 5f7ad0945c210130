# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Surveys: AWX takes each one of the data set, and refuses broken ones; what becomes of answers."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from .standin import data_set
from .standin.surveys import LaunchError, SurveyError, check_survey, emptied, from_form, launch

DATA = data_set.load()
TEMPLATES = {template["name"]: template for template in DATA["controller_templates"] + DATA["controller_workflows"]}
QUESTIONS = [
    pytest.param(question, id=f"{name}-{question['variable']}")
    for name, template in TEMPLATES.items()
    if not name.endswith("(check)")
    for question in template["survey_spec"]["spec"]
]
TEXT = {"type": "text", "question_name": "Name", "variable": "name", "required": False}
INTEGER = TEXT | {"type": "integer"}
CHOICE = TEXT | {"type": "multiplechoice", "choices": ["one", "two"]}


def survey(*questions: Any, **fields: Any) -> dict[str, Any]:
    return {"name": "", "description": "", "spec": list(questions)} | fields


def template(*questions: Any, **fields: Any) -> dict[str, Any]:
    return {"survey_enabled": True, "survey_spec": survey(*questions)} | fields


@pytest.mark.parametrize("name", TEMPLATES)
def test_awx_takes_the_survey_and_keeps_it_as_it_is(name: str) -> None:
    assert TEMPLATES[name]["survey_enabled"] is True
    wanted = TEMPLATES[name]["survey_spec"]
    # Otherwise each run of configure_awx would put it right again.
    assert check_survey(deepcopy(wanted)) == wanted


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_can_be_understood_and_shown(question: dict[str, Any]) -> None:
    assert question["question_name"].strip() and question["question_description"].strip()
    assert question["type"] in ("text", "integer", "multiplechoice"), "no secret is asked for"
    if question["type"] == "multiplechoice":
        assert all(isinstance(choice, str) for choice in question["choices"])
    else:
        assert question["min"] <= question["max"]
    if question["type"] == "text":
        assert question["min"] >= 1, "an empty answer would count as one, and hide the value of the inventory"


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_default_is_an_answer_or_none(question: dict[str, Any]) -> None:
    default = question.get("default")
    if default not in (None, "") or (question["type"] == "text" and default == ""):
        assert launch(template(question), {question["variable"]: default}) == {question["variable"]: default}
    if default == "":
        assert not question["required"]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"description": "", "spec": [TEXT]}, "name is missing"),
        ({"name": "", "spec": [TEXT]}, "description is missing"),
        ({"name": "", "description": ""}, "spec is missing"),
        (survey(TEXT, name=None), "name of the survey is no string"),
        (survey(TEXT, description=1), "description of the survey is no string"),
        (survey(spec={}), "spec of the survey is no list"),
        (survey(), "no question"),
        (survey("question"), "no object"),
        *(
            (survey({key: value for key, value in TEXT.items() if key != name}), f"has no {name}")
            for name in ("type", "question_name", "variable", "required")
        ),
        (survey(TEXT | {"required": "true"}), "required of question 0 is no bool"),
        (survey(TEXT | {"required": 1}), "required of question 0 is no bool"),
        (survey(TEXT | {"question_name": None}), "question_name of question 0 is no str"),
        (survey(TEXT | {"variable": 1}), "variable of question 0 is no str"),
        (survey(TEXT, INTEGER), "question 1 has the variable name of another"),
        (survey(TEXT | {"type": "number"}), "unknown type number"),
        (survey(TEXT | {"default": 1}), "another type than text"),
        (survey(TEXT | {"default": None}), "another type than text"),
        (survey(INTEGER | {"default": "1"}), "another type than integer"),
        (survey(INTEGER | {"default": 1.5}), "another type than integer"),
        (survey(TEXT | {"type": "float", "default": "1"}), "another type than float"),
        (survey(CHOICE | {"default": ["one"]}), "another type than multiplechoice"),
        (survey(TEXT | {"min": "0"}), "min of question 0"),
        (survey(INTEGER | {"max": 1.5}), "max of question 0"),
        (survey(TEXT | {"type": "multiplechoice"}), "no choices"),
        (survey(TEXT | {"type": "multiselect"}), "no choices"),
        (survey(CHOICE | {"default": "three"}), "none of its choices"),
        (survey(CHOICE | {"default": "one\ntwo"}), "more than one default"),
        (survey(CHOICE | {"type": "multiselect", "default": "one\nthree"}), "none of its choices"),
        (survey(TEXT | {"default": "$encrypted$"}), "reserved"),
        (survey(TEXT | {"type": "password", "default": "$encrypted$"}), "reserved"),
    ],
)
def test_a_broken_survey_is_refused(broken: dict[str, Any], words: str) -> None:
    with pytest.raises(SurveyError, match=words):
        check_survey(broken)


@pytest.mark.parametrize(
    "question",
    [
        TEXT | {"min": None, "max": None, "default": ""},
        INTEGER | {"default": ""},
        TEXT | {"type": "float", "default": 1},
        CHOICE | {"choices": "one\n\ntwo\n", "default": "two"},
        CHOICE | {"type": "multiselect", "default": "one\ntwo"},
        CHOICE | {"default": ""},
    ],
)
def test_what_is_allowed(question: dict[str, Any]) -> None:
    check_survey(survey(question))


def test_choices_and_defaults_in_lines_lose_their_empty_ones() -> None:
    (question,) = check_survey(survey(CHOICE | {"choices": "one\n\n two\n", "default": "one\n"}))["spec"]
    assert (question["choices"], question["default"]) == ("one\n two", "one")


def test_a_hidden_default_may_be_sent_back() -> None:
    hidden = TEXT | {"type": "password", "default": "$encrypted$"}
    check_survey(survey(hidden), old=survey(hidden | {"default": "$encrypted$abc"}))


# -- answers -----------------------------------------------------------------------------------------------------------


def test_optional_answers_left_empty() -> None:
    asked = template(
        TEXT | {"variable": "may_be_empty", "min": 0},
        TEXT | {"variable": "has_a_length", "min": 3, "default": ""},
        INTEGER | {"default": ""},
        CHOICE | {"variable": "choice", "default": ""},
        CHOICE | {"variable": "several", "type": "multiselect", "default": ""},
    )
    assert launch(asked, from_form(asked, emptied(asked))) == {"may_be_empty": ""}


def test_a_default_comes_back_where_nothing_is_sent() -> None:
    asked = template(INTEGER | {"default": 5}, TEXT | {"variable": "text", "default": "some", "min": 0})
    assert from_form(asked, emptied(asked)) == {"text": ""}
    assert launch(asked, from_form(asked, emptied(asked))) == {"name": 5, "text": ""}
    assert launch(asked) == {"name": 5, "text": "some"}


def test_answers_keep_their_types_and_go_before_variables_of_the_template() -> None:
    several = CHOICE | {"variable": "several", "type": "multiselect"}
    asked = template(INTEGER, several, extra_vars={"name": 1, "other": 2})
    assert launch(asked, {"name": 7, "several": ["one", "two"]}) == {"name": 7, "several": ["one", "two"], "other": 2}


@pytest.mark.parametrize(
    ("question", "answer", "words"),
    [
        (TEXT, 1, "expected to be a string"),
        (TEXT | {"min": 3}, "ab", "at least 3"),
        (TEXT | {"max": 3}, "abcd", "no more than 3"),
        (INTEGER, "1688", "expected to be an integer"),
        (INTEGER, True, "expected to be an integer"),
        (INTEGER | {"min": 1}, 0, "at least 1"),
        (INTEGER | {"max": 65535}, 65536, "no more than 65535"),
        (TEXT | {"type": "float"}, "1", "numeric"),
        (TEXT | {"type": "float", "max": 1}, 1.5, "no more than 1"),
        (CHOICE, "three", "expected to be one of"),
        (CHOICE, "", "expected to be one of"),
        (CHOICE | {"type": "multiselect"}, "one", "expected to be a list"),
        (CHOICE | {"type": "multiselect"}, ["one", "three"], "expected to be one of"),
    ],
)
def test_a_wrong_answer_is_refused(question: dict[str, Any], answer: Any, words: str) -> None:
    with pytest.raises(LaunchError, match=words):
        launch(template(question), {"name": answer})


def test_the_bounds_of_a_text_are_those_of_its_length() -> None:
    digits = template(TEXT | {"min": 2, "max": 3})
    assert launch(digits, {"name": "99"}) == {"name": "99"}
    with pytest.raises(LaunchError):
        launch(digits, {"name": "1000"})


def test_all_that_is_wrong_is_told() -> None:
    with pytest.raises(LaunchError) as refused:
        launch(template(TEXT | {"required": True}, INTEGER | {"variable": "number"}), {"number": "x", "odd": 1})
    assert len(refused.value.errors) == 3


def test_a_required_answer_is_missed_unless_nobody_is_there_to_give_it() -> None:
    asked = template(TEXT | {"required": True, "default": "some"})
    with pytest.raises(LaunchError, match="'name' value missing"):
        launch(asked)
    assert launch(asked, by_itself=True) == {"name": "some"}


def test_other_variables_need_a_template_that_asks_for_them() -> None:
    with pytest.raises(LaunchError, match="odd are not allowed on launch"):
        launch(template(TEXT), {"odd": 1})
    assert launch(template(TEXT, ask_variables_on_launch=True), {"odd": 1}) == {"odd": 1}
    assert launch(template(TEXT, extra_vars={"odd": 1}), {"odd": 1}) == {"odd": 1}


def test_a_survey_that_is_off_asks_nothing() -> None:
    off = template(TEXT | {"required": True}, survey_enabled=False)
    assert launch(off) == {}


@pytest.mark.parametrize("name", TEMPLATES)
def test_schedules_and_workflows_can_launch_what_has_all_defaults(name: str) -> None:
    asked = TEMPLATES[name]
    missing = {q["variable"] for q in asked["survey_spec"]["spec"] if q["required"] and q.get("default") is None}
    launched = {
        one["unified_job_template"]
        if isinstance(one["unified_job_template"], str)
        else one["unified_job_template"]["name"]
        for one in DATA["controller_schedules"] + DATA["controller_workflows"][0]["workflow_nodes"]
    }
    assert not (missing and name in launched)
    assert missing <= {"kms_new_host_pattern", "kms_old_host_pattern", "kms_offline_file"}
