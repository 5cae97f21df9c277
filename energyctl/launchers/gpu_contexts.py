"""Holds a context on each GPU and launches nothing: what a process costs that is merely there.

    python -I -S launchers/gpu_contexts.py      < a pipe      > one line of JSON

On the GPUs that CUDA_VISIBLE_DEVICES shows, through the driver's own library (libcuda.so.1). The
line is {"held": [NAME, …]} once they are held, or {"failed": WHY}. It ends with its standard input,
and with its parent, whatever becomes of that. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys

if __name__ == "__main__":  # as a script in isolated mode it finds only the standard library
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path.append(os.path.dirname(package))

from energyctl.launchers import subreaper
from energyctl.launchers.cuda_driver import CudaError, Driver


def main() -> int:
    subreaper.prctl(subreaper.PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        driver = Driver()
        held = [driver.name(driver.hold(index)[0]) for index in range(driver.count())]
    except CudaError as error:
        print(json.dumps({"failed": str(error)}), flush=True)
        return 1
    print(json.dumps({"held": held}), flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
