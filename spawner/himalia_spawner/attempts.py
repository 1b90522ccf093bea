"""What the hub remembers of a server between its own starts: which attempt of the platform it is."""

from __future__ import annotations

from typing import Any


class RemembersAttempt:
    """Before a spawner's class; ``attempt`` is the platform's number, None until a start got one."""

    attempt: int | None = None

    def get_state(self) -> dict[str, Any]:
        state = super().get_state()  # type: ignore[misc]
        if self.attempt is not None:
            state["attempt"] = self.attempt
        return dict(state)

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)  # type: ignore[misc]
        self.attempt = state.get("attempt")

    def clear_state(self) -> None:
        super().clear_state()  # type: ignore[misc]
        self.attempt = None
