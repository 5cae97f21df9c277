"""What the drivers of the peers share. Standard library only: it runs in their environments.

A driver calls `metered` between its tool's start and end, and `tell` afterwards. Arguments: the
Unix time to begin at, seconds, the file for the result, and one for the tool.
"""

from __future__ import annotations

import json
import sys
import time

BEGIN, SECONDS, RESULT, OPTION = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4]
marks: list[float] = []


def wait() -> None:
    """Until it is time to begin: the tools' start-ups shall not disturb each other."""
    time.sleep(max(0.0, BEGIN - time.time()))


def metered() -> None:
    """The metered code: it sleeps."""
    start = time.time()
    time.sleep(SECONDS)
    marks[:] = [start, time.time()]


def tell(**joules: float | None) -> None:
    late = marks[1] - marks[0] - SECONDS
    with open(RESULT, "w", encoding="utf-8") as file:
        json.dump({"start": marks[0], "end": marks[1], "late": late, "joules": joules}, file)
