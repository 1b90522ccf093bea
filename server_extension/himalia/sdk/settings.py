"""Where the platform is and who asks: arguments, environment, then ``~/.config/himalia``."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from himalia.sdk.errors import NotConnected


@dataclass(frozen=True)
class Settings:
    """``token`` is left out of ``repr``, so that it never lands in a notebook's output."""

    api_url: str
    token: str
    language: str = "en"

    def __repr__(self) -> str:
        return f"Settings(api_url={self.api_url!r}, token='…', language={self.language!r})"


def config_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "himalia" / "credentials.json"


def resolve(api_url: str | None = None, token: str | None = None, language: str | None = None) -> Settings:
    """Settings from the arguments, else the environment, else what ``himalia login`` kept.

    Raises:
        NotConnected: Nothing of these says where to go or who asks; the message says what to do.
    """
    kept = _kept()
    url = api_url or os.environ.get("HIMALIA_API_URL") or kept.get("api_url") or ""
    secret = token or os.environ.get("HIMALIA_TOKEN") or os.environ.get("JUPYTERHUB_API_TOKEN") or ""
    secret = secret or (kept.get("token", "") if url.rstrip("/") == kept.get("api_url", "").rstrip("/") else "")
    if not url or not secret:
        missing = "address" if not url else "token"
        raise NotConnected(
            f"No {missing} of a Himalia platform is known here.",
            hint="In a notebook of the platform it is set for you; elsewhere run `himalia login`, set "
            "HIMALIA_API_URL and HIMALIA_TOKEN, or call himalia.connect(url, token).",
        )
    return Settings(normal_url(url), secret, language or _language())


def normal_url(url: str) -> str:
    """``http://host:port`` becomes the API's base; what already names it stays."""
    url = url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise NotConnected(f"{url!r} is no http or https address.")
    return url if "/api/" in url else url + "/services/himalia/api/v1"


def keep(settings: Settings) -> Path:
    """Write the file that only this account may read; returns its path."""
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        json.dump({"api_url": settings.api_url, "token": settings.token}, file)
    new.replace(path)
    return path


def _kept() -> dict[str, str]:
    path = config_file()
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise NotConnected(f"{path} can be read by others; its token is not used.", hint=f"Run: chmod 600 {path}")
        kept = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError):
        raise NotConnected(f"{path} cannot be read.", hint="Remove it and run `himalia login` again.") from None
    return {key: str(value) for key, value in kept.items()} if isinstance(kept, dict) else {}


def _language() -> str:
    told = os.environ.get("HIMALIA_LANGUAGE") or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "zh" if told.lower().startswith("zh") else "en"
