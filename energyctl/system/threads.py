"""Threads that leave all signals to the rest of the program."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def without_signals() -> Iterator[None]:
    """A thread that starts in the block, and those that it starts, are never given a signal.

    They inherit the mask that is set meanwhile, so there is no instant at which they could get one.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_thread(target: Callable[[], None], name: str) -> threading.Thread:
    """A running daemon thread in which no signal is delivered."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    with without_signals():
        thread.start()
    return thread
