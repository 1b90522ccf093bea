"""Secrets at rest: AES-256-GCM with a key that lives in a file, never in the database (SEC-4).

What is sealed is bound to a purpose, so that a sealed value copied into another column does not
open there. Rotation and the choice of file belong to whoever runs the installation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from himalia_hub.core.errors import Conflict, HimaliaError

_FORM = "v1."
_NONCE_BYTES = 12


class SealBroken(HimaliaError):
    """A sealed value does not open with this installation's key: another key, or it was changed."""

    code = "seal_broken"


class Sealer:
    """Seals and opens short secrets.

    Args:
        key: 32 bytes; ``None`` refuses to seal anything, with a sentence that says what to do.
    """

    def __init__(self, key: bytes | None) -> None:
        if key is not None and len(key) != 32:
            raise ValueError(f"the encryption key has {len(key)} bytes; it needs 32")
        self._key = key

    @classmethod
    def from_file(cls, path: Path | None) -> Sealer:
        """The key of a file that holds 64 hexadecimal digits; no file, no sealing."""
        if path is None or not path.exists():
            return cls(None)
        try:
            return cls(bytes.fromhex(path.read_text(encoding="ascii").strip()))
        except (UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"{path}: not 32 bytes in hexadecimal") from error

    def seal(self, secret: str, purpose: str) -> str:
        """The secret as text that only this key and the same purpose open."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._need()).encrypt(nonce, secret.encode(), purpose.encode())
        return _FORM + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, purpose: str) -> str:
        """The secret back.

        Raises:
            SealBroken: it was sealed with another key or for another purpose, or was changed.
        """
        try:
            data = base64.urlsafe_b64decode(sealed.removeprefix(_FORM))
            plain = AESGCM(self._need()).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise SealBroken(
                f"The stored secret ({purpose}) cannot be opened with this installation's key.",
                zh=f"已存储的密钥（{purpose}）无法用本安装的密钥打开。",
                hint="Restore the encryption key that belongs to this database, or enter the secret again.",
                hint_zh="请恢复与此数据库对应的加密密钥，或重新输入该密钥。",
            ) from error
        return plain.decode()

    def digest(self, secret: str, purpose: str) -> str:
        """A keyed digest for short codes: worthless to somebody who has the database alone."""
        return hmac.new(self._need(), f"{purpose}\0{secret}".encode(), hashlib.sha256).hexdigest()

    def _need(self) -> bytes:
        if self._key is None:
            raise Conflict(
                "This installation has no encryption key, so it keeps no secrets.",
                zh="本安装没有加密密钥，因此不保存任何密钥。",
                hint="Name a file with 64 hexadecimal digits as encryption_key_file and start again.",
                hint_zh="请将含 64 个十六进制数字的文件设为 encryption_key_file 并重新启动。",
                code="no_encryption_key",
            )
        return self._key
