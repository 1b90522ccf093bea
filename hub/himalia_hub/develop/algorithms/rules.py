"""Checks the parameters of a run against what its algorithm takes. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from himalia_hub.core.errors import InvalidInput
from himalia_hub.develop.algorithms.catalogue import Parameter


def check_parameters(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters in their order, given or default; raises :class:`InvalidInput` for the first bad one."""
    known = {parameter.name for parameter in parameters}
    for name in given:
        if name not in known:
            raise InvalidInput(
                f"parameters.{name}: this algorithm takes {', '.join(sorted(known))}.",
                zh=f"parameters.{name}：该算法的参数为 {'、'.join(sorted(known))}。",
                field=f"parameters.{name}",
                rule="a parameter of the algorithm",
                value=name,
            )
    return {
        parameter.name: check(parameter, given[parameter.name]) if parameter.name in given else parameter.default
        for parameter in parameters
    }


def check(parameter: Parameter, value: Any) -> Any:
    """The value in the parameter's type; text is read as people type it."""
    if parameter.type == "str":
        if isinstance(value, str) and len(value) <= 1000 and value.isprintable():
            return value
        raise _refused(parameter, "at most 1000 printable characters", "最多 1000 个可打印字符", value)
    if parameter.type == "bool":
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise _refused(parameter, "true or false", "true 或 false", value)
    if parameter.type == "choice":
        choices = parameter.choices or ()
        if value in choices:
            return value
        raise _refused(
            parameter, f"one of {', '.join(map(str, choices))}", f"取值：{'、'.join(map(str, choices))}", value
        )
    return _number(parameter, value)


def _number(parameter: Parameter, value: Any) -> int | float:
    low, high = parameter.minimum, parameter.maximum
    span = f"{_show(low)} to {_show(high)}"
    rule = f"a whole number, {span}" if parameter.type == "int" else f"a number, {span}"
    rule_zh = f"{'整数' if parameter.type == 'int' else '数字'}，{_show(low)} 至 {_show(high)}"
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
        if parameter.type == "int":
            if number != int(number):
                raise ValueError
            number = int(number)
    except (TypeError, ValueError, OverflowError):
        raise _refused(parameter, rule, rule_zh, value) from None
    in_range = (low is None or number >= low) and (high is None or number <= high)
    if not math.isfinite(number) or not in_range:
        raise _refused(parameter, rule, rule_zh, value)
    return number


def _show(bound: float | None) -> str:
    return "any" if bound is None else f"{bound:.15g}"


def _refused(parameter: Parameter, rule: str, rule_zh: str, value: Any) -> InvalidInput:
    field = f"parameters.{parameter.name}"
    return InvalidInput(
        f"{field}: {rule}; it is {value!r}.",
        zh=f"{field}：应为{rule_zh}；当前值为 {value!r}。",
        field=field,
        rule=rule,
        value=value,
    )
