"""The words of a workload's life, as the API spells them."""

from __future__ import annotations

import enum


class Phase(enum.StrEnum):
    """Where a workload is.

    waiting: before its start time; queued: admitted by quota and balance, waiting for room;
    starting: has room, not yet ready; stopping: asked to end, still occupying resources.
    """

    WAITING = "waiting"
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"


ENDED = frozenset({Phase.STOPPED, Phase.SUCCEEDED, Phase.FAILED, Phase.TIMED_OUT})


class Reason(enum.StrEnum):
    """Why a workload is where it is; one enumeration for every kind of work."""

    QUOTA = "quota"
    BALANCE = "balance"
    CAPACITY = "capacity"
    IMAGE = "image"
    START_FAILED = "start_failed"
    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_DISK = "out_of_disk"
    DEADLINE = "deadline"
    STOPPED_BY_USER = "stopped_by_user"
    RUNNER_LOST = "runner_lost"
    NOT_READY = "not_ready"
    ARREARS = "arrears"
    BACKEND = "backend"
