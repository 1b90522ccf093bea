"""Why an installation cannot start or go on, in a sentence for the console."""

from __future__ import annotations


class SupervisorError(Exception):
    """Ends ``himalia up``; the text is shown as it is, without a traceback.

    Args:
        message: What is wrong, in one or two sentences.
        hint: What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
