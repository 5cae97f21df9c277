"""What this machine has received over the network, as its kernel counts it.

The counters are of a network namespace, so of all of a machine's processes and not of one of them:
what a process reads from its sockets is counted nowhere (proc_pid_io(5): files and pipes, too).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

COUNTERS = Path("/proc/self/net/dev")
LOOPBACK = "lo"


def received_bytes(text: str | None = None) -> dict[str, int]:
    """Interface → bytes since it was made, but for the loopback (proc_pid_net(5), "dev"); empty
    where it cannot be read. *text*: of the file, else it is read."""
    if text is None:
        try:
            text = COUNTERS.read_text(encoding="ascii", errors="replace")
        except OSError:
            return {}
    counters = {}
    for line in text.splitlines()[2:]:  # two lines of headings
        name, _, figures = line.partition(":")
        first = figures.split(maxsplit=1)[:1]
        if first and first[0].isdecimal() and name.strip() != LOOPBACK:
            counters[name.strip()] = int(first[0])
    return counters


def growth(before: Mapping[str, int], after: Mapping[str, int]) -> int | None:
    """By how many bytes the interface grew that grew most; None where none is known at both.

    Not their sum: what comes to a container or a VLAN is counted by the card below it, too.
    """
    grown = [after[name] - before[name] for name in before.keys() & after.keys()]
    return max((bytes_ for bytes_ in grown if bytes_ >= 0), default=None)
