"""PERF-6, PERF-7, PERF-5: importing many small files against DVC, publishing, comparing and listing at size.

The platform is a real process with the real S3 server beside it; files arrive over HTTP as a browser
sends them. DVC is installed into a virtual environment of its own and adds the same files.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import TokenKind
from himalia_hub.core.db import Database
from himalia_hub.data.content.framing import MEDIA_TYPE, encode
from himalia_hub.tenancy import service as tenancy
from tests.benchmarks.rows import percentile, row
from tests.support.made_pictures import picture
from tests.support.ports import free_port
from tests.support.s3 import S3Server
from tests.support.service import make_config

FILES = 20_000
CALL_BYTES, CALL_FILES = 8 * 1024 * 1024, 2000
CONNECTIONS = 2
"""A browser sends the next call while the one before is worked on."""
BASE = "/services/himalia/api/v1"


class PlatformProcess:
    """``python -m himalia_hub.platform`` on a SQLite database, with one member's client."""

    def __init__(self, folder: Path, server: S3Server) -> None:
        state = folder / "state"
        config = make_config(
            state,
            f"sqlite:///{state}/himalia.sqlite3",
            s3=server.bucket().model_dump(mode="json"),
            listen={"port": free_port()},
        )
        self.config = config
        path = folder / "platform.json"
        path.write_text(config.model_dump_json())
        self._log = (folder / "platform.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "himalia_hub.platform", "--config", str(path)],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        url = f"http://127.0.0.1:{config.listen.port}{BASE}"
        self.client = httpx.Client(base_url=url, timeout=120, trust_env=False)
        self._wait(folder / "platform.log")
        self.client.headers["Authorization"] = f"Bearer {self._member()}"

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.client.get("/health").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace")[-3000:])
            time.sleep(0.05)

    def _member(self) -> str:
        db = Database(self.config.database_url)

        def work(session: Any) -> str:
            tenant = tenancy.create_tenant(session, code="bench", name="Bench")
            user = tenancy.create_user(session, tenant.id, "benchmember")
            return tokens.issue(session, user_id=user.id, kind=TokenKind.NOTEBOOK)[1]

        try:
            return db.write_now(work)
        finally:
            db.close()

    def close(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


def ok(answer: httpx.Response) -> Any:
    if answer.status_code >= 300:
        raise RuntimeError(answer.text)
    return answer.json()


def write_files(folder: Path, count: int) -> int:
    """Small PNG files of 8 x 8 noise in a hundred folders; answers their bytes."""
    total = 0
    for number in range(count):
        path = folder / f"{number % 100:02}" / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = picture(number)
        path.write_bytes(data)
        total += len(data)
    return total


def calls(folder: Path) -> Iterator[bytes]:
    """Bodies of about 8 MiB or 2,000 files, read from disk as they are sent."""
    frames: list[bytes] = []
    size = 0
    for path in sorted(folder.rglob("*.png")):
        data = path.read_bytes()
        frames.append(encode({"path": str(path.relative_to(folder)), "size": len(data)}, data))
        size += len(data)
        if size >= CALL_BYTES or len(frames) >= CALL_FILES:
            yield b"".join(frames)
            frames, size = [], 0
    if frames:
        yield b"".join(frames)


def make_dataset(client: httpx.Client, name: str) -> int:
    group = ok(client.post("/label-groups", json={"name": name, "labels": [{"name": str(n)} for n in range(10)]}))
    return ok(client.post("/datasets", json={"name": name, "label_group_id": group["id"]}))["id"]  # type: ignore[no-any-return]


def import_folder(client: httpx.Client, dataset: int, folder: Path) -> list[float]:
    """Import a folder over two connections; answers the seconds of each call, the end in the last."""
    begun = ok(client.post(f"/datasets/{dataset}/imports", json={"source": "browser"}))
    path, headers = f"/imports/{begun['id']}/files", {"Content-Type": MEDIA_TYPE}

    def send(body: bytes) -> float:
        before = time.perf_counter()
        results = ok(client.post(path, content=body, headers=headers))["results"]
        took = time.perf_counter() - before
        refused = [row for row in results if row["outcome"] != "added"]
        if refused:
            raise RuntimeError(f"not added: {refused[:3]}")
        return took

    with ThreadPoolExecutor(CONNECTIONS) as senders:
        seconds = list(senders.map(send, calls(folder)))
    before = time.perf_counter()
    ok(client.post(f"/imports/{begun['id']}/finish"))
    seconds[-1] += time.perf_counter() - before
    return seconds


def dvc_seconds(workdir: Path, folder: Path) -> float:
    """``dvc add`` of the same files in a fresh repository, its installation not counted."""
    environment = workdir / "dvc-environment"
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), "dvc"], check=True)
    repository = workdir / "dvc-repository"
    shutil.copytree(folder, repository / "pictures")
    variables = {**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": f"{environment / 'bin'}:{os.environ['PATH']}"}

    def dvc(*arguments: str) -> None:
        subprocess.run(
            [str(python), "-m", "dvc", *arguments], cwd=repository, env=variables, check=True, capture_output=True
        )

    dvc("init", "--no-scm", "--quiet")
    before = time.perf_counter()
    dvc("add", "--quiet", "pictures")
    return time.perf_counter() - before


def grow(url: str, dataset_name: str, wanted: int) -> None:
    """Fill a dataset with rows by SQL up to a size that importing would take minutes for.

    Every row copies a real item's picture; names, positions and every index are as an import writes them.
    """
    engine = sa.create_engine(url)
    with engine.begin() as db:
        dataset = db.execute(sa.text("SELECT id FROM datasets WHERE name = :n"), {"n": dataset_name}).scalar_one()
        have = db.execute(sa.text("SELECT last_item FROM datasets WHERE id = :d"), {"d": dataset}).scalar_one()
        label = json.dumps([{"label_id": 1, "origin": "import", "by": None, "score": None}])
        columns = (
            "dataset_id, item, valid_from, valid_to, name, digest, media_type, width, height, bytes, state, labels, "
            "labels_key, annotated_by, item_version, import_id, source_path, trashed_at"
        )
        db.execute(
            sa.text(
                f"WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last) "
                f"INSERT INTO dataset_items ({columns}) "
                "SELECT :d, n, draft_revision, 9007199254740991, printf('grown/%08d.png', n), "
                "printf('%064x', n), 'image/png', 8, 8, 200, "
                "CASE WHEN n % 50 THEN 'confirmed' ELSE 'automatic' END, :label, '1', NULL, 1, NULL, NULL, NULL "
                "FROM numbers, datasets WHERE datasets.id = :d"
            ),
            {"first": have + 1, "last": wanted, "d": dataset, "label": label},
        )
        db.execute(
            sa.text(
                "INSERT INTO dataset_item_labels SELECT dataset_id, 1, item, valid_from FROM dataset_items "
                "WHERE dataset_id = :d AND item > :have"
            ),
            {"d": dataset, "have": have},
        )
        db.execute(
            sa.text("UPDATE dataset_items SET state = 'confirmed' WHERE dataset_id = :d AND item <= :have"),
            {"d": dataset, "have": have},
        )
        db.execute(sa.text("DELETE FROM dataset_deltas WHERE dataset_id = :d"), {"d": dataset})
        for key, expression in (("items", "count(*)"), ("bytes", "sum(bytes)")):
            db.execute(
                sa.text(
                    f"INSERT INTO dataset_deltas (dataset_id, key, n) SELECT :d, '{key}', {expression} "
                    "FROM dataset_items WHERE dataset_id = :d"
                ),
                {"d": dataset},
            )
        db.execute(
            sa.text(
                "INSERT INTO dataset_deltas (dataset_id, key, n) SELECT :d, 'state:' || state, count(*) "
                "FROM dataset_items WHERE dataset_id = :d GROUP BY state"
            ),
            {"d": dataset},
        )
        db.execute(sa.text("UPDATE datasets SET last_item = :n WHERE id = :d"), {"n": wanted, "d": dataset})
    with engine.connect() as db:
        db.execute(sa.text("ANALYZE"))
        db.commit()
    engine.dispose()


def list_milliseconds(client: httpx.Client, dataset: int, pages: int = 120) -> list[float]:
    """Milliseconds of item pages: by state and by name in turn, walking on by cursor."""
    took = []
    cursors: dict[int, str | None] = {0: None, 1: None}
    queries = ({"state": "automatic", "sort": "-position"}, {"sort": "name"})
    for number in range(pages):
        turn = number % 2
        query = {**queries[turn], **({"cursor": cursors[turn]} if cursors[turn] else {})}
        before = time.perf_counter()
        answer = ok(client.get(f"/datasets/{dataset}/items", params=query))
        took.append((time.perf_counter() - before) * 1000)
        cursors[turn] = answer["next_cursor"]
    return sorted(took[4:])


def publish_milliseconds(client: httpx.Client, dataset: int, times: int = 5) -> list[float]:
    took = []
    for _ in range(times):
        before = time.perf_counter()
        ok(client.post(f"/datasets/{dataset}/publish", json={}))
        took.append((time.perf_counter() - before) * 1000)
        for task in ok(client.get("/tasks", params={"active": True, "kind": "fill_version"}))["items"]:
            client.post(f"/tasks/{task['id']}/cancel")
        while ok(client.get("/tasks", params={"active": True, "kind": "fill_version"}))["total"]:
            time.sleep(0.05)
    return took


def compare_milliseconds(client: httpx.Client, dataset: int, first: str, times: int = 7) -> float:
    took = []
    for _ in range(times):
        before = time.perf_counter()
        ok(client.get(f"/datasets/{dataset}/compare", params={"from": first, "to": "draft"}))
        took.append((time.perf_counter() - before) * 1000)
    return statistics.median(took)


def run(workdir: Path, *, files: int = FILES, large: int = 1_000_000, peer: bool = True) -> list[dict[str, Any]]:
    """Measure; answers rows for ``build/bench.json``."""
    workdir = Path(workdir)
    folder = workdir / "pictures"
    size = write_files(folder, files)
    server = S3Server()
    platform = PlatformProcess(workdir, server)
    rows = []
    try:
        client = platform.client
        warm = workdir / "warm"
        write_files(warm, 64)
        import_folder(client, make_dataset(client, "warm"), warm)
        dataset = make_dataset(client, "small")
        before = time.perf_counter()
        steps = import_folder(client, dataset, folder)
        seconds = time.perf_counter() - before
        rate = files / seconds
        if ok(client.get(f"/datasets/{dataset}"))["items"] != files:
            raise RuntimeError("not every file came in")
        if peer:
            dvc = files / dvc_seconds(workdir, folder)
            rows.append(
                row(
                    "PERF-6",
                    f"import {files} small PNG files",
                    rate,
                    "files/s",
                    "dvc add",
                    dvc,
                    ">= 10x",
                    better="higher",
                    megabytes=size / 1e6,
                )
            )
        third = max(len(steps) // 3, 1)
        first, last = statistics.mean(steps[:third]), statistics.mean(steps[-third:])
        rows.append(
            row(
                "PERF-6",
                "seconds a call at the end against the beginning",
                last,
                "s",
                "its own first calls",
                first,
                "flat",
            )
        )
        rows += _at_size(platform, client, dataset, files, large)
    finally:
        platform.close()
        server.close()
    return rows


def _at_size(
    platform: PlatformProcess, client: httpx.Client, small: int, files: int, large: int
) -> list[dict[str, Any]]:
    """Listing, publishing and comparing in a large dataset against a small one."""
    url = platform.config.database_url
    grow(url, "small", files)
    big = make_dataset(client, "large")
    grow(url, "large", large)
    rows = []
    pages = {name: list_milliseconds(client, dataset) for name, dataset in (("small", small), ("large", big))}
    p99 = {name: percentile(took, 0.99) for name, took in pages.items()}
    rows.append(
        row(
            "PERF-5",
            f"item page with filter and sort at {large}, p99",
            p99["large"],
            "ms",
            f"itself at {files}, p99",
            p99["small"],
            "<= 20 ms",
        )
    )
    published = {
        name: statistics.median(publish_milliseconds(client, dataset))
        for name, dataset in (("small", small), ("large", big))
    }
    rows.append(
        row(
            "PERF-7",
            f"publish at {large} items",
            published["large"],
            "ms",
            f"itself at {files}",
            published["small"],
            "<= 100 ms, constant",
        )
    )
    compared = {}
    for name, dataset in (("small", small), ("large", big)):
        operations = [
            {"seq": n, "item": n, "op": "set_labels", "labels": [2], "at": "2026-11-21T10:00:00Z"}
            for n in range(1, 101)
        ]
        body = {"client": "7e57ab1e-0000-4000-8000-000000000000", "operations": operations}
        ok(client.post(f"/datasets/{dataset}/operations", json=body))
        compared[name] = compare_milliseconds(client, dataset, "V0005")
    rows.append(
        row(
            "PERF-7",
            f"compare two revisions of {large} items, 100 changed",
            compared["large"],
            "ms",
            f"itself at {files}",
            compared["small"],
            "constant",
        )
    )
    return rows


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="himalia-bench-") as place:
        print(json.dumps(run(Path(place)), indent=1))
