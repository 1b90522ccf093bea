"""What of a request may stand in the audit log: secrets masked, texts cut, nothing a database refuses.

A value is masked when its name says that it is secret, or when it looks like a secret whatever it
is called: a token of ours, a private key, a password inside an address.
"""

from __future__ import annotations

import math
import re
from typing import Any

MASK = "•••"
SECRET_NAME = re.compile(
    r"pass(word|phrase|wd)?|secret|token|credential|authorization|cookie|api_?key|private|captcha|answer|otp|totp|"
    r"(^|_)(code|codes|pin|key|grant|challenge|seed|link|dsn)$",
    re.IGNORECASE,
)
SECRET_VALUE = re.compile(
    r"hm[a-z]_[A-Za-z0-9_-]{20,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/=-]{8,}"
    r"|(?i:(?<=[?&]token=))[^&\s]+",
    re.DOTALL,
)
LIMIT_NAME = re.compile(r"_(minimum|maximum|kinds|differs_in|history|days|seconds|minutes)$")
"""How a policy's numbers are called: ``password_minimum`` says how long a password is, not what it is."""
TEXT, ITEMS, DEPTH = 512, 64, 8


def text(value: str, most: int = TEXT) -> str:
    """A text without secrets, without what databases refuse (NUL, lone surrogates), cut to ``most`` characters."""
    plain = value.replace("\0", "�").encode("utf-8", "replace").decode("utf-8")
    plain = SECRET_VALUE.sub(MASK, plain)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def masked(value: Any, name: str = "", *, secret: bool = False, depth: int = 0) -> Any:
    """The value as it may be kept; everything below a secret name is masked."""
    number = isinstance(value, int) and LIMIT_NAME.search(name) is not None
    secret = secret or bool(name and SECRET_NAME.search(name) and not number)
    if isinstance(value, dict):
        if depth >= DEPTH:
            return "…"
        entries = list(value.items())[:ITEMS]
        return {text(str(k), 128): masked(v, str(k), secret=secret, depth=depth + 1) for k, v in entries}
    if isinstance(value, list | tuple):
        if depth >= DEPTH:
            return "…"
        return [masked(item, secret=secret, depth=depth + 1) for item in list(value)[:ITEMS]]
    if value is None or isinstance(value, bool):
        return value
    if secret:
        return MASK if value != "" else ""
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)[:64]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return text(value if isinstance(value, str) else str(value))
