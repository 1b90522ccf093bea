"""One real S3 server (the bundled JuiceFS gateway) per test session, one bucket per use."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from himalia_hub.platform.config import S3
from himalia_hub.supervisor import objects
from himalia_hub.supervisor.plan import program
from tests.support.ports import free_port


class S3Server:
    """Started with the same commands as the supervisor's; ``bucket()`` makes a fresh one."""

    def __init__(self) -> None:
        self._state = Path(tempfile.mkdtemp(prefix="himalia-s3-"))
        (self._state / "logs").mkdir()
        self._secret = secrets.token_hex(16)
        self._secret_file = self._state / "secret"
        self._secret_file.write_text(self._secret)
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        juicefs = program("juicefs")
        objects.format_once(juicefs, self._state)
        self._log = (self._state / "logs" / "gateway.out").open("wb")
        self._process = subprocess.Popen(
            objects.gateway_command(juicefs, self._state, port, free_port()),
            env={**os.environ, "MINIO_ROOT_USER": objects.ACCESS_KEY, "MINIO_ROOT_PASSWORD": self._secret},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=objects.REGION,
            aws_access_key_id=objects.ACCESS_KEY,
            aws_secret_access_key=self._secret,
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
        )

    def _wait(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        deadline = time.monotonic() + 20
        while True:
            try:
                self._client().list_buckets()
                return
            except (BotoCoreError, ClientError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self._state / "logs" / "gateway.out").read_text(errors="replace")
                    raise RuntimeError(f"the S3 server did not start: {error}\n{log[-2000:]}") from error
                time.sleep(0.05)

    def bucket(self) -> S3:
        """The configuration of a new, empty bucket."""
        name = f"t-{uuid.uuid4().hex[:12]}"
        self._client().create_bucket(Bucket=name)
        return S3(
            endpoint=self.endpoint,
            region=objects.REGION,
            bucket=name,
            access_key=objects.ACCESS_KEY,
            secret_key_file=self._secret_file,
        )

    def keys(self, config: S3) -> dict[str, int]:
        """The keys of a bucket with their sizes, to look behind the API."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=config.bucket)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}

    def close(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._state, ignore_errors=True)
