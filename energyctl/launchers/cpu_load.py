"""Keeps a CPU busy until it is killed, or its parent is gone.

    python -I -S launchers/cpu_load.py

Standard library only.
"""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":  # as a script in isolated mode it finds only the standard library
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path.append(os.path.dirname(package))

from energyctl.launchers import subreaper

if __name__ == "__main__":
    parent = os.getppid()
    subreaper.prctl(subreaper.PR_SET_PDEATHSIG, signal.SIGKILL)
    while os.getppid() == parent:
        for _ in range(1_000_000):
            pass
