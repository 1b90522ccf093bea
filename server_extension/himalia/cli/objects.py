"""The SDK's objects as commands: ``himalia datasets list --json``.

Each command is one function from client and arguments to something to show; ``--json`` shows the
same as JSON for programs. Errors end with 1 and one sentence on stderr, wrong use with 2.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from himalia.cli import OBJECTS
from himalia.cli.console import accelerator_of, accelerator_options
from himalia.cli.tenancy import Outcome, Way
from himalia.sdk.errors import HimaliaError

if TYPE_CHECKING:
    from himalia.sdk.client import Client

Command = Callable[["Client", argparse.Namespace], Any]


def register(groups: Any, name: str) -> None:
    """Add the group ``name`` with its commands."""
    group = groups.add_parser(name, help=OBJECTS[name], description=OBJECTS[name].capitalize() + ".")
    BUILD[name](group)


def _command(parser: argparse.ArgumentParser, run: Command) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--url", help="address of the platform (default: $HIMALIA_API_URL, or what login kept)")
    parser.set_defaults(run=lambda arguments: _run(run, arguments))
    return parser


def _run(run: Command, arguments: argparse.Namespace) -> int:
    from himalia.sdk.client import Client

    return answered(lambda: Client(arguments.url), run, arguments)


def answered(connect: Callable[[], Client], run: Command, arguments: argparse.Namespace) -> int:
    """Run a command over a client and show what it answers; the exit code."""
    try:
        with connect() as client:
            shown = run(client, arguments)
            code = 0
            if isinstance(shown, Outcome):
                shown, code = shown.shown, shown.code
            show(shown, as_json=arguments.json)
            return code
    except HimaliaError as error:
        if arguments.json:
            problem = {"code": error.code, "message": error.message, "hint": error.hint, "field": error.field}
            sys.stderr.write(json.dumps(problem, ensure_ascii=False) + "\n")
        else:
            sys.stderr.write(f"himalia: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"himalia: {error.strerror}: {error.filename}\n")
        return 1


def show(value: Any, *, as_json: bool) -> None:
    """Print a table, object, list or text."""
    if value is None:
        return
    if as_json:
        print(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))
    elif dataclasses.is_dataclass(value):
        from himalia.sdk.display import cell

        for field in dataclasses.fields(value):
            print(f"{field.name.replace('_', ' '):24} {cell(getattr(value, field.name))}")
    elif isinstance(value, dict):
        for key, entry in value.items():
            text = entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False, default=_plain)
            print(f"{key}:\n{text}\n" if "\n" in text else f"{key:24} {text}")
    elif isinstance(value, list):
        print(_rows(value))
    else:
        print(value)


def _plain(value: Any) -> Any:
    from himalia.sdk.display import Table

    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Table):
        return [dict(zip(value.columns, row, strict=True)) for row in value.rows]
    return str(value)


def _rows(items: list[Any]) -> str:
    from himalia.sdk.display import Table

    wanted = (
        "id",
        "serial",
        "version",
        "name",
        "title",
        "kind",
        "state",
        "phase",
        "waits",
        "items",
        "total_micros",
        "created_at",
    )
    columns = [name for name in wanted if any(getattr(item, name, None) not in (None, "") for item in items)]
    return str(
        Table([name.replace("_", " ") for name in columns], [[getattr(i, n, "") for n in columns] for i in items])
    )


# -- groups ------------------------------------------------------------------------------------


def _view(name: str) -> Command:
    def run(client: Client, arguments: argparse.Namespace) -> Any:
        from himalia.sdk.overview import VIEWS

        if arguments.json and name != "status":
            return {"balance": client.balance, "quota": client.quota}[name]()
        return VIEWS[name](client)

    return run


def _list(collection: str) -> Command:
    def run(client: Client, arguments: argparse.Namespace) -> Any:
        source = getattr(client, collection)
        if callable(source):
            return source()[: arguments.limit]
        return list(source.list(q=arguments.q, sort=arguments.sort, limit=arguments.limit))

    return run


def _add_list(commands: Any, collection: str, path: str | None = None) -> None:
    parser = _command(commands.add_parser("list", help="list them"), _list(path or collection))
    parser.add_argument("-q", help="text in name or number")
    parser.add_argument("--sort", help="name, -created_at, …")
    parser.add_argument("--limit", type=int, default=50, help="at most so many (default: 50)")


def _one(commands: Any, verb: str, help_text: str, run: Command, *options: tuple[list[str], dict[str, Any]]) -> None:
    parser = _command(commands.add_parser(verb, help=help_text), run)
    parser.add_argument("which", help="name or number")
    for names, settings in options:
        parser.add_argument(*names, **settings)


def _option(*names: str, **settings: Any) -> tuple[list[str], dict[str, Any]]:
    return list(names), settings


def _plain_group(collection: str) -> Callable[[argparse.ArgumentParser], None]:
    def build(group: argparse.ArgumentParser) -> None:
        commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
        _add_list(commands, collection)
        if collection != "environments":
            _one(commands, "show", "show one", lambda client, a: getattr(client, collection).get(a.which))

    return build


def _notebooks(group: argparse.ArgumentParser) -> None:
    from himalia.cli import notebooks

    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_list(commands, "notebooks")
    _one(commands, "show", "show one", lambda client, a: client.notebooks.get(a.which))
    notebooks.build(commands, Way(_command))


def _datasets(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_list(commands, "datasets")
    _one(commands, "show", "show one", lambda client, a: client.datasets.get(a.which))
    _one(commands, "versions", "list versions", lambda client, a: list(client.datasets.get(a.which).versions()))
    _one(commands, "statistics", "counts", lambda client, a: client.datasets.get(a.which).statistics())
    create = _command(
        commands.add_parser("create", help="make one for image classification"),
        lambda client, a: client.datasets.create(
            a.name, a.labels.split(","), multi_label=a.multi_label, description=a.description
        ),
    )
    create.add_argument("name")
    create.add_argument("--labels", required=True, help="names, separated by commas")
    create.add_argument("--multi-label", action="store_true", help="an item may have several labels")
    create.add_argument("--description", default="")
    _one(
        commands,
        "import",
        "upload pictures, a folder or an archive",
        _import,
        _option("path", type=Path, nargs="+", help="files, one folder, or one archive"),
        _option("--labels-from-folders", action="store_true", help="cat/1.jpg is labelled cat"),
    )
    _one(
        commands,
        "publish",
        "freeze the draft as a version",
        lambda client, a: client.datasets.get(a.which).publish(a.description, seed=a.seed),
        _option("--description", default=""),
        _option("--seed", type=int, default=0, help="of the split"),
    )
    _one(
        commands,
        "compare",
        "what differs between two versions",
        lambda client, a: client.datasets.get(a.which).compare(a.old, a.new),
        _option("old"),
        _option("new", nargs="?", default="draft"),
    )
    _one(
        commands,
        "export",
        "download a version as .zip",
        lambda client, a: client.datasets.get(a.which).get_version(a.version).export(a.to, a.format),
        _option("to", type=Path),
        _option("--version", help="V0001 … (default: the current one)"),
        _option("--format", choices=("native", "imagefolder", "csv"), default="native"),
    )
    _one(commands, "delete", "delete it", lambda client, a: client.datasets.get(a.which).delete())


def _import(client: Client, arguments: argparse.Namespace) -> Any:
    dataset = client.datasets.get(arguments.which)
    first: Path = arguments.path[0]
    from_folders = arguments.labels_from_folders
    if first.is_dir():
        done = dataset.import_folder(first, labels_from_folders=from_folders)
    elif first.suffix in (".zip", ".tar", ".gz", ".tgz"):
        done = dataset.import_archive(first, labels_from_folders=from_folders)
    else:
        done = dataset.import_files(arguments.path)
    for file in done.refused_files():
        sys.stderr.write(f"refused: {file.path}: {file.reason}\n")
    return done if arguments.json else str(done)


def _runs(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_list(commands, "runs")
    _one(commands, "show", "show one", lambda client, a: client.runs.get(a.which))
    _one(
        commands,
        "log",
        "print its log",
        _log,
        _option("-f", "--follow", action="store_true", help="go on until it ended"),
    )
    _one(commands, "metrics", "print its metrics", _metrics)
    _one(commands, "wait", "wait for its end", lambda client, a: client.runs.get(a.which).wait())
    _one(commands, "stop", "stop it", lambda client, a: client.runs.get(a.which).stop())
    _one(commands, "repeat", "the same again", lambda client, a: client.runs.get(a.which).repeat())
    _one(
        commands,
        "register",
        "make a model version of what it left",
        lambda client, a: client.runs.get(a.which).to_model(a.model),
        _option("--model", help="name of the model (default: the job's)"),
    )
    submit = _command(commands.add_parser("submit", help="run a Python script"), _submit)
    submit.add_argument("script", type=Path)
    submit.add_argument("--name", help="of the job (default: the script's)")
    submit.add_argument("--dataset", action="append", default=[], help="name or name@V0002")
    submit.add_argument("--param", action="append", default=[], metavar="KEY=VALUE")
    submit.add_argument("--spec")
    accelerator_options(submit)
    submit.add_argument("--environment")
    submit.add_argument("--wait", action="store_true", help="print the log until it ended")


def _log(client: Client, arguments: argparse.Namespace) -> Any:
    run = client.runs.get(arguments.which)
    for text in run.log(follow=arguments.follow):
        sys.stdout.write(text)
        sys.stdout.flush()


def _metrics(client: Client, arguments: argparse.Namespace) -> Any:
    series = client.runs.get(arguments.which).series()
    if arguments.json:
        return series
    for one in series:
        for step, value, *_ in one["points"]:
            print(f"{one['name']}\t{step}\t{value:g}")
    return None


def _submit(client: Client, arguments: argparse.Namespace) -> Any:
    parameters = dict(pair.partition("=")[::2] for pair in arguments.param)
    run = client.runs.submit(
        arguments.script.read_text(encoding="utf-8"),
        name=arguments.name or arguments.script.stem,
        datasets=arguments.dataset,
        parameters=parameters,
        spec=arguments.spec,
        accelerator=accelerator_of(arguments),
        environment=arguments.environment,
    )
    return run.wait(log=not arguments.json) if arguments.wait else run


def _jobs(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_list(commands, "jobs")
    _one(commands, "show", "show one", lambda client, a: client.jobs.get(a.which))
    _one(commands, "runs", "list its runs", lambda client, a: list(client.jobs.get(a.which).all_runs()))
    create = _command(commands.add_parser("create", help="train with an algorithm"), _create_job)
    create.add_argument("name")
    create.add_argument("--dataset", required=True, help="name or name@V0002")
    create.add_argument("--algorithm", default="image-classification")
    create.add_argument("--param", action="append", default=[], metavar="KEY=VALUE")
    create.add_argument("--spec")
    accelerator_options(create)
    create.add_argument("--wait", action="store_true", help="print the log until it ended")


def _create_job(client: Client, arguments: argparse.Namespace) -> Any:
    run = client.jobs.create(
        arguments.name,
        arguments.dataset,
        algorithm=arguments.algorithm,
        parameters=dict(_typed(pair) for pair in arguments.param),
        spec=arguments.spec,
        accelerator=accelerator_of(arguments),
    )
    return run.wait(log=not arguments.json) if arguments.wait else run


def _typed(pair: str) -> tuple[str, Any]:
    key, _, text = pair.partition("=")
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text


def _models(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_list(commands, "models")
    _one(commands, "show", "show one", lambda client, a: client.models.get(a.which))
    _one(commands, "versions", "list versions", lambda client, a: list(client.models.get(a.which).all_versions()))
    _one(
        commands,
        "download",
        "download a version",
        lambda client, a: client.model_version(a.which).download(a.to),
        _option("to", type=Path, help="folder; name@V0002 chooses the version"),
    )


def _services(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_list(commands, "services")
    _one(commands, "show", "show one", lambda client, a: client.services.get(a.which))
    _one(
        commands,
        "deploy",
        "serve a model",
        lambda client, a: client.services.deploy(
            a.which, name=a.name, spec=a.spec, accelerator=accelerator_of(a), replicas=a.replicas
        ),
        _option("--name", help="of the service (default: the model's)"),
        _option("--spec"),
        _option("--accelerator", help="accelerator spec, added to the basic one"),
        _option("--any-accelerator", metavar="[COUNTx]GIB[:FRAMEWORK,...]", help="any that suffices: 24:cuda,cann"),
        _option("--replicas", type=int, default=1),
    )
    _one(
        commands,
        "predict",
        "ask it about a picture",
        lambda client, a: client.services.get(a.which).predict(a.file).raw,
        _option("file", type=Path),
    )
    _one(commands, "guide", "how to call it", lambda client, a: client.services.get(a.which).guide())
    _one(commands, "start", "start it", lambda client, a: client.services.get(a.which).start())
    _one(commands, "stop", "stop it", lambda client, a: client.services.get(a.which).stop())
    _one(commands, "delete", "delete it", lambda client, a: client.services.get(a.which).delete())


def _login(group: argparse.ArgumentParser) -> None:
    group.add_argument("url", help="address of the platform, such as http://127.0.0.1:8000")
    group.add_argument("--token-file", type=Path, help="file with the token (default: asked for)")
    group.set_defaults(run=_keep_login)


def _keep_login(arguments: argparse.Namespace) -> int:
    import getpass

    from himalia.sdk import settings
    from himalia.sdk.client import Client

    try:
        if arguments.token_file:
            token = arguments.token_file.read_text().strip()
        else:
            token = getpass.getpass("API token (from your account page): ").strip()
        with Client(arguments.url, token) as client:
            me = client.me()
            path = settings.keep(client.settings)
    except (HimaliaError, OSError) as error:
        sys.stderr.write(f"himalia: {error}\n")
        return 1
    print(f"Signed in as {me.user.name} of {me.tenant.name}; kept in {path}.")
    return 0


def _console(group: argparse.ArgumentParser, name: str) -> None:
    from himalia.cli import console

    console.register(group, name)


def _administration(name: str) -> Callable[[argparse.ArgumentParser], None]:
    def build(group: argparse.ArgumentParser) -> None:
        from himalia.cli import administration

        administration.build(name, group, Way(_command))

    return build


def _preview(group: argparse.ArgumentParser) -> None:
    from himalia.cli import preview

    preview.build(group, Way(_command))


def _recharge(group: argparse.ArgumentParser) -> None:
    def run(client: Client, arguments: argparse.Namespace) -> Any:
        made = client.recharge(arguments.amount, note=arguments.note, tenant=arguments.organisation)
        return made if arguments.json else f"Balance: {client.currency.show(made.balance_after_micros)}."

    _command(group, run)
    group.add_argument("amount", help="currency units; negative deducts")
    group.add_argument("--note", default="")
    group.add_argument("--organisation", default=None, help="an organisation's code (default: your own)")


def _specs(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_list(commands, "specs")
    _one(commands, "show", "show one", lambda client, a: client.specs.get(a.which))
    create = _command(
        commands.add_parser("create", help="make one: basic, or of an accelerator"),
        lambda client, a: client.specs.create(
            a.name,
            cpu=a.cpu,
            memory_gib=a.memory,
            accelerators={a.accelerator: a.count} if a.accelerator else None,
            kind=a.kind,
            scenario=a.scenario,
            card=a.card,
        ),
    )
    create.add_argument("name", help="1-32 characters")
    create.add_argument("--cpu", type=float, default=0, help="CPUs")
    create.add_argument("--memory", type=float, default=0, help="GiB")
    create.add_argument("--kind", default="basic", help="basic, gpu, gpu_mig, npu or vnpu")
    create.add_argument("--accelerator", metavar="RESOURCE", help="nvidia.com/gpu")
    create.add_argument("--count", type=int, default=1)
    create.add_argument("--card", help="the card's name, as people know it")
    create.add_argument("--scenario", default="any")
    _one(commands, "delete", "delete one; running work keeps it", lambda client, a: client.specs.get(a.which).delete())


BUILD: dict[str, Callable[[argparse.ArgumentParser], Any]] = {
    "status": lambda group: _command(group, _view("status")),
    "balance": lambda group: _command(group, _view("balance")),
    "quota": lambda group: _command(group, _view("quota")),
    "quotas": lambda group: _console(group, "quotas"),
    "prices": lambda group: _console(group, "prices"),
    "verdict": lambda group: _console(group, "verdict"),
    "accelerators": lambda group: _console(group, "accelerators"),
    "checklist": lambda group: _console(group, "checklist"),
    **{
        name: _administration(name)
        for name in (
            "organisations",
            "departments",
            "members",
            "groups",
            "roles",
            "policy",
            "senders",
            "sources",
            "tokens",
            "audit",
            "shares",
            "sessions",
        )
    },
    "recharge": _recharge,
    "preview-pod": _preview,
    "specs": _specs,
    "datasets": _datasets,
    "runs": _runs,
    "jobs": _jobs,
    "models": _models,
    "services": _services,
    "login": _login,
    **{name: _plain_group(name) for name in ("bills", "environments", "algorithms", "workloads", "tasks")},
    "notebooks": _notebooks,
}
