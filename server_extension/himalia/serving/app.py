"""The HTTP face of a replica. Sets no CORS headers: browsers of other origins get no answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tornado import web

from himalia.serving import pictures
from himalia.serving.batching import Batcher
from himalia.serving.metrics import Metrics
from himalia.serving.model import Model, Tensor
from himalia.serving.problems import Problem, invalid

MOST_PICTURES = 64
MOST_VALUES = 50_000_000


@dataclass
class Replica:
    """What the handlers share. ``ready`` turns true once a sample was answered, false on stopping."""

    model: Model
    name: str
    version: str
    max_pixels: int
    runner: ThreadPoolExecutor
    decoders: ThreadPoolExecutor
    metrics: Metrics = field(default_factory=Metrics)
    ready: bool = False
    stopping: bool = False
    in_hand: int = 0

    def __post_init__(self) -> None:
        self.batcher = Batcher(self.model, self.runner)
        self._quiet = asyncio.Event()

    def begin(self) -> None:
        self.in_hand += 1

    def end(self) -> None:
        self.in_hand -= 1
        if not self.in_hand:
            self._quiet.set()

    async def quiet(self) -> None:
        """Until no request is in hand."""
        while self.in_hand:
            self._quiet.clear()
            await self._quiet.wait()


class Handler(web.RequestHandler):
    """Renders problems and counts requests."""

    route = ""
    replica: Replica

    def initialize(self, replica: Replica) -> None:
        self.replica = replica
        replica.begin()
        if replica.stopping:
            self.set_header("Connection", "close")

    def set_default_headers(self) -> None:
        self.set_header("Server", "himalia")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Type", "application/json")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if not isinstance(error, Problem):
            error = _problem(status_code)
        self.set_status(error.status)
        self.set_header("Content-Type", "application/problem+json")
        body = error.body(self.request.headers.get("Accept-Language", ""))
        self.finish(json.dumps(body, ensure_ascii=False))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, Problem):
            super().log_exception(typ, value, tb)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        super().send_error(error.status if isinstance(error, Problem) else status_code, **kwargs)

    def on_finish(self) -> None:
        self.replica.end()
        if self.route:
            self.replica.metrics.observe(self.route, self.get_status(), self.request.request_time())

    def body_json(self) -> Any:
        try:
            return json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise invalid("The body is not valid JSON.", "请求体不是有效的 JSON。", field="body") from None


def _problem(status: int) -> Problem:
    known = {
        404: ("not_found", "There is no such path here.", "没有此路径。"),
        405: ("method_not_allowed", "This path does not take that method.", "此路径不支持该方法。"),
        400: ("invalid_input", "The request could not be read.", "无法读取请求。"),
    }
    code, message, zh = known.get(status, ("internal_error", "The model server failed.", "模型服务出错。"))
    return Problem(status, code, message, zh)


class NotFound(Handler):
    def prepare(self) -> None:
        raise _problem(404)


class Infer(Handler):
    """``POST /infer``: the body is a picture, a form with ``file``, or JSON with base64."""

    route = "infer"

    async def post(self) -> None:
        how = self.replica.model.preprocess
        if how is None:
            raise Problem(
                422,
                "not_a_picture_model",
                "This model does not take pictures; call /v2/models/…/infer with tensors.",
                "此模型不接受图片;请用张量调用 /v2/models/…/infer。",
            )
        top = self._top()
        found, many = self._pictures()
        results = await asyncio.gather(*(self._predict(data, how, top) for data in found))
        answer: dict[str, Any] = {"predictions": results[0]} if not many else {"results": results}
        answer |= {"model": self.replica.name, "version": self.replica.version}
        self.finish(json.dumps(answer, ensure_ascii=False))

    async def _predict(self, data: bytes, how: pictures.Preprocess, top: int) -> list[dict[str, Any]]:
        replica = self.replica
        loop = asyncio.get_running_loop()
        picture = await loop.run_in_executor(replica.decoders, pictures.decode, data, how, replica.max_pixels)
        return replica.model.predictions(await replica.batcher.predict(picture), top)

    def _top(self) -> int:
        text = self.get_query_argument("top", "5")
        if not text.isdecimal() or not 1 <= int(text) <= 1000:
            raise invalid("top must be 1-1000.", "top 必须在 1 到 1000 之间。", field="top", rule="1-1000", value=text)
        return int(text)

    def _pictures(self) -> tuple[list[bytes], bool]:
        """The pictures of the request and whether the caller asked with a list."""
        kind = self.request.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if kind.startswith("image/") or kind == "application/octet-stream":
            return [self.request.body], False
        if kind == "multipart/form-data":
            files = self.request.files.get("file") or next(iter(self.request.files.values()), None)
            if not files:
                raise invalid("The form has no file in the field 'file'.", "表单缺少文件字段 file。", field="file")
            return [item.body for item in self._few(files)], len(files) > 1
        if kind == "application/json":
            body = self.body_json()
            if isinstance(body, dict) and isinstance(body.get("images"), list) and body["images"]:
                texts = self._few(body["images"])
                return [_base64(text, f"images[{n}]") for n, text in enumerate(texts)], True
            if isinstance(body, dict) and "image" in body:
                return [_base64(body["image"], "image")], False
            raise invalid(
                'The JSON needs "image": base64, or "images": [base64, …].',
                'JSON 需要 "image": base64,或 "images": [base64, …]。',
                field="image",
            )
        raise Problem(
            415,
            "unsupported_media_type",
            f"Content-Type {kind or 'missing'} is not taken; send image/*, multipart/form-data or application/json.",
            f"不支持的 Content-Type:{kind or '缺失'};请使用 image/*、multipart/form-data 或 application/json。",
            field="Content-Type",
            value=kind,
        )

    @staticmethod
    def _few(items: list[Any]) -> list[Any]:
        if len(items) > MOST_PICTURES:
            raise invalid(
                f"{len(items)} pictures in one call; {MOST_PICTURES} at most.",
                f"一次调用有 {len(items)} 张图片;最多 {MOST_PICTURES} 张。",
                field="images",
                rule=f"at most {MOST_PICTURES}",
                value=len(items),
            )
        return items


def _base64(text: Any, field_name: str) -> bytes:
    if isinstance(text, str):
        if text.startswith("data:"):
            text = text.partition(",")[2]
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise invalid(f"{field_name} is not base64.", f"{field_name} 不是 base64。", field=field_name, rule="base64")


class Live(Handler):
    def get(self) -> None:
        self.finish({"live": True})


class Ready(Handler):
    def get(self, name: str = "", version: str = "") -> None:
        _same_model(self.replica, name, version)
        self.set_status(200 if self.replica.ready else 503)
        self.finish({"ready": self.replica.ready, "name": self.replica.name})


class ServerMetadata(Handler):
    def get(self) -> None:
        from himalia import __version__

        self.finish({"name": "himalia", "version": __version__, "extensions": []})


class ModelMetadata(Handler):
    def get(self, name: str, version: str = "") -> None:
        replica = self.replica
        _same_model(replica, name, version)
        model = replica.model
        answer = {
            "name": replica.name,
            "versions": [replica.version],
            "platform": "onnxruntime_onnx",
            "inputs": [tensor.describe() for tensor in model.inputs],
            "outputs": [tensor.describe() for tensor in model.outputs],
            "labels": model.labels or None,
        }
        self.finish(json.dumps(answer, ensure_ascii=False))


class ModelInfer(Handler):
    """``POST /v2/models/{name}/infer``: tensors as JSON."""

    route = "v2"

    async def post(self, name: str, version: str = "") -> None:
        replica = self.replica
        _same_model(replica, name, version)
        body = self.body_json()
        if not isinstance(body, dict) or not isinstance(body.get("inputs"), list):
            raise invalid("The JSON needs a list of inputs.", "JSON 需要 inputs 列表。", field="inputs")
        feeds = _feeds(replica.model, body["inputs"])
        wanted = _wanted(replica.model, body.get("outputs"))
        began = time.perf_counter()
        loop = asyncio.get_running_loop()
        results = await loop.run_in_executor(replica.runner, replica.model.run, feeds, [t.name for t in wanted])
        self.set_header("Server-Timing", f"model;dur={(time.perf_counter() - began) * 1000:.2f}")
        answer = {
            "model_name": replica.name,
            "model_version": replica.version,
            "id": body.get("id") if isinstance(body.get("id"), str) else None,
            "outputs": [
                {
                    "name": tensor.name,
                    "datatype": tensor.datatype,
                    "shape": list(result.shape),
                    "data": result.reshape(-1).tolist(),
                }
                for tensor, result in zip(wanted, results, strict=True)
            ],
        }
        self.finish(json.dumps({key: value for key, value in answer.items() if value is not None}))


def _same_model(replica: Replica, name: str, version: str) -> None:
    if (name and name != replica.name) or (version and version != replica.version):
        raise Problem(
            404,
            "not_found",
            f"This replica serves {replica.name} {replica.version}.",
            "此副本没有该模型或版本。",
        )


def _wanted(model: Model, asked: Any) -> list[Tensor]:
    if not asked:
        return model.outputs
    names = [item.get("name") if isinstance(item, dict) else None for item in asked] if isinstance(asked, list) else []
    by_name = {tensor.name: tensor for tensor in model.outputs}
    if not names or any(name not in by_name for name in names):
        known = ", ".join(by_name)
        raise invalid(f"outputs must be of: {known}.", f"outputs 只能是:{known}。", field="outputs", value=names)
    return [by_name[str(name)] for name in names]


def _feeds(model: Model, inputs: list[Any]) -> dict[str, NDArray[Any]]:
    by_name = {item.get("name"): item for item in inputs if isinstance(item, dict)}
    feeds = {}
    for tensor in model.inputs:
        item = by_name.get(tensor.name)
        if item is None:
            raise invalid(
                f"The input {tensor.name!r} is missing.",
                f"缺少输入 {tensor.name}。",
                field=f"inputs.{tensor.name}",
            )
        feeds[tensor.name] = _array(tensor, item)
    return feeds


def _array(tensor: Tensor, item: dict[str, Any]) -> NDArray[Any]:
    where = f"inputs.{tensor.name}"
    if item.get("datatype") != tensor.datatype:
        raise invalid(
            f"{where}.datatype must be {tensor.datatype}.",
            f"{where}.datatype 必须是 {tensor.datatype}。",
            field=f"{where}.datatype",
            rule=tensor.datatype,
            value=item.get("datatype"),
        )
    shape = item.get("shape")
    fits = (
        isinstance(shape, list)
        and all(type(size) is int and size >= 0 for size in shape)
        and len(shape) == len(tensor.shape)
        and all(want in (-1, size) for want, size in zip(tensor.shape, shape, strict=True))
        and int(np.prod(np.array(shape, dtype=np.float64))) <= MOST_VALUES
    )
    if not fits:
        rule = json.dumps(list(tensor.shape))
        raise invalid(
            f"{where}.shape must be {rule} (-1: any size).",
            f"{where}.shape 必须是 {rule}(-1 表示任意)。",
            field=f"{where}.shape",
            rule=rule,
            value=shape,
        )
    try:
        return np.array(item.get("data"), dtype=tensor.dtype).reshape(shape)
    except (ValueError, TypeError, OverflowError):
        raise invalid(
            f"{where}.data does not fill {shape} with {tensor.datatype}.",
            f"{where}.data 无法以 {tensor.datatype} 填满 {shape}。",
            field=f"{where}.data",
        ) from None


class MetricsPage(Handler):
    def get(self) -> None:
        replica = self.replica
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(
            replica.metrics.text(
                {
                    "himalia_serving_ready": ("gauge", float(replica.ready)),
                    "himalia_serving_in_hand": ("gauge", float(replica.in_hand)),
                    "himalia_serving_batches_total": ("counter", float(replica.batcher.runs)),
                    "himalia_serving_pictures_total": ("counter", float(replica.batcher.pictures)),
                }
            )
        )


def application(replica: Replica) -> web.Application:
    shared = {"replica": replica}
    model = r"/v2/models/([^/]+)(?:/versions/([^/]+))?"
    return web.Application(
        [
            (r"/infer", Infer, shared),
            (r"/v2/health/live", Live, shared),
            (r"/v2/health/ready", Ready, shared),
            (r"/v2/?", ServerMetadata, shared),
            (model, ModelMetadata, shared),
            (model + r"/ready", Ready, shared),
            (model + r"/infer", ModelInfer, shared),
            (r"/metrics", MetricsPage, shared),
        ],
        default_handler_class=NotFound,
        default_handler_args=shared,
        log_function=lambda handler: None,
    )
