"""The command of a run, parameters and scripts (ALG-3)."""

from __future__ import annotations

from typing import Any

import pytest

from himalia_hub.core.errors import InvalidInput
from himalia_hub.develop.algorithms import rules as parameters
from himalia_hub.develop.algorithms.catalogue import IMAGE_CLASSIFICATION
from himalia_hub.training import rules
from himalia_hub.training.compare import compare


def test_declared_arguments_are_passed_under_the_scripts_own_names() -> None:
    known = rules.values(inputs=2, validation=1, accelerators=0)
    made = rules.build(
        ("python", "x.py"), known, {"lr": 0.1, "deep": True}, declared=["data", "lr"], names={"data_url": "data"}
    )
    assert made.words == ("python", "x.py", "--data", "/himalia/input/input0", "--lr", "0.1")
    assert made.variables["data"] == "/himalia/input/input0"
    assert made.variables["validation_url"] == "/himalia/input/input1"
    assert made.variables["deep"] == "true"
    assert made.variables["num_nodes"] == "1" and made.variables["WORLD_SIZE"] == "1"


def test_without_data_there_is_no_data_argument() -> None:
    assert "data_url" not in rules.values(inputs=0, validation=None, accelerators=0)


def test_a_parameter_never_replaces_a_variable_of_the_machine() -> None:
    made = rules.build(("x",), {}, {"PATH": "/evil", "LD_PRELOAD": "x"}, declared=None, names={})
    assert "PATH" not in made.variables and "LD_PRELOAD" not in made.variables
    assert made.words == ("x", "--PATH", "/evil", "--LD_PRELOAD", "x")


def test_a_scripts_arguments_are_read_from_its_code() -> None:
    code = "p.add_argument('--lr')\np.add_argument('-e', '--epochs')\n@click.option('--deep/--flat')\ndef f(): ...\n"
    assert rules.declared_arguments(code) == ("lr", "epochs", "deep")


def test_a_script_that_cannot_be_compiled_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        rules.check_code("x = 1\n!pip install y\n")
    assert "line 2" in caught.value.message and caught.value.value == "!pip install y"


@pytest.mark.parametrize("mapping", [{"nothing": "x"}, {"data_url": "--x"}, {"data_url": ""}])
def test_argument_names_that_cannot_be(mapping: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        rules.check_argument_names(mapping)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"epochs": 0}, "parameters.epochs"),
        ({"epochs": 2.5}, "parameters.epochs"),
        ({"epochs": True}, "parameters.epochs"),
        ({"epochs": "many"}, "parameters.epochs"),
        ({"learning_rate": float("nan")}, "parameters.learning_rate"),
        ({"features": "sift"}, "parameters.features"),
        ({"balance": 1}, "parameters.balance"),
        ({"depth": 3}, "parameters.depth"),
    ],
)
def test_parameters_out_of_their_rule_name_field_rule_and_value(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parameters.check_parameters(IMAGE_CLASSIFICATION.parameters, given)
    assert caught.value.field == field and caught.value.rule


def test_parameters_come_with_their_defaults_and_types() -> None:
    found = parameters.check_parameters(IMAGE_CLASSIFICATION.parameters, {"epochs": "12", "balance": "false"})
    assert (found["epochs"], found["balance"], found["features"]) == (12, False, "hog")


def test_the_catalogue_is_what_the_program_takes() -> None:
    """ALG-5: names, defaults and choices of the built-in are those of its own parser."""
    from himalia.algorithms.image_classification.train import parser

    declared = {action.dest: action for action in parser()._actions if action.dest != "help"}
    assert set(declared) == {p.name for p in IMAGE_CLASSIFICATION.parameters} | set(IMAGE_CLASSIFICATION.arguments)
    for parameter in IMAGE_CLASSIFICATION.parameters:
        action = declared[parameter.name]
        assert rules.text_of(parameter.default) == str(action.default), parameter.name
        if parameter.type == "choice":
            assert parameter.choices == tuple(action.choices)


def test_runs_side_by_side_show_what_differs() -> None:
    def run(name: str, lr: float, code: str | None) -> dict[str, Any]:
        return {
            "name": name,
            "run_version": "V0001",
            "parameters": {"lr": lr, "epochs": 3},
            "metrics_last": {"loss": lr},
            "inputs": [{"path": "/himalia/input/input0", "name": "d", "version": "V0001"}],
            "environment": "e",
            "code": code,
        }

    found = compare([run("a", 0.1, "x = 1\n"), run("b", 0.2, "x = 2\n")], [])
    assert {row["name"]: row["differs"] for row in found["parameters"]} == {"lr": True, "epochs": False}
    assert "-x = 1" in found["code_difference"] and "+x = 2" in found["code_difference"]
    assert compare([run("a", 0.1, None)] * 2, [])["code_difference"] is None
