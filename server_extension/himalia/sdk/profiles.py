"""Profiles of the hub's configuration that a notebook can start with: ``client.notebooks.profiles()``."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ProfileValue:
    """One of an option's choices."""

    value: str = ""
    name: str = ""
    default: bool = False


@dataclass
class ProfileOther:
    """That an option takes a value of one's own, whose beginning matches ``pattern`` where one is set."""

    title: str = ""
    pattern: str | None = None
    message: str = ""


@dataclass
class ProfileOption:
    name: str = ""
    title: str = ""
    choices: list[ProfileValue] = field(default_factory=list)
    other: ProfileOther | None = None


@dataclass
class SpawnProfile:
    """``slug`` is what ``profile=`` takes, an option's name and value what ``profile_options=`` takes."""

    slug: str = ""
    name: str = ""
    description: str = ""
    default: bool = False
    options: list[ProfileOption] = field(default_factory=list)


@dataclass
class ChosenProfile:
    """What a notebook keeps; it may not be offered any longer."""

    slug: str = ""
    name: str = ""
    options: dict[str, str] = field(default_factory=dict)
