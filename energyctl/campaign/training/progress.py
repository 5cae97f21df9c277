"""How far the training in progress says it is."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from energyctl.campaign.training.foreground import Attempt
from energyctl.config import registry

Progress = tuple[float, float | None]
"""What is done, and of how much; None where the training does not say."""

MOST_LATE = 3
"""A pattern that was late so often is not tried any more."""


class ProgressReader:
    """Reads the progress in a thread of its own: however long a pattern takes, whoever asks gets
    the last answer at once."""

    def __init__(self, pattern: str | None) -> None:
        self._pattern = pattern
        self._thread = ThreadPoolExecutor(1, "progress")
        self._asked: Future[Progress | None] | None = None
        self._step: tuple[int, int] | None = None
        self._answer: Progress | None = None
        self._late = 0

    def latest(self, attempt: Attempt) -> Progress | None:
        """What the step that runs said last, as far as that is known; asks anew. Without a
        pattern it is the number of epochs that the training has told."""
        if self._pattern is None:
            epochs = attempt.timeline.epochs_seen
            return (epochs, None) if epochs else None
        if not attempt.steps:
            return None
        step = attempt.number, len(attempt.steps)
        if step != self._step:
            self._step, self._answer, self._asked = step, None, None
        if self._asked is not None and self._asked.done():
            self._take(attempt, self._asked)
            self._asked = None
        if self._asked is None and self._late < MOST_LATE:
            text = attempt.log.tail(attempt.steps[-1].offset)
            self._asked = self._thread.submit(registry.progress_of, self._pattern, text)
        return self._answer

    def _take(self, attempt: Attempt, asked: Future[Progress | None]) -> None:
        try:
            self._answer = asked.result()
        except TimeoutError:
            self._late += 1
            if self._late == MOST_LATE:
                attempt.warnings.append(
                    "progress is not shown: its pattern in the registry takes too long to match"
                )

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
