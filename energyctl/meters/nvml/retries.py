"""Errors of the driver that may pass: it is asked again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pynvml

NEVER = (pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
"""Codes of what a GPU or a driver does not have."""

FINAL = (*NEVER, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
PAUSE_SECONDS = 0.05

T = TypeVar("T")


class Patience:
    """Waits for so long in all, over all questions, for errors to pass."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._left = seconds

    def ask(self, question: Callable[..., T], *arguments: object) -> T:
        """Its answer. Raises the NVMLError that did not pass."""
        while True:
            try:
                return question(*arguments)
            except pynvml.NVMLError as error:
                if error.value in FINAL or self._left <= 0:
                    raise
            self._left -= PAUSE_SECONDS
            time.sleep(PAUSE_SECONDS)
