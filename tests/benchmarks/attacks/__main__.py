"""The attacker, as a program of the user's or of the stranger's.

    python -I -S tests/benchmarks/attacks FACTS ROLE

Roles: `before` and `stranger` plant something before `sudo energyctl`; `train` and `load` are the
trainings of the foreground and of the background; `after` comes before `status` and `stop`. FACTS
is a file that `SudoStage.write_facts` has written.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.attacks.table import ATTACKS


def main() -> None:
    facts = SimpleNamespace(**json.loads(Path(sys.argv[1]).read_text()))
    role = sys.argv[2]
    act = getattr(ATTACKS[facts.attack], role)
    if role == "train":
        print("loss: 1.5", flush=True)
        Path(facts.home, "training").touch()
    try:
        if act is not None:
            act(facts)
    except Exception as error:  # one that fails has failed; what it did is looked at afterwards
        with contextlib.suppress(OSError):
            print(f"{type(error).__name__}: {error}", flush=True)
    time.sleep({"train": facts.seconds, "load": 0.3}.get(role, 0.0))


main()
