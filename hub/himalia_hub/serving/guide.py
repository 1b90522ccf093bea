"""The call guide: three ways to call a service that work when pasted (SRV-5). Pure.

Each sends a small picture that the snippet itself makes, so that it needs no file of the reader's;
the last line shows where one's own goes.
"""

from __future__ import annotations

import base64
import struct
import zlib

PLACEHOLDER = "YOUR_KEY"


def sample_png(side: int = 16) -> bytes:
    """A grey gradient with a bright square, PNG."""
    rows = []
    for y in range(side):
        inside = [
            240 if side // 4 <= x < 3 * side // 4 and side // 4 <= y < 3 * side // 4 else 8 * x for x in range(side)
        ]
        rows.append(b"\x00" + bytes(min(255, value) for value in inside))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def guide(address: str, key: str = PLACEHOLDER) -> dict[str, str]:
    """``{address, curl, python, javascript}`` with the key filled in."""
    picture = base64.b64encode(sample_png()).decode()
    curl = (
        f"echo {picture} | base64 -d |\n"
        f"curl -sS '{address}' \\\n"
        f"  -H 'Authorization: Bearer {key}' \\\n"
        "  -H 'Content-Type: image/png' --data-binary @-\n"
        "# your own picture: --data-binary @picture.png"
    )
    python = (
        "import base64, json, urllib.request\n\n"
        f'picture = base64.b64decode("{picture}")  # your own: open("picture.png", "rb").read()\n'
        "request = urllib.request.Request(\n"
        f'    "{address}",\n'
        "    data=picture,\n"
        f'    headers={{"Authorization": "Bearer {key}", "Content-Type": "image/png"}},\n'
        ")\n"
        "with urllib.request.urlopen(request) as answer:\n"
        "    print(json.load(answer))\n"
    )
    javascript = (
        f'const picture = await (await fetch("data:image/png;base64,{picture}")).blob(); // or a File of an <input>\n'
        f'const answer = await fetch("{address}", {{\n'
        '  method: "POST",\n'
        f'  headers: {{ Authorization: "Bearer {key}", "Content-Type": "image/png" }},\n'
        "  body: picture\n"
        "});\n"
        "console.log(await answer.json());\n"
    )
    return {"address": address, "curl": curl, "python": python, "javascript": javascript}
