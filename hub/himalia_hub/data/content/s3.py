"""The S3 client: blocking boto3 calls in threads of their own, errors in our words.

Nothing here knows blobs or tenants. Keys are made by the caller; bodies are at most a part of
8 MiB or a pack in memory.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from himalia_hub.core.errors import BackendUnavailable
from himalia_hub.platform.config import S3, secret_of

T = TypeVar("T")
PART_BYTES = 8 * 1024 * 1024
READ_BYTES = 1024 * 1024
THREADS = 6


class MissingObject(Exception):
    """The index names an object that S3 does not have: damage, never a person's mistake."""


class ObjectStore:
    """Puts, gets and multipart uploads of one bucket."""

    def __init__(self, config: S3) -> None:
        self._config = config
        self._bucket = config.bucket
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="s3")
        self._lock = threading.Lock()
        self._client: Any = None

    def _connect(self) -> Any:
        with self._lock:
            if self._client is None:
                import boto3
                from botocore.config import Config

                self._client = boto3.client(
                    "s3",
                    endpoint_url=self._config.endpoint,
                    region_name=self._config.region,
                    aws_access_key_id=self._config.access_key,
                    aws_secret_access_key=secret_of(self._config.secret_key_file),
                    config=Config(
                        connect_timeout=5,
                        read_timeout=60,
                        max_pool_connections=THREADS,
                        retries={"max_attempts": 4, "mode": "standard"},
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                        s3={"addressing_style": "path"},
                    ),
                )
            return self._client

    def _guarded(self, call: Callable[[Any], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call(self._connect())
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in ("NoSuchKey", "404", "NotFound"):
                raise MissingObject(str(error)) from error
            raise _unavailable(str(error)) from error
        except BotoCoreError as error:
            raise _unavailable(str(error)) from error

    async def _run(self, call: Callable[[Any], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._guarded, call)

    async def ensure_bucket(self) -> None:
        """Make the bucket unless it is there."""

        def work(client: Any) -> None:
            from botocore.exceptions import ClientError

            try:
                client.create_bucket(Bucket=self._bucket)
            except ClientError as error:
                if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    raise

        await self._run(work)

    async def put(self, key: str, body: bytes | bytearray | memoryview) -> None:
        data = body if isinstance(body, bytes | bytearray) else bytes(body)
        await self._run(lambda client: client.put_object(Bucket=self._bucket, Key=key, Body=data))

    async def get(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``; the whole range or an error."""
        if length == 0:
            return b""
        span = f"bytes={start}-{start + length - 1}"

        def work(client: Any) -> bytes:
            data: bytes = client.get_object(Bucket=self._bucket, Key=key, Range=span)["Body"].read()
            return data

        data = await self._run(work)
        if len(data) != length:
            raise MissingObject(f"{key}: {span} answered {len(data)} bytes")
        return data

    async def stream(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        """The same range in pieces of 1 MiB, so that a reader who stops costs one piece."""
        end = start + length
        while start < end:
            size = min(PART_BYTES, end - start)
            data = await self.get(key, start, size)
            for offset in range(0, size, READ_BYTES):
                yield data[offset : offset + READ_BYTES]
            start += size

    async def begin_upload(self, key: str) -> str:
        answer = await self._run(lambda client: client.create_multipart_upload(Bucket=self._bucket, Key=key))
        return str(answer["UploadId"])

    async def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        answer = await self._run(
            lambda client: client.upload_part(
                Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number, Body=body
            )
        )
        return str(answer["ETag"])

    async def complete_upload(self, key: str, upload: str, etags: list[str]) -> None:
        parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
        await self._run(
            lambda client: client.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            )
        )

    async def abort_upload(self, key: str, upload: str) -> None:
        await self._run(lambda client: client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload))

    async def delete(self, key: str) -> None:
        await self._run(lambda client: client.delete_object(Bucket=self._bucket, Key=key))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _unavailable(cause: str) -> BackendUnavailable:
    return BackendUnavailable(
        "The object store does not answer.",
        zh="对象存储没有响应。",
        hint="Nothing was lost; try again in a moment, then tell your administrator.",
        hint_zh="没有数据丢失；请稍后重试，若仍失败请联系管理员。",
        cause=cause[:300],
    )
