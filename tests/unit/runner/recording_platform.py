"""A platform at the outer border of the runner: keeps what it is sent, and can be away."""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BASE = "/services/himalia/api/v1"


class RecordingPlatform(ThreadingHTTPServer):
    """Answers the three routes a runner uses and joins the parts of files.

    ``away`` counts requests still to be answered 503; ``refused_paths`` are files it refuses.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.away = 0
        self.refused_paths: set[str] = set()
        self.refuse_metrics = False
        self.points: list[dict[str, Any]] = []
        self.progress: list[dict[str, int]] = []
        self.files: dict[str, bytes] = {}
        self.partial: dict[str, bytearray] = {}
        self.closing: dict[str, Any] | None = None
        self.tokens: set[str] = set()
        self.keys: dict[str, bytes] = {}
        self.longest_body = 0
        self.changed = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{BASE}"

    def outputs(self, body: bytes) -> dict[str, Any]:
        results = []
        position = 0
        while position < len(body):
            (length,) = struct.unpack_from(">I", body, position)
            header = json.loads(body[position + 4 : position + 4 + length])
            position += 4 + length
            data = body[position : position + header.get("length", header["size"])]
            position += len(data)
            results.append(self._frame(header, data))
        return {"results": results}

    def _frame(self, header: dict[str, Any], data: bytes) -> dict[str, Any]:
        path = header["path"]
        if header.get("path") == "":
            self.closing = header
            return {"path": "", "outcome": "stored"}
        if path in self.refused_paths:
            return {"path": path, "outcome": "refused", "code": "quota_exceeded", "reason": "over quota"}
        whole = self.partial.setdefault(path, bytearray())
        assert header.get("offset", 0) == len(whole)
        whole += data
        if len(whole) < header["size"]:
            return {"path": path, "outcome": "partial"}
        assert hashlib.sha256(whole).hexdigest() == header["sha256"]
        self.files[path] = bytes(self.partial.pop(path))
        return {"path": path, "outcome": "stored"}


class _Handler(BaseHTTPRequestHandler):
    server: RecordingPlatform

    def do_POST(self) -> None:
        platform = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with platform.lock:
            platform.tokens.add(self.headers["Authorization"])
            platform.longest_body = max(platform.longest_body, len(body))
            status, answer = self._answer(body)
            platform.changed.set()
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_PUT = do_POST

    def _answer(self, body: bytes) -> tuple[int, dict[str, Any]]:
        platform = self.server
        key = self.headers["Idempotency-Key"]
        if platform.keys.setdefault(key, body) != body:
            return 422, {"code": "idempotency_key_reused"}
        if platform.away > 0:
            platform.away -= 1
            return 503, {"code": "backend_unavailable"}
        if self.path == f"{BASE}/runs/7/metrics":
            if platform.refuse_metrics:
                return 409, {"code": "invalid_transition", "detail": "The run has ended."}
            points = json.loads(body)["points"]
            assert len(points) <= 1000
            platform.points.extend(points)
            return 200, {}
        if self.path == f"{BASE}/runs/7/progress":
            platform.progress.append(json.loads(body))
            return 200, {}
        if self.path == f"{BASE}/runs/7/outputs":
            return 200, platform.outputs(body)
        return 404, {"code": "not_found"}

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def recording_platform() -> Iterator[RecordingPlatform]:
    with RecordingPlatform() as platform:
        thread = threading.Thread(target=platform.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield platform
        finally:
            platform.shutdown()
            thread.join()
