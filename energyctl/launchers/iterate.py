"""The script that supervisord starts: one background iteration, see ``iteration``.

That one is a module for the sake of its compiled form: a script is compiled at each start.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    parent = os.getppid()
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

    from energyctl.launchers.iteration import main

    code = main(sys.argv[1:], parent)
    sys.stderr.flush()
    os._exit(code)  # without the interpreter's own end, which takes milliseconds
