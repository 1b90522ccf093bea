"""``python -m himalia_hub.platform --config FILE``: the platform service as a process."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from himalia_hub.platform.config import PlatformConfig
from himalia_hub.platform.service import Service


class JsonLines(logging.Formatter):
    """One JSON object a line, for machines that read logs."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


async def _serve(config: PlatformConfig) -> None:
    service = Service(config)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await service.start()
    logging.getLogger("himalia.platform").info("listening on %s:%s", config.listen.host, service.port)
    await ended.wait()
    await service.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="himalia-platform")
    parser.add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    asyncio.run(_serve(PlatformConfig.load(arguments.config)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
