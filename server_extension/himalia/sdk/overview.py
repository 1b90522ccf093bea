"""Tables of where things stand, for ``%himalia`` and the command line alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from himalia.sdk.client import Client
from himalia.sdk.compute import LevelLine
from himalia.sdk.display import Table, duration, size


class Status:
    """Who, what is left, what runs."""

    def __init__(self, client: Client) -> None:
        self._me, self._balance = client.me(), client.balance()
        show = client.currency.show
        rows = [
            (work.kind.replace("_", " "), work.object.name or work.name, work.phase, show(work.price_per_hour_micros))
            for work in client.workloads.list(active=True)
        ]
        self._running = Table(
            ["Kind", "Name", "State", "Per hour"], rows, caption=self._head(), empty="Nothing is running."
        )

    def _head(self) -> str:
        return f"{self._me.user.name} · {self._me.tenant.name} · {self._balance}"

    def __repr__(self) -> str:
        return str(self._running) if self._running.rows else f"{self._head()}\nNothing is running."

    def _repr_html_(self) -> str:
        return self._running._repr_html_()


def quota(client: Client) -> Table:
    rows = [
        (level.level, level.name, line.resource, _amount(line, line.used), _amount(line, line.limit), _left(line))
        for level in client.quota().levels
        for line in level.resources
    ]
    return Table(["Level", "Of", "Resource", "Used", "Limit", "Left"], rows, empty="No limits are set.")


def _amount(line: LevelLine, value: int | None) -> str:
    if value is None:
        return "no limit"
    if line.resource.endswith("bytes"):
        return size(value)
    return f"{value / 1000:g}" if line.resource.endswith("millis") else f"{value:,}"


def _left(line: LevelLine) -> str:
    return _amount(line, line.available) if line.limit is not None else "–"


def balance(client: Client) -> Table:
    told = client.balance()
    show = told.currency.show
    rows = [
        ("Balance", show(told.balance_micros)),
        ("Held for running work", show(told.held_micros)),
        ("Free for new work", show(told.available_micros)),
        ("Spent per hour now", show(told.burn_per_hour_micros)),
        ("Lasts until", told.lasts_until),
    ]
    return Table(["", ""], rows)


def jobs(client: Client) -> Table:
    show = client.currency.show
    rows = [
        (
            run.id,
            run.title,
            run.phase,
            " · ".join(f"{name} {value:.4g}" for name, value in list(run.metrics_last.items())[:3]),
            show(run.cost_micros),
            run.created_at,
        )
        for run in client.runs.list(limit=20, sort="-created_at")
    ]
    return Table(["Run", "Name", "State", "Metrics", "Cost", "Created"], rows, empty="No runs yet. Start with %%train.")


def datasets(client: Client) -> Table:
    rows = [
        (d.id, d.name, d.state.replace("_", " "), f"{d.confirmed}/{d.items}", d.current_version, size(d.bytes))
        for d in client.datasets.list(limit=50, sort="-updated_at")
    ]
    columns = ["No.", "Name", "State", "Labelled", "Version", "Size"]
    return Table(columns, rows, empty="No datasets yet. Make one in the panel or with client.datasets.create(…).")


def models(client: Client) -> Table:
    rows = [(m.id, m.name, m.latest, m.versions, m.framework, m.updated_at) for m in client.models.list(limit=50)]
    columns = ["No.", "Name", "Latest", "Versions", "Framework", "Updated"]
    return Table(columns, rows, empty="No models yet. Register one with run.to_model().")


def services(client: Client) -> Table:
    show = client.currency.show
    rows = [
        (s.id, s.name, s.phase, f"{s.replicas_ready}/{s.replicas_total}", s.calls_total, show(s.price_per_hour_micros))
        for s in client.services.list(limit=50)
    ]
    columns = ["No.", "Name", "State", "Ready", "Calls", "Per hour"]
    return Table(columns, rows, empty="No services yet. Deploy a model with %deploy.")


def cost(client: Client) -> Table:
    show = client.currency.show
    bills = list(client.bills.list(limit=20))
    rows = [
        (bill.serial, bill.kind, bill.object.name, bill.state, duration(bill.duration_seconds), show(bill.total_micros))
        for bill in bills
    ]
    total = show(sum(bill.total_micros for bill in bills))
    columns = ["Bill", "Kind", "For", "State", "Time", "Total"]
    return Table(columns, rows, caption=f"Latest bills: {total}" if bills else "", empty="No bills yet.")


VIEWS: dict[str, Callable[[Client], Any]] = {
    "status": Status,
    "quota": quota,
    "balance": balance,
    "jobs": jobs,
    "datasets": datasets,
    "models": models,
    "services": services,
    "cost": cost,
}
