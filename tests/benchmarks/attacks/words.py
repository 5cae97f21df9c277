"""The lock, odd text, and much of it."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.attacks.attack import DEEP, ESCAPE, Act, Attack, Facts, lab, private, remove, write


def odd_results(f: Facts) -> None:
    odd: list[Any] = [
        {"schema": 1, "foreground_result": "text"},
        {"schema": 1, "foreground_result": {"duration": "abc", "success": 3, "repo": ["x"]}},
        {"schema": 1, "experiment_id": ESCAPE, "status": ESCAPE, "warnings": [ESCAPE, 7]},
        {"schema": 1, "foreground_result": {"duration": 1e300, "repo": "front", "model": "m"}},
        [[]],
        None,
        1e308,
    ]
    for number, data in enumerate(odd):
        write(lab(f, f"results/2026010{number}_000000_front_m.json"), json.dumps(data))
    write(lab(f, "results/20260108_000000_front_m.json"), DEEP)
    write(lab(f, "results/20260109_000000_front_m.json"), '{"a":' * 100_000)
    write(lab(f, "results/20260110_000000_front_m.json"), "{" + "9" * 100_000)
    os.makedirs(lab(f, "results/20260111_000000_front_m.json"))


def odd_journals(f: Facts) -> None:
    head = {"event": "begun", "schema": 1, "settings": ESCAPE, "registry": [], "runs": "x"}
    texts = [DEEP, '{"a":' * 100_000, json.dumps(head), "\0" * 4096, ESCAPE]
    for number, text in enumerate(texts):
        write(lab(f, f"results/campaigns/2030010{number}_000000_x.jsonl"), text)


def odd_settings(f: Facts) -> None:
    write(lab(f, "settings/deep.json"), '{"experiments":' * 100_000)
    write(lab(f, "settings/huge.json"), '{"experiments": [], "seed": ' + "9" * 50_000 + "}")
    write(lab(f, "settings/models_config.json"), '{"models": {"front": ' + DEEP)


def odd_private(f: Facts) -> None:
    for name in ("owner.json", "state.json", "clock", "environment", "daemon-nonce"):
        write(f"{private(f)}/{name}", DEEP)


def lock_of_the_stranger(kind: str) -> Act:
    def act(f: Facts) -> None:
        if kind == "file":
            write(f.lock, "{}")
            os.chmod(f.lock, 0o600)
        elif kind == "link":
            os.symlink(f.notice, f.lock)
        elif kind == "fifo":
            os.mkfifo(f.lock, 0o666)
            os.chmod(f.lock, 0o666)
        else:
            os.mkdir(f.lock)

    return act


def lock_note(f: Facts) -> None:
    """The stranger holds the machine, and says so in an odd way."""
    names = {key: ESCAPE for key in ("campaign", "workspace", "user", "pid", "since")}
    write(f.lock, json.dumps(names))
    os.chmod(f.lock, 0o666)
    descriptor = os.open(f.lock, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    Path(f.drop, "ready").touch()
    time.sleep(60)


def lock_vanishes(f: Facts) -> None:
    remove(f.lock)
    os.symlink(f.secret, f.lock)


def names_itself(f: Facts) -> None:
    """In the list of processes, in the log, in its results."""
    ctypes.CDLL(None).prctl(15, b"\x1b[31mHOSTILE\n", 0, 0, 0)
    print(f"loss: 1\n{ESCAPE}\nloss: {ESCAPE}", flush=True)
    program = f"{f.home}/\x1b]0;HOSTILE\x07 \n x"
    shutil.copy("/bin/sleep", program)
    subprocess.Popen([program, "30"], start_new_session=True)


ESCAPES = {
    "experiment_name": ESCAPE,
    "description": ESCAPE,
    "experiments": [
        {
            "mode": "parallel",
            "foreground": {"repo": "front", "model": "m", "hyperparameters": {ESCAPE: 1}},
            "background": {"repo": "back", "model": "m"},
        },
        {"mode": ESCAPE, "repo": ESCAPE, "model": ESCAPE},
    ],
}


def digits(f: Facts) -> None:
    print("9" * 1800, flush=True)
    print("test " * 140_000, flush=True)


def carriage_returns(f: Facts) -> None:
    chunk = "\r".join(["1% 🔥 of it"] * 100_000)
    for _ in range(60):
        sys.stdout.write(chunk)
    sys.stdout.flush()


def flood(f: Facts) -> None:
    """Lines as fast as they go, for a while."""
    line, end = b"loss: 1\n" * 8192, time.monotonic() + min(f.seconds, 3)
    while time.monotonic() < end:
        os.write(1, line)


ATTACKS = {
    "lock-file": Attack(
        "the stranger's lock file, for nobody else", stranger=lock_of_the_stranger("file")
    ),
    "lock-link": Attack("it is a link to root's file", stranger=lock_of_the_stranger("link")),
    "lock-fifo": Attack("it is a FIFO", stranger=lock_of_the_stranger("fifo")),
    "lock-folder": Attack("it is a folder", stranger=lock_of_the_stranger("folder")),
    "lock-note": Attack("the stranger holds it, with escapes in its note", stranger=lock_note),
    "lock-vanishes": Attack("the training replaces it by a link", train=lock_vanishes),
    "escapes": Attack("escapes in each name of the settings", settings=ESCAPES, codes=(2,)),
    "names": Attack(
        "a training with escapes in its name, its output and its children's names",
        train=names_itself,
        settings={"experiment_name": ESCAPE.replace("\n", " ")},
        codes=(2,),
    ),
    "speaks": Attack("and under a plain name", train=names_itself),
    "odd-results": Attack(
        "odd and deep files in `results`", before=odd_results, then=(("plan", "x.json"),)
    ),
    "odd-journals": Attack("odd and deep journals", before=odd_journals, then=(("resume",),)),
    "odd-settings": Attack(
        "deep and huge settings",
        before=odd_settings,
        then=(("run", "deep.json"), ("plan", "huge.json")),
        codes=(2,),
    ),
    "odd-private": Attack(
        "deep files in the private folder", odd_private, train=odd_private, after=odd_private
    ),
    "digits": Attack(
        "long lines under patterns",
        train=digits,
        registry={
            "performance_metrics": {
                "log_patterns": {"loss": "loss: {number}", "acc": ".*test.*acc: {number}"}
            },
            "progress": "epoch {number}/{number}|{number}/{number}",
        },
    ),
    "carriage-returns": Attack("70 MB without a newline", train=carriage_returns),
    "flood": Attack("lines as fast as they go", train=flood, load=flood),
}
