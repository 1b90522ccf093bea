"""``himalia.Client``: everything of one platform, as one person."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, TypeVar

from himalia.sdk import admin, audit, compute, console, data, money, registry, security, serving, sharing, training
from himalia.sdk.accelerators import Accelerator, AcceleratorOffers
from himalia.sdk.base import Collection
from himalia.sdk.decode import decode
from himalia.sdk.errors import InvalidInput
from himalia.sdk.settings import Settings, resolve
from himalia.sdk.transport import Transport

T = TypeVar("T")


class Client:
    """Typed access to a platform.

    Without arguments it uses the environment (in notebooks and runs of the platform everything
    is set), else what ``himalia login`` kept.

    Args:
        api_url: The platform's address, with or without ``/services/himalia/api/v1``.
        token: An API token; never shown again, not in ``repr`` either.
        language: ``en`` or ``zh``, of the platform's messages.
        retry_seconds: How long calls wait for a platform that restarts.

    Raises:
        NotConnected: It is not known where to go or who asks.
    """

    def __init__(
        self,
        api_url: str | None = None,
        token: str | None = None,
        *,
        language: str | None = None,
        retry_seconds: float = 60.0,
    ) -> None:
        self.settings: Settings = resolve(api_url, token, language)
        self.http = Transport(self.settings, retry_seconds=retry_seconds)
        self.label_groups = data.LabelGroups(self, "/label-groups", data.LabelGroup)
        self.datasets = data.Datasets(self, "/datasets", data.Dataset)
        self.algorithms = Collection(self, "/algorithms", training.Algorithm)
        self.jobs = training.Jobs(self, "/jobs", training.Job)
        self.runs = training.Runs(self, "/runs", training.Run)
        self.models = registry.Models(self, "/models", registry.Model)
        self.services = serving.Services(self, "/inference-services", serving.Service)
        self.notebooks = compute.Notebooks(self, "/notebooks", compute.Notebook)
        self.workloads = Collection(self, "/workloads", compute.Workload)
        self.tasks = Collection(self, "/tasks", compute.Task)
        self.specs = compute.Specs(self, "/specs", compute.Spec, paged=False)
        self.quotas = console.Quotas(self)
        self.prices = console.Prices(self)
        self.bills = Collection(self, "/bills", money.Bill)
        self.ledger = Collection(self, "/ledger", money.Posting)
        self.shares = sharing.collection(self)
        self.audit = audit.AuditLog(self)
        self.tokens = security.Tokens(self)
        self.admin = admin.Admin(self)

    def __repr__(self) -> str:
        return f"<Himalia at {self.settings.api_url}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self.http.close()

    # -- who and how much --------------------------------------------------------------------

    def me(self) -> compute.Me:
        return decode(compute.Me, self.http.get("/me"))

    def quota(self) -> compute.Quota:
        return decode(compute.Quota, self.http.get("/quota"))

    def balance(self) -> money.Balance:
        return decode(money.Balance, self.http.get("/balance"))

    @functools.cached_property
    def currency(self) -> money.Currency:
        return decode(money.Currency, self.http.get("/installation").get("currency"))

    def environments(self) -> list[compute.Environment]:
        answer = self.http.get("/environments")
        return [decode(compute.Environment, item) for item in _items(answer)]

    def verdict(
        self,
        spec: str | int | compute.Spec,
        *,
        accelerator: str | int | compute.Spec | Accelerator | None = None,
        replicas: int = 1,
        scenario: str = "any",
    ) -> compute.Verdict:
        """What starting this would meet now: quota, capacity, balance."""
        told = {**self.spec_fields(spec, accelerator, scenario), "replicas": replicas, "scenario": scenario}
        return decode(compute.Verdict, self.http.post("/verdict", told))

    def accelerators(
        self,
        wish: Accelerator,
        *,
        spec: str | int | compute.Spec | None = None,
        replicas: int = 1,
        scenario: str = "any",
    ) -> AcceleratorOffers:
        """What satisfies a wish, the best first, each with price and what a start would meet.

        Args:
            spec: The basic spec that the verdicts include; without it they are of the accelerator alone.
        """
        told = {**wish.to_wire(), "replicas": replicas, "scenario": scenario}
        if spec is not None:
            told["spec_id"] = self.spec_id(spec, scenario)
        return decode(AcceleratorOffers, self.http.post("/accelerators/resolve", told), self)

    def recharge(self, amount: Any, *, note: str = "", tenant: str | None = None) -> money.Posting:
        """Add to the balance; for administrators.

        Args:
            amount: Currency units, as a decimal number or its text; negative deducts.
        """
        from decimal import Decimal

        told = {"amount_micros": int(Decimal(str(amount)) * money.MICRO), "note": note, "tenant": tenant}
        answer = self.http.post("/recharges", {key: value for key, value in told.items() if value is not None})
        return decode(money.Posting, answer, self)

    def end_sessions(self) -> None:
        """Sign out everywhere: every browser, every proof of presence. Tokens and running work stay."""
        self.http.post("/me/sessions/end")

    def search(self, text: str) -> list[dict[str, Any]]:
        return list(self.http.get("/search", q=text)["items"])

    # -- pages -------------------------------------------------------------------------------

    def pages(self, path: str, kind: type[T], limit: int | None, **query: Any) -> Iterator[T]:
        """All objects of a list, page by page as they are used."""
        for raw in self.raw_pages(path, limit, **query):
            yield decode(kind, raw, self)

    def whole_list(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """A short list that is answered at once."""
        return _items(self.http.get(path, **query))

    def raw_pages(self, path: str, limit: int | None = None, **query: Any) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        seen = 0
        while True:
            size = min(200, limit - seen) if limit else 200
            asked = {**query, "cursor": cursor}
            answer = self.http.request("GET", path, query=asked | {"limit": size}).json()
            for raw in _items(answer):
                yield raw
                seen += 1
                if limit and seen >= limit:
                    return
            cursor = answer.get("next_cursor") if isinstance(answer, dict) else None
            if not cursor:
                return

    # -- names to numbers --------------------------------------------------------------------

    def binding(self, dataset: Any, version: str | int | None = None) -> dict[str, Any]:
        """``{"id", "version"}`` of a dataset given as name, ``name@V0002``, object or version."""
        if isinstance(dataset, data.DatasetVersion):
            return {"id": dataset.dataset.id, "version": dataset.version}
        if isinstance(dataset, str) and "@" in dataset:
            dataset, _, version = dataset.rpartition("@")
        found = dataset if isinstance(dataset, data.Dataset) else self.datasets.get(dataset)
        chosen = data.version_name(version) if version is not None else found.current_version
        if chosen is None:
            raise InvalidInput(
                f"{found.name} has no version yet; only published versions go into training.",
                field="dataset",
                hint="Publish one in the panel or with dataset.publish().",
            )
        return {"id": found.id, "version": chosen}

    def model_version(self, model: Any, version: str | int | None = None) -> registry.ModelVersion:
        if isinstance(model, registry.ModelVersion):
            return model
        if isinstance(model, str) and "@" in model:
            model, _, version = model.rpartition("@")
        found = model if isinstance(model, registry.Model) else self.models.get(model)
        return found.get_version(version)

    def spec_id(self, spec: str | int | compute.Spec | None, scenario: str) -> int:
        """The number of a spec; without one the cheapest of the scenario with a whole CPU and 1 GiB."""
        if isinstance(spec, compute.Spec):
            return spec.id
        if isinstance(spec, int):
            return spec
        offered = self._offered(scenario, accelerators=False)
        if spec is None and offered:
            roomy = [s for s in offered if s.resources.cpu_millis >= 1000 and s.resources.memory_bytes >= 2**30]
            return min(roomy or offered, key=lambda s: (s.price_per_hour_micros, s.resources.cpu_millis)).id
        for item in offered:
            if item.name == spec:
                return item.id
        names = ", ".join(item.name for item in offered) or "none; an administrator makes them"
        raise InvalidInput(f"There is no spec {spec!r} for {scenario}.", field="spec", hint=f"Specs: {names}.")

    def _offered(self, scenario: str, *, accelerators: bool) -> list[compute.Spec]:
        fitting = [item for item in self.specs.list() if item.scenario in ("any", "", scenario) or scenario == "any"]
        return [item for item in fitting if (item.kind != "basic") == accelerators]

    def spec_fields(
        self,
        spec: str | int | compute.Spec | None,
        accelerator: str | int | compute.Spec | Accelerator | None,
        scenario: str,
    ) -> dict[str, Any]:
        """The fields of a request that starts something: a basic spec, and an accelerator's or the wish for one."""
        told: dict[str, Any] = {"spec_id": self.spec_id(spec, scenario)}
        if accelerator is None:
            return told
        if isinstance(accelerator, Accelerator):
            return {**told, "accelerator_wish": accelerator.to_wire()}
        if isinstance(accelerator, compute.Spec):
            accelerator = accelerator.id
        if isinstance(accelerator, str):
            offered = self._offered(scenario, accelerators=True)
            found = next((item.id for item in offered if item.name == accelerator), None)
            if found is None:
                names = ", ".join(item.name for item in offered) or "none; an administrator makes them"
                raise InvalidInput(
                    f"There is no accelerator spec {accelerator!r} for {scenario}.",
                    field="accelerator",
                    hint=f"Accelerator specs: {names}.",
                )
            accelerator = found
        return {**told, "accelerator_spec_id": accelerator}

    def checklists(self, tenant: str | None = None) -> list[console.Checklist]:
        """What the installation and an organisation still lack, and who can do it; for administrators."""
        return console.checklists(self, tenant)

    def default_environment(self, use: str) -> str:
        """The name of the environment work of this use runs in when nobody says."""
        ready = [item for item in self.environments() if item.state == "ready"]
        fitting = [item for item in ready if not item.uses or use in item.uses]
        if not fitting:
            raise InvalidInput(f"No runtime environment for {use} is ready.", field="environment")
        return max(fitting, key=lambda item: len(item.packages)).name


def _items(answer: Any) -> list[dict[str, Any]]:
    return list(answer.get("items") or []) if isinstance(answer, dict) else list(answer or [])


_current: Client | None = None


def connect(api_url: str | None = None, token: str | None = None, **options: Any) -> Client:
    """The client of this process, made on first use; with arguments a new one takes its place."""
    global _current
    if _current is None or api_url or token or options:
        _current = Client(api_url, token, **options)
    return _current
