"""Where rendered entries of version 0.1 start the launcher: goes on as ``launchers/iterate.py``."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    launcher = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launchers", "iterate.py")
    os.execv(sys.executable, [sys.executable, "-I", "-S", launcher, *sys.argv[1:]])
