"""The magics themselves: arguments in, SDK calls, rich output."""

# mypy: disable-error-code="untyped-decorator,no-untyped-call"
# IPython's decorators carry no types.

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from himalia.magics import watching
from himalia.sdk.client import connect
from himalia.sdk.errors import InvalidInput
from himalia.sdk.overview import VIEWS

SHOWS = tuple(VIEWS)


@magics_class
class HimaliaMagics(Magics):
    """Datasets, training and services from a cell."""

    shell: Any

    @line_magic
    @magic_arguments()
    @argument("what", nargs="?", default="status", choices=SHOWS, help="what to show (default: status)")
    def himalia(self, line: str) -> Any:
        """Show where things stand."""
        return VIEWS[parse_argstring(self.himalia, line).what](connect())

    @line_magic
    @magic_arguments()
    @argument("name", help="name of the dataset; name@V0002 for a version, else the current one")
    @argument("variable", nargs="?", help="variable to put it into")
    def dataset(self, line: str) -> Any:
        """Open a dataset version: pictures, labels, splits.

        ``%dataset digits@V0002 data`` then ``X, y = data.to_numpy()``.
        """
        from himalia.sdk.local import dataset

        arguments = parse_argstring(self.dataset, line)
        opened = dataset(arguments.name)
        if arguments.variable:
            self.shell.user_ns[_variable(arguments.variable)] = opened
        return opened

    @cell_magic
    @magic_arguments()
    @argument("--name", "-n", help="name of the job (default: from the time)")
    @argument("--spec", "-s", help="resource spec (default: the cheapest for training)")
    @argument("--environment", "-e", help="runtime environment (default: the fullest for training)")
    @argument(
        "--dataset", "-d", action="append", default=[], help="name or name@V0002; found at /himalia/input/input0 …"
    )
    @argument("--param", "-p", action="append", default=[], help="key=value: passed as --key value; repeat for more")
    @argument("--wait", "-w", action="store_true", help="wait for the end, and fail the cell if the run fails")
    @argument("--into", help="variable to put the run into")
    def train(self, line: str, cell: str) -> Any:
        """Run this cell as a training run; its log and metrics appear below.

        The code runs in a workload of its own, not in this kernel: it sees its own imports only,
        reads datasets at /himalia/input/input0 …, keeps files in /himalia/output and a model in
        /himalia/model, and reports with himalia.log(loss=…, step=…).
        """
        arguments = parse_argstring(self.train, line)
        run = connect().runs.submit(
            cell,
            name=arguments.name or time.strftime("cell-%m%d-%H%M%S"),
            datasets=arguments.dataset,
            parameters=_parameters(arguments.param),
            spec=arguments.spec,
            environment=arguments.environment,
        )
        if arguments.into:
            self.shell.user_ns[_variable(arguments.into)] = run
        watching.watch(run, wait=arguments.wait)

    @line_magic
    @magic_arguments()
    @argument("model", help="name of the model; name@V0003 for a version, else the latest")
    @argument("--name", "-n", help="name of the service (default: the model's)")
    @argument("--spec", "-s", help="resource spec (default: the cheapest for inference)")
    @argument("--replicas", "-r", type=int, default=1, help="how many replicas (default: 1)")
    @argument("--no-wait", action="store_true", help="return before it answers")
    @argument("--into", help="variable to put the service into")
    def deploy(self, line: str) -> Any:
        """Serve a model version; returns when it answered a real sample."""
        arguments = parse_argstring(self.deploy, line)
        service = connect().services.deploy(
            arguments.model,
            name=arguments.name,
            spec=arguments.spec,
            replicas=arguments.replicas,
            wait=not arguments.no_wait,
        )
        if arguments.into:
            self.shell.user_ns[_variable(arguments.into)] = service
        return service

    @line_magic
    @magic_arguments()
    @argument("service", help="name of the service")
    @argument("value", nargs="+", help="a variable (picture, array), a file, or JSON")
    def predict(self, line: str) -> Any:
        """Ask a service: ``%predict digits picture.png`` or ``%predict digits x_test[0]``."""
        arguments = parse_argstring(self.predict, line)
        value = self._value(" ".join(arguments.value))
        service = connect().services.get(arguments.service)
        return watching.Answer(service.predict(value), value)

    def _value(self, text: str) -> Any:
        plain = text.strip("\"'")
        if Path(plain).is_file():
            return plain
        root = text.partition("[")[0].partition(".")[0].partition("(")[0].strip()
        if root.isidentifier() and root in self.shell.user_ns:
            return self.shell.ev(text)
        try:
            return json.loads(text)
        except ValueError:
            raise InvalidInput(
                f"{text!r} is neither a file nor a variable here, nor JSON.", field="value", value=text
            ) from None


def _variable(name: str) -> str:
    if not name.isidentifier():
        raise UsageError(f"{name!r} is no name for a variable.")
    return name


def _parameters(pairs: list[str]) -> dict[str, Any]:
    """``["epochs=3", "rate=0.1", "flag=true"]`` with numbers and booleans as such."""
    result: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"--param takes key=value, not {pair!r}.")
        try:
            value = json.loads(text)
            result[key] = value if isinstance(value, (int, float, bool, str)) else text
        except ValueError:
            result[key] = text
    return result
