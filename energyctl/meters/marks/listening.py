"""The socket of one training: where it is, and how the training learns of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from energyctl.errors import MachineError
from energyctl.meters.marks.receiver import SOCKET, Receiver
from energyctl.meters.marks.timeline import Timeline

SOCKET_NAME = "marks.sock"
"""In a private folder, whose path leaves room for it (unix(7): 107 characters)."""


@contextmanager
def listening(
    timeline: Timeline,
    folder: AbstractContextManager[Path],
    now: Callable[[], float],
    reading: Callable[[], object],
    warnings: list[str],
) -> Iterator[dict[str, str]]:
    """Fills *timeline* for as long as the block runs; what the training's environment needs for it.

    Where nobody can listen in *folder*, and what was lost, is added to *warnings*.

    *now* and *reading*: as of the sampler that meters it.
    """
    with ExitStack() as stack:
        path = Path(SOCKET_NAME)
        try:
            path = stack.enter_context(folder) / path
            receiver = Receiver(path, timeline, now, reading)
        except (MachineError, OSError) as error:
            why = error if isinstance(error, MachineError) else f"{path}: {error.strerror or error}"
            warnings.append(f"epochs and marks of the training cannot be received: {why}")
            yield {}
            return
        try:
            yield {SOCKET: str(path)}
        finally:
            receiver.close()
            warnings += receiver.warnings()
