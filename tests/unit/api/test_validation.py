"""GEN-3, GEN-9: what a broken schema says, in both languages; secrets are not repeated."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from himalia_hub.api import validation
from himalia_hub.api.openapi import all_routes
from himalia_hub.core.errors import BrokenRule, InvalidInput

CHINESE = re.compile(r"[\u4e00-\u9fff]")


class Part(BaseModel):
    size: Annotated[int, Field(ge=1, le=9)] = 1


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=2, max_length=4)] = "abc"
    parts: Annotated[list[Part], Field(min_length=1, max_length=2)] = [Part()]
    limits: dict[str, int] = {}
    subject: int | Annotated[str, Field(max_length=3)] = 1
    when: AwareDatetime | None = None
    colour: Literal["red", "blue"] = "red"
    secret: Annotated[str, Field(max_length=4)] = ""
    even: int = 2

    @field_validator("even")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise BrokenRule("an even number", "偶数")
        return value


def refused(**given: Any) -> InvalidInput:
    with pytest.raises(ValidationError) as broken:
        Body.model_validate(given)
    return validation.problem_of(broken.value)


@pytest.mark.parametrize(
    ("given", "field", "rule", "rule_zh", "shown"),
    [
        pytest.param({"name": "a"}, "name", "at least 2 characters", "至少 2 个字符", "'a'", id="short"),
        pytest.param({"name": "abcde"}, "name", "at most 4 characters", "最多 4 个字符", "'abcde'", id="long"),
        pytest.param({"name": 7}, "name", "a text", "文本", "7", id="no-text"),
        pytest.param({"parts": []}, "parts", "at least 1 entries", "至少 1 项", "", id="empty-list"),
        pytest.param({"parts": [{}, {"size": 0}]}, "parts[1].size", "at least 1", "不小于 1", "0", id="inside"),
        pytest.param({"parts": [{"size": "x"}]}, "parts[0].size", "a whole number", "整数", "'x'", id="no-number"),
        pytest.param({"limits": {"cpu": 1.5}}, "limits.cpu", "a whole number", "整数", "1.5", id="in-dictionary"),
        pytest.param(
            {"subject": "abcd"}, "subject", "a whole number, or at most 3 characters", "", "'abcd'", id="union"
        ),
        pytest.param({"when": "soon"}, "when", "a time such as 2027-01-31T08:00:00Z", "", "'soon'", id="no-time"),
        pytest.param({"when": "2027-01-31T08:00:00"}, "when", "a time with its zone", "带时区", "2027", id="no-zone"),
        pytest.param({"colour": "grey"}, "colour", "one of 'red', 'blue'", "以下之一", "'grey'", id="choice"),
        pytest.param({"shape": 1}, "shape", "no field of this name exists here", "没有该字段", "1", id="unknown"),
        pytest.param({"even": 3}, "even", "an even number", "偶数", "3", id="own-rule"),
    ],
)
def test_a_refusal_names_field_rule_and_value(
    given: dict[str, Any], field: str, rule: str, rule_zh: str, shown: str
) -> None:
    error = refused(**given)
    assert error.field == field and rule in str(error.rule)
    assert error.message.startswith(f"{field}: ") and rule in error.message and shown in error.message
    assert error.zh.startswith(f"{field}：") and rule_zh in error.zh and shown in error.zh
    assert CHINESE.search(error.zh) and not CHINESE.search(error.message)


def test_all_broken_fields_are_told() -> None:
    error = refused(name="a", colour="grey")
    assert [row["field"] for row in error.details["errors"]] == ["name", "colour"]


def test_secrets_and_what_looks_like_one_are_not_repeated() -> None:
    """SEC-4; the control is the name beside it."""
    error = refused(secret="hunter2 hunter2", name="hunter3 hunter3")
    rows = {row["field"]: row["value"] for row in error.details["errors"]}
    assert rows == {"name": "hunter3 hunter3", "secret": "•••"} and "hunter2" not in error.message + error.zh
    token = "hmp_" + "x" * 30
    assert token not in str(vars(refused(name=token)))


def test_every_rule_that_a_routes_schema_can_break_has_words() -> None:
    """No route's own limits fall back on pydantic's sentence for programmers."""
    constraints = {
        "minLength": "string_too_short",
        "maxLength": "string_too_long",
        "minimum": "greater_than_equal",
        "maximum": "less_than_equal",
        "exclusiveMinimum": "greater_than",
        "exclusiveMaximum": "less_than",
        "minItems": "too_short",
        "maxItems": "too_long",
        "enum": "literal_error",
        "required": "missing",
        "pattern": "string_pattern_mismatch",
    }
    used: set[str] = set()

    def walk(schema: Any) -> None:
        if isinstance(schema, dict):
            used.update(schema)
            for value in schema.values():
                walk(value)
        elif isinstance(schema, list):
            for value in schema:
                walk(value)

    for route in all_routes():
        for model in (route.body, route.query):
            if isinstance(model, type) and issubclass(model, BaseModel):
                walk(model.model_json_schema())
    assert {"minLength", "maximum", "enum", "required"} <= used  # the walk sees them
    missing = {constraints[name] for name in used & set(constraints)} - set(validation.RULES)
    assert not missing
    for english, chinese in validation.RULES.values():
        assert CHINESE.search(chinese) or chinese == "true 或 false"
        assert not CHINESE.search(english)
