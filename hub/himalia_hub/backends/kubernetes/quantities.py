"""Kubernetes quantities to integers and back. Exact; no floating point on the way in."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

from himalia_hub.backends.protocol import Resources

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E))?")
_FACTORS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{letter: Decimal(1024) ** power for power, letter in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
CPU, MEMORY, DISK = "cpu", "memory", "ephemeral-storage"


def parse(text: str | int) -> Decimal:
    """The number behind ``100m``, ``1.5Gi``, ``12e6``.

    Raises:
        ValueError: No quantity.
    """
    match = _QUANTITY.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is no quantity")
    number, exponent, suffix = match.groups()
    return Decimal(number + (exponent or "")) * (_FACTORS[suffix] if suffix else 1)


def ceiling(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_CEILING))


def cpu(millis: int) -> str:
    return f"{millis}m" if millis % 1000 else str(millis // 1000)


def size(value: int) -> str:
    for suffix in ("Gi", "Mi", "Ki"):
        unit = int(_FACTORS[suffix])
        if value and value % unit == 0:
            return f"{value // unit}{suffix}"
    return str(value)


def to_list(resources: Resources) -> dict[str, str]:
    """A ResourceList: what a container is limited to."""
    found = {CPU: cpu(resources.cpu_millis), MEMORY: size(resources.memory_bytes)}
    if resources.disk_bytes:
        found[DISK] = size(resources.disk_bytes)
    found.update({name: str(count) for name, count in sorted(resources.accelerators.items()) if count})
    return found


def from_list(quantities: dict[str, str]) -> Resources:
    """Resources from a ResourceList; names with a ``/`` are accelerators."""
    return Resources(
        cpu_millis=ceiling(parse(quantities.get(CPU, "0")) * 1000),
        memory_bytes=ceiling(parse(quantities.get(MEMORY, "0"))),
        disk_bytes=ceiling(parse(quantities.get(DISK, "0"))),
        accelerators={
            name: int(parse(value))
            for name, value in quantities.items()
            if "/" in name and not name.startswith(("hugepages-", "attachable-volumes-"))
        },
    )
