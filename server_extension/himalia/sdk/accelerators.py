"""``himalia.Accelerator``: any accelerator that suffices, in place of a named spec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from himalia.sdk.compute import Spec, Verdict
from himalia.sdk.errors import InvalidInput

GIB = 2**30
_TEXT = re.compile(
    r"(?:(?P<count>\d+)\s*[x×]\s*)?(?P<gib>\d+(?:\.\d+)?)\s*(?:g|gb|gib)?(?::(?P<frameworks>[\w.,-]+))?", re.I
)


@dataclass(frozen=True)
class Accelerator:
    """A wish for accelerators, resolved by the platform when the work starts.

    >>> himalia.jobs.create("harbour", "photos@V0002", accelerator=himalia.Accelerator(24))

    Args:
        memory_gib: At least this of each, as its maker names it: 24 is met by a card of 24 GB.
        count: How many of one kind.
        frameworks: One of these, such as ``"cuda"``, ``"cann"``, ``"rocm"``; none is any.
    """

    memory_gib: float = 0
    count: int = 1
    frameworks: str | tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Accelerator:
        """From ``24``, ``24GB:cuda`` or ``4x32:cuda,cann``, as on the command line."""
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise InvalidInput(
                f"{text!r} is not [COUNTx]GIB[:FRAMEWORK,...].",
                field="accelerator",
                hint="For example 24, 24:cuda or 4x32:cuda,cann.",
            )
        frameworks = tuple(name for name in (found["frameworks"] or "").lower().split(",") if name)
        return cls(float(found["gib"]), int(found["count"] or 1), frameworks)

    def to_wire(self) -> dict[str, Any]:
        frameworks = [self.frameworks] if isinstance(self.frameworks, str) else list(self.frameworks)
        return {"count": self.count, "memory_bytes": round(self.memory_gib * GIB), "frameworks": frameworks}


@dataclass
class AcceleratorOffer:
    """A spec that satisfies a wish; ``verdict`` says what a start with it meets now."""

    spec: Spec = field(default_factory=Spec)
    form: str = ""
    framework: str = ""
    card: str = ""
    memory_bytes: int = 0
    verdict: Verdict = field(default_factory=Verdict)


@dataclass
class AcceleratorProblem:
    """Why nothing satisfies a wish, and what comes nearest."""

    field: str = ""
    rule: str = ""
    sentence: str = ""
    hint: str = ""


@dataclass
class AcceleratorOffers:
    """What satisfies a wish: what starts now first, then the cheaper, then the least that suffices."""

    offers: list[AcceleratorOffer] = field(default_factory=list)
    frameworks: list[str] = field(default_factory=list)
    why: str = ""
    problem: AcceleratorProblem | None = None

    def __iter__(self) -> Iterator[AcceleratorOffer]:
        return iter(self.offers)

    def __len__(self) -> int:
        return len(self.offers)

    @property
    def best(self) -> AcceleratorOffer | None:
        """What a start of now would take."""
        return self.offers[0] if self.offers else None
