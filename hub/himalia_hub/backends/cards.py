"""How much memory a card has: what nodes report and what makers name, as data. Pure.

Drivers and error correction keep a part of a card's memory, so an L4 that is sold with 24 GB reports
23 034 MiB. A wish names the size that people know, so a reported size counts as the maker's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

MIB, GIB = 1 << 20, 1 << 30
NVIDIA_PRODUCT, NVIDIA_MEMORY, NVIDIA_SHARES = (
    "nvidia.com/gpu.product",
    "nvidia.com/gpu.memory",
    "nvidia.com/gpu.replicas",
)
"""Labels of NVIDIA's GPU feature discovery: the card, MiB of its memory, how many share one card in time."""

_MAKERS_GIB = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 16, 20, 22, 24, 32, 40, 48, 64, 80, 94, 96, 128, 141, 180, 192, 256)
_KEPT = 0.075
"""The most of a card that driver and error correction keep: 6.4 % of an L4, 6.3 % of a T4."""

_GIB_OF = {
    8: ("Tesla-P4", "Tesla-M60"),
    11: ("NVIDIA-GeForce-RTX-2080-Ti", "NVIDIA-GeForce-GTX-1080-Ti"),
    12: ("NVIDIA-GeForce-RTX-3080-Ti", "NVIDIA-GeForce-RTX-4070", "Tesla-K80"),
    16: (
        *("Tesla-T4", "Tesla-P100-PCIE-16GB", "Tesla-P100-SXM2-16GB", "Tesla-V100-PCIE-16GB", "Tesla-V100-SXM2-16GB"),
        *("NVIDIA-A2", "NVIDIA-RTX-A4000", "NVIDIA-GeForce-RTX-4080"),
    ),
    20: ("NVIDIA-RTX-A4500", "NVIDIA-RTX-4000-Ada-Generation"),
    24: (
        *("NVIDIA-A10", "NVIDIA-A10G", "NVIDIA-A30", "NVIDIA-L4", "NVIDIA-RTX-A5000", "Tesla-P40", "Quadro-RTX-6000"),
        *("NVIDIA-GeForce-RTX-3090", "NVIDIA-GeForce-RTX-3090-Ti", "NVIDIA-GeForce-RTX-4090"),
    ),
    32: ("Tesla-V100-PCIE-32GB", "Tesla-V100-SXM2-32GB", "Tesla-V100-SXM3-32GB", "NVIDIA-GeForce-RTX-5090"),
    40: ("NVIDIA-A100-PCIE-40GB", "NVIDIA-A100-SXM4-40GB"),
    48: ("NVIDIA-A40", "NVIDIA-L40", "NVIDIA-L40S", "NVIDIA-L20", "NVIDIA-RTX-A6000", "Quadro-RTX-8000"),
    80: (
        *("NVIDIA-A100-80GB-PCIe", "NVIDIA-A100-SXM4-80GB", "NVIDIA-A800-SXM4-80GB", "NVIDIA-A800-80GB-PCIe"),
        *("NVIDIA-H100-PCIe", "NVIDIA-H100-80GB-HBM3", "NVIDIA-H800", "NVIDIA-H800-PCIe"),
    ),
    94: ("NVIDIA-H100-NVL",),
    96: ("NVIDIA-H20", "NVIDIA-GH200-480GB"),
    141: ("NVIDIA-H200", "NVIDIA-H200-NVL"),
    180: ("NVIDIA-B200",),
}
CARD_GIB: Mapping[str, int] = {product: gib for gib, products in _GIB_OF.items() for product in products}
"""GiB of a whole card by its product label, for nodes that do not report the memory itself."""

_MADE_OF = re.compile(r"-(SHARED|MIG-.+)$")
_SIZE = re.compile(r"(\d+)(?:gb|gib|g)")


def nominal_bytes(reported: int) -> int:
    """The maker's size of a card that reports this many bytes; the same bytes where there is none near.

    >>> nominal_bytes(15360 << 20) == 16 << 30
    True
    """
    for gib in _MAKERS_GIB:
        size = gib * GIB
        if size * (1 - _KEPT) <= reported <= size * 1.01:
            return size
    return reported


def reported_bytes(label: str) -> int:
    """What a label says: ``23034`` is MiB (NVIDIA), ``64G`` GiB (AMD); 0 where it says neither."""
    if label.isascii() and label.isdigit():
        return nominal_bytes(int(label) * MIB)
    found = _SIZE.fullmatch(label.casefold())
    return int(found[1]) * GIB if found else 0


def words(name: str) -> frozenset[str]:
    """``NVIDIA-A100-SXM4-80GB`` as a set of words: nvidia, a100, sxm4, 80."""
    parts = re.split(r"[^a-z0-9]+", name.casefold())
    return frozenset(found[1] if (found := _SIZE.fullmatch(part)) else part for part in parts if part)


def names(called: str, product: str) -> bool:
    """Whether people's name of a card (``A100``, ``A100 80G``) can mean this product."""
    return bool(mine := words(called)) and mine <= words(product)


def product_bytes(product: str, called: str, sizes: Mapping[str, int]) -> int:
    """Memory of a card by its product, else by what people call it; 0 when nobody knows.

    Args:
        sizes: GiB by product; :data:`CARD_GIB` and what the installation adds.
    """
    exact = sizes.get(product) or sizes.get(_MADE_OF.sub("", product))
    if exact:
        return exact * GIB
    # A name may mean several cards; what is promised is the least of them.
    meant = [gib for known, gib in sizes.items() if names(called, known)] if called and not product else []
    return min(meant, default=0) * GIB


def machine_labels(proc: Path = Path("/proc/driver/nvidia/gpus")) -> dict[str, str]:
    """The label that feature discovery would give this machine, from what NVIDIA's driver tells."""
    for path in sorted(proc.glob("*/information")):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            title, _, value = line.partition(":")
            if title.strip() == "Model" and value.strip():
                return {NVIDIA_PRODUCT: re.sub(r"[^A-Za-z0-9._]+", "-", value.strip())}
    return {}
