"""``himalia admin specs|quotas``: sizes and limits from the machine."""

from __future__ import annotations

import argparse
from typing import Any

from himalia_hub.compute import resources as res

GIB = 2**30


def register_admin(commands: Any) -> None:
    """Add the commands of the engine."""
    from himalia_hub.commands.admin import guarded

    specs = commands.add_parser("specs", help="list, create or delete resource specs")
    actions = specs.add_subparsers(metavar="ACTION")
    specs.set_defaults(run=guarded(_list_specs))
    create = actions.add_parser("create", help="create a resource spec")
    create.add_argument("name", help="at most 32 characters")
    create.add_argument("--cpu", type=float, required=True, help="CPUs, for example 0.5")
    create.add_argument("--memory", type=float, required=True, help="memory in GiB")
    create.add_argument("--scenario", default="any")
    create.add_argument("--accelerator", action="append", default=[], metavar="RESOURCE=COUNT")
    create.set_defaults(run=guarded(_create_spec))
    delete = actions.add_parser("delete", help="delete a resource spec; running work keeps what it has")
    delete.add_argument("id", type=int)
    delete.set_defaults(run=guarded(_delete_spec))

    quotas = commands.add_parser("quotas", help="show or set quotas of an organisation, department or person")
    quotas.add_argument("organisation", help="the organisation's code")
    quotas.add_argument("--department", default=None, help="a department's number")
    quotas.add_argument("--person", default=None, help="a person's name")
    quotas.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="RESOURCE=AMOUNT",
        help="cpu=CPUs, memory=GiB, storage=GiB, or an accelerator's resource name; 'none' takes the limit away",
    )
    quotas.set_defaults(run=guarded(_quotas))


def _call(arguments: argparse.Namespace, method: str, path: str, body: Any = None) -> Any:
    from himalia_hub.commands.admin import administration

    return administration(arguments).call(method, path, body)


def _list_specs(arguments: argparse.Namespace) -> int:
    for spec in _call(arguments, "GET", "admin/specs"):
        parts = [
            res.show(res.CPU, spec["resources"]["cpu_millis"]),
            res.show(res.MEMORY, spec["resources"]["memory_bytes"]),
        ]
        parts += [res.show(name, count) for name, count in spec["resources"]["accelerators"].items()]
        print(f"{spec['id']:>4}  {spec['name']:<32}  {spec['scenario']:<14}  {', '.join(parts)}")
    return 0


def _pairs(texts: list[str]) -> dict[str, str]:
    from himalia_hub.supervisor.errors import SupervisorError

    for text in texts:
        if "=" not in text:
            raise SupervisorError(f"{text!r} is not RESOURCE=AMOUNT.", "For example: memory=16")
    return dict(text.split("=", 1) for text in texts)


def _create_spec(arguments: argparse.Namespace) -> int:
    body = {
        "name": arguments.name,
        "scenario": arguments.scenario,
        "cpu_millis": round(arguments.cpu * 1000),
        "memory_bytes": round(arguments.memory * GIB),
        "accelerators": {name: int(count) for name, count in _pairs(arguments.accelerator).items()},
    }
    made = _call(arguments, "POST", "admin/specs", body)
    print(f"created {made['id']}: {made['name']}")
    return 0


def _delete_spec(arguments: argparse.Namespace) -> int:
    _call(arguments, "DELETE", f"admin/specs/{arguments.id}")
    return 0


def amount_of(resource: str, text: str) -> tuple[str, int | None]:
    """A limit as people write it to its resource and amount; ``none`` takes it away."""
    name = {"cpu": res.CPU, "memory": res.MEMORY, "storage": res.STORAGE}.get(resource, resource)
    if text.lower() == "none":
        return name, None
    unit = {res.CPU: 1000, res.MEMORY: GIB, res.STORAGE: GIB}.get(name, 1)
    return name, round(float(text) * unit)


def _quotas(arguments: argparse.Namespace) -> int:
    level, subject = "tenant", arguments.organisation
    if arguments.person is not None:
        level, subject = "user", arguments.person
    elif arguments.department is not None:
        level, subject = "department", arguments.department
    if arguments.set:
        limits = dict(amount_of(name, text) for name, text in _pairs(arguments.set).items())
        body = {"level": level, "subject": subject, "tenant": arguments.organisation, "limits": limits}
        shown = _call(arguments, "PUT", "admin/quotas", body)
    else:
        query = f"level={level}&subject={subject}&tenant={arguments.organisation}"
        shown = _call(arguments, "GET", f"admin/quotas?{query}")
    print(f"{shown['level']} {shown['name']}")
    for line in shown["resources"]:
        limit = "no limit of its own" if line["limit"] is None else res.show(line["resource"], line["limit"])
        print(f"  {line['resource']:<24} {limit:<20} in use: {res.show(line['resource'], line['used'])}")
    return 0
