"""All attacks by name."""

from __future__ import annotations

from benchmarks.attacks import code, files, processes, words
from benchmarks.attacks.attack import Attack

ATTACKS: dict[str, Attack] = {
    **code.ATTACKS,
    **processes.ATTACKS,
    **files.ATTACKS,
    **words.ATTACKS,
}
