"""The bundled S3 server: JuiceFS's gateway over a SQLite index and local files."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from pathlib import Path
from typing import Any

from himalia_hub.supervisor.errors import SupervisorError
from himalia_hub.supervisor.part import NotReady

BUCKET = "himalia"
REGION = "us-east-1"
ACCESS_KEY = "himalia"


def format_once(juicefs: str, state: Path) -> None:
    """Lay out an empty volume; an existing one is left alone."""
    index = state / "objects.sqlite3"
    if index.exists() and index.stat().st_size > 0:
        return
    done = subprocess.run(
        [
            juicefs,
            "format",
            "--storage",
            "file",
            "--bucket",
            f"{state / 'objects'}/",
            "--trash-days",
            "0",
            f"sqlite3://{index}",
            "himalia",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SupervisorError(f"The object store could not be laid out in {state}: {done.stderr.strip()[-400:]}")


def gateway_command(juicefs: str, state: Path, port: int, metrics_port: int) -> list[str]:
    return [
        juicefs,
        "--no-agent",
        "gateway",
        "--multi-buckets",
        "--keep-etag",
        "--object-meta",
        "--no-banner",
        "--no-usage-report",
        "--buffer-size",
        "96M",
        "--cache-size",
        "0",
        "--cache-dir",
        str(state / "objects-cache"),
        "--metrics",
        f"127.0.0.1:{metrics_port}",
        "--log",
        str(state / "logs" / "objects-gateway.log"),
        f"sqlite3://{state / 'objects.sqlite3'}",
        f"127.0.0.1:{port}",
    ]


class ObjectsProbe:
    """Ready once an object has been put, read back and deleted."""

    def __init__(self, endpoint: str, secret: str) -> None:
        self._endpoint = endpoint
        self._secret = secret
        self._client: Any = None

    async def __call__(self) -> None:
        await asyncio.to_thread(self._walk)

    def _walk(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self._client or self._connect()
            try:
                client.create_bucket(Bucket=BUCKET)
            except ClientError as error:
                if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    raise
            token = uuid.uuid4().hex
            key = f"probe/{token}"
            client.put_object(Bucket=BUCKET, Key=key, Body=token.encode("ascii"))
            answer = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            client.delete_object(Bucket=BUCKET, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise NotReady(str(error)) from error
        if answer != token.encode("ascii"):
            raise NotReady("an object came back changed")
        self._client = client

    def _connect(self) -> Any:
        import boto3
        from botocore.config import Config

        self._client = boto3.client(
            "s3",
            endpoint_url=self._endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=self._secret,
            config=Config(
                connect_timeout=2,
                read_timeout=10,
                retries={"max_attempts": 0},
                s3={"addressing_style": "path"},
            ),
        )
        return self._client
