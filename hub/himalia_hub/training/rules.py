"""The command of a run, and what a script declares. Pure (ALG-3)."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from himalia_hub.core.errors import InvalidInput

INPUT_ROOT, OUTPUT_DIR, MODEL_DIR = "/himalia/input", "/himalia/output", "/himalia/model"
LOG_DIR, WORK_DIR, CODE_PATH = "/himalia/output/log", "/himalia/work", "/himalia/code/main.py"
MAX_INPUTS = 5
CODE_BYTES = 256 * 1024
GRACE_SECONDS = 30
CANONICAL = (
    "data_url",
    "validation_url",
    "train_model_out",
    "train_out",
    "train_log",
    "model_load_dir",
    "gpu_num_per_node",
    "num_nodes",
    "node_ips",
    "node_ids",
)
_ARGUMENT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Command:
    """What runs: words, and variables in the order they are shown."""

    words: tuple[str, ...]
    variables: dict[str, str]


def input_path(position: int) -> str:
    return f"{INPUT_ROOT}/input{position}"


def version_name(index: int) -> str:
    return f"V{index:04d}"


def values(*, inputs: int, validation: int | None, accelerators: int) -> dict[str, str]:
    """What the platform knows about a run, under the canonical names; only what there is."""
    found = {
        "train_model_out": MODEL_DIR,
        "train_out": OUTPUT_DIR,
        "train_log": LOG_DIR,
        "gpu_num_per_node": str(accelerators),
        "num_nodes": "1",
        "node_ids": "0",
        "node_ips": "127.0.0.1",
    }
    if inputs:
        found = {"data_url": input_path(0), **found}
    if validation is not None:
        found["validation_url"] = input_path(validation)
    return found


def check_argument_names(mapping: Mapping[str, str]) -> dict[str, str]:
    """Canonical name → the script's own name for it; raises :class:`InvalidInput`."""
    for canonical, name in mapping.items():
        if canonical not in CANONICAL:
            raise InvalidInput(
                f"argument_names.{canonical}: the platform has {', '.join(CANONICAL)}.",
                zh=f"argument_names.{canonical}：平台提供 {'、'.join(CANONICAL)}。",
                field=f"argument_names.{canonical}",
                rule=f"one of {', '.join(CANONICAL)}",
                value=canonical,
            )
        if not _ARGUMENT.fullmatch(name):
            raise InvalidInput(
                f"argument_names.{canonical}: {name!r} is not a letter and up to 63 letters, digits, - or _.",
                zh=f"argument_names.{canonical}：{name!r} 应以字母开头，最多 64 个字母、数字、- 或 _。",
                field=f"argument_names.{canonical}",
                rule="a letter, then up to 63 letters, digits, - or _",
                value=name,
            )
    return dict(mapping)


def build(
    program: Sequence[str],
    known: Mapping[str, str],
    parameters: Mapping[str, Any],
    *,
    declared: Sequence[str] | None,
    names: Mapping[str, str],
) -> Command:
    """The command as it will run.

    Args:
        program: The words before all arguments.
        known: The platform's values by canonical name.
        parameters: Hyper-parameters, in order.
        declared: Arguments the program takes, by its own names; None: it says nothing, so only
            parameters are passed. What is not declared is not passed; all is in the environment.
        names: Canonical name → the program's own.
    """
    words = list(program)
    for canonical in CANONICAL:
        own = names.get(canonical, canonical)
        if canonical in known and declared is not None and own in declared:
            words += [f"--{own}", known[canonical]]
    for name, value in parameters.items():
        if declared is None or name in declared:
            words += [f"--{name}", text_of(value)]
    variables = {names.get(canonical, canonical): value for canonical, value in known.items()}
    variables |= {name: text_of(value) for name, value in parameters.items() if _variable(name)}
    variables["HIMALIA_PARAMETERS"] = json.dumps(dict(parameters), ensure_ascii=False)
    variables |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",
        "WORLD_SIZE": "1",
        "RANK": "0",
        "LOCAL_RANK": "0",
    }
    return Command(tuple(words), variables)


def text_of(value: Any) -> str:
    """A parameter as an argument: ``true``/``false``, numbers without loss, JSON for the rest."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _variable(name: str) -> bool:
    """A parameter may not replace what the machine or Python reads from the environment."""
    return bool(re.fullmatch(r"[a-z][a-z0-9_]*", name))


# -- scripts ---------------------------------------------------------------------------------------


def check_code(code: str) -> None:
    """A script that Python can compile, at most 256 KiB; raises :class:`InvalidInput`."""
    size = len(code.encode("utf-8", "surrogatepass"))
    if not code.strip() or size > CODE_BYTES:
        raise InvalidInput(
            f"code: 1-{CODE_BYTES} bytes of Python; this has {size}.",
            zh=f"code：应为 1-{CODE_BYTES} 字节的 Python 代码；当前为 {size} 字节。",
            field="code",
            rule=f"1-{CODE_BYTES} bytes",
            value=size,
        )
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        text = getattr(error, "msg", None) or str(error)
        raise InvalidInput(
            f"code: line {line}: {text}." if line else f"code: {text}.",
            zh=f"code：第 {line} 行：{text}。" if line else f"code：{text}。",
            field="code",
            rule="valid Python",
            value=(code.splitlines()[line - 1].strip()[:120] if line and line <= len(code.splitlines()) else None),
            hint="Shell and magic lines (! and %) run in the notebook only; move them out of the script.",
            hint_zh="以 ! 和 % 开头的行只能在笔记本中运行，请移出脚本。",
        ) from None


def declared_arguments(code: str) -> tuple[str, ...]:
    """The long options that a script declares by ``add_argument`` or ``click.option``."""
    found: list[str] = []
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in ("add_argument", "option"):
            continue
        for argument in node.args:
            if (
                isinstance(argument, ast.Constant)
                and isinstance(argument.value, str)
                and argument.value.startswith("--")
            ):
                found.append(argument.value[2:].split("/")[0])
    return tuple(dict.fromkeys(found))


def check_script_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """At most 100 plain values under names that can be arguments."""
    if len(given) > 100:
        raise InvalidInput(
            f"parameters: at most 100; there are {len(given)}.",
            zh=f"parameters：最多 100 个；当前为 {len(given)} 个。",
            field="parameters",
            rule="at most 100",
            value=len(given),
        )
    for name, value in given.items():
        plain = value is None or isinstance(value, bool | int | float | str | list | dict)
        if not _ARGUMENT.fullmatch(name) or not plain or len(text_of(value)) > 4000:
            raise InvalidInput(
                f"parameters.{name[:64]}: a name of letters, digits, - and _, and a value of at most 4000 characters.",
                zh=f"parameters.{name[:64]}：名称由字母、数字、-、_ 组成，值最多 4000 个字符。",
                field=f"parameters.{name[:64]}",
                rule="a name of letters, digits, - and _; at most 4000 characters",
                value=text_of(value)[:100],
            )
    return dict(given)
