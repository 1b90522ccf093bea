"""Wire shapes of algorithms."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class ParameterOut(BaseModel):
    name: str
    type: str
    default: Any
    minimum: float | None
    maximum: float | None
    choices: list[Any] | None
    help: str


class AlgorithmInput(BaseModel):
    name: str
    annotation_types: list[str]
    required: bool


class AlgorithmOut(BaseModel):
    id: int
    name: str
    title: str
    category: str
    built_in: bool
    version: str
    description: str
    command: str
    environment: str
    parameters: list[ParameterOut]
    inputs: list[AlgorithmInput]
    outputs: list[str]
