"""The runtime environments that come with Himalia, each a lock file beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOCKS = Path(__file__).parent / "environments"


@dataclass(frozen=True, slots=True)
class EnvironmentDefinition:
    """What an environment is called and which lock it is made from."""

    name: str
    title: str
    title_zh: str
    uses: tuple[str, ...]

    @property
    def lock(self) -> Path:
        return LOCKS / f"{self.name}.lock"


DEFINITIONS = (
    EnvironmentDefinition(
        "science",
        "Science (scikit-learn, ONNX)",
        "科学计算（scikit-learn、ONNX）",
        ("notebook", "training", "inference"),
    ),
    EnvironmentDefinition("base", "Python and JupyterLab", "Python 与 JupyterLab", ("notebook", "training")),
)
DEFAULT_ENVIRONMENT = "science"
