"""Threads that leave all signals to the rest of the program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable


def start_thread(target: Callable[[], None], name: str) -> threading.Thread:
    """A running daemon thread in which no signal is delivered.

    It inherits the mask that is set meanwhile, so there is no instant at which it could get one.
    """
    thread = threading.Thread(target=target, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
