"""No crash leaves anything behind: python tests/benchmarks/crashes.py --help

Campaigns of short runs (`energyctl run`, then `energyctl resume` until it is complete). At random
instants, some of them while a job is being started, SIGKILL for energyctl, supervisord (in which
the guard lives), a launcher, the helper that puts the machine back, or all of them. After each
kill nothing of what was hit is left within 10 s, the governor, the GPUs' power limits and their
clocks are restored, and nobody holds the machine's lock. In the end each run was done exactly once
with the values that the journal had for it, those that were cut off are kept as `interrupted`, each
finished result is byte for byte what it was when it was first seen, and no process, private folder,
socket or cgroup is left. Started as root, a third of the campaigns is as under sudo, for another
user.

Where energyctl, supervisord and all launchers are killed at once, nobody is there to end what a
training had started: the next command has to name it, and `energyctl stop`, or `resume`, to end it.

Prints each violation, and how to repeat it; its workspace is kept. Exit code 1 where there is one.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.loads import PLAIN
from benchmarks.stage import Process, Stage, alive, stage, under_a_reaper, wait_until
from hardware.compiled import library_folder

NOTHING_LEFT_SECONDS = 10.0
LONGEST_COMMAND_SECONDS = 90.0
FINISHED = "succeeded", "failed"
GOVERNOR, GOVERNOR_BEFORE = "performance", "powersave"
LEVELS: tuple[dict[str, int], ...] = (
    {"gpu_power_limit_watts": 250},
    {"gpu_power_limit_watts": 200, "gpu_clock_mhz": 1200},
    {},
    {"gpu_clock_mhz": 900},
)
"""Of the experiments: what changes from one to the next."""
MACHINE_BEFORE = {
    GOVERNOR_BEFORE,
    *(
        f"{what}_{gpu} {value}"
        for what, value in (("limit", 350000), ("clock", 0))
        for gpu in (0, 1)
    ),
}

ENERGYCTL, SUPERVISORD, HELPER = "energyctl", "supervisord", "the helper"
LAUNCHER, FRONT = "a launcher", "the foreground's launcher"
TRAINING, OTHER = "training", "other"
# Target → how often, and whom it hits. Without the helper alone: the next change of level ends the
# campaign then, see tests/campaign/test_machine_control.py.
TARGETS: dict[str, tuple[int, tuple[str, ...]]] = {
    ENERGYCTL: (30, (ENERGYCTL,)),
    SUPERVISORD: (20, (SUPERVISORD,)),
    LAUNCHER: (12, (LAUNCHER,)),
    FRONT: (8, (FRONT,)),
    "energyctl and the helper": (5, (ENERGYCTL, HELPER)),
    "energyctl and supervisord": (8, (ENERGYCTL, SUPERVISORD)),
    "all": (14, (ENERGYCTL, SUPERVISORD, LAUNCHER, FRONT, HELPER)),
}
AIMED_SHARE = 0.25
"""Of the kills: while a job is being started."""


def roles_of(found: Iterable[Process], place: Stage, energyctl: int) -> dict[int, str]:
    """Pid → who it is."""
    words = {
        "supervisor.supervisord": SUPERVISORD,
        "background.sh": LAUNCHER,
        "launchers/iterate.py": LAUNCHER,
        "launchers/foreground.py": FRONT,
        "privileged_helper.py": HELPER,
    }
    roles, parents = {}, {}
    for process in found:
        known = (name for word, name in words.items() if word in process.command)
        roles[process.pid] = next(known, OTHER)
        parents[process.pid] = process.parent
        if place.is_training(process):
            roles[process.pid] = TRAINING
    daemons = {pid for pid, name in roles.items() if name == SUPERVISORD}
    for pid in daemons:
        if parents[pid] in daemons:
            roles[pid] = LAUNCHER
    roles[energyctl] = ENERGYCTL
    return roles


@dataclass
class Kill:
    """One of them. at: Unix seconds; hit: who was killed."""

    number: int
    target: str
    at: float
    after_seconds: float
    hit: list[Process]

    @property
    def crashed(self) -> bool:
        return ENERGYCTL in TARGETS[self.target][1]


@dataclass
class Trouble:
    """What was wrong so far; ``told`` says which of it belongs to the campaign at hand."""

    seed: int
    count: int = 0
    told: int = 0

    def tell(self, text: str) -> None:
        self.count += 1
        print(f"VIOLATION (--seed {self.seed}): {text}", flush=True)

    def since(self) -> bool:
        """Whether there was any since this was last asked."""
        fresh, self.told = self.count > self.told, self.count
        return fresh


@dataclass
class Campaign:
    """One campaign, from its start to its last resume."""

    place: Stage
    number: int
    runs: int
    trouble: Trouble
    kills: list[Kill] = field(default_factory=list)
    seen: dict[str, tuple[Any, str]] = field(default_factory=dict)
    journal_before: bytes = b""
    kept: bool = True
    """Whether the helper that the energyctl of now has started was spared so far."""
    pardoned: set[tuple[int, int]] = field(default_factory=set)
    """What trainings had started when all were killed, until a command gets to end it."""
    refused: int = 0
    """How often energyctl gave up."""

    def tell(self, text: str) -> None:
        last = ""
        if self.kills:
            kill = self.kills[-1]
            who = ", ".join(str(process.pid) for process in kill.hit)
            last = f", kill {kill.number} of {kill.target} (pid {who}) after "
            last += f"{kill.after_seconds:.3f} s at {kill.at:.3f}"
        self.trouble.tell(f"campaign {self.number}{last}: {text}")

    # -- what has to stay as it is -------------------------------------------------------

    def look(self) -> None:
        """Results and the journal: finished means finished, appended means kept."""
        for path in (self.place.root / "results").glob("*.json"):
            try:
                state = path.stat()
                key = state.st_mtime_ns, state.st_ino, state.st_size
                known, digest = self.seen.get(path.name, (None, ""))
                if key == known:
                    continue
                now = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError:
                continue
            if digest and now != digest:
                self.tell(f"{path.name} changed after it was finished")
            self.seen[path.name] = key, now
        for name in self.seen:
            if not (self.place.root / "results" / name).exists():
                self.tell(f"{name} is gone")
        for path in self.journals():
            text = path.read_bytes()
            if not text.startswith(self.journal_before):
                self.tell(f"{path.name} is not what it was with lines appended")
            self.journal_before = text

    def journals(self) -> list[Path]:
        return list((self.place.root / "results" / "campaigns").glob("*.jsonl"))

    def machine(self) -> set[str]:
        """What is set of it: governors of CPUs, power limits and clocks of GPUs."""
        files = (self.place.folder / "cpus").glob("cpu*/cpufreq/scaling_governor")
        governors = {file.read_text().strip() for file in files}
        gpus = (self.place.folder / "gpus").glob("*_[01]")
        return governors | {f"{file.name} {file.read_text()}" for file in gpus}

    def restored(self) -> bool:
        return self.machine() <= MACHINE_BEFORE

    def lock_is_free(self) -> bool:
        path = Path(self.place.env["ENERGYCTL_LOCK"])
        if not path.exists():
            return True
        with open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    # -- after a kill --------------------------------------------------------------------

    def mains(self) -> set[tuple[int, int]]:
        return {(n.pid, n.ticks) for n in self.place.notes() if n.what == "main"}

    def after_a_crash(self, kill: Kill, choice: random.Random) -> None:
        """energyctl is dead: nothing is left, or named and ended by the next command."""
        place, left = self.place, list[Process]()
        everybody = kill.target == "all"

        def none_left() -> bool:
            found = place.processes()
            if everybody:
                self.pardoned |= {
                    (p.pid, p.ticks) for p in found if place.is_training(p)
                } - self.mains()
            left[:] = [p for p in found if (p.pid, p.ticks) not in self.pardoned]
            return not left

        if not wait_until(none_left, NOTHING_LEFT_SECONDS):
            self.tell(f"left after {NOTHING_LEFT_SECONDS:g} s: {shown(left)}")
        if not self.lock_is_free():
            self.tell("the machine's lock is held")
        if self.kept and not wait_until(self.restored, 5):
            self.tell(f"the machine is set to {self.machine()}")
        if everybody and choice.random() < 0.5:
            self.name_and_stop()

    def name_and_stop(self) -> None:
        place = self.place
        children = place.processes()
        popen = place.start("models")
        popen.wait(LONGEST_COMMAND_SECONDS)
        said = place.said(popen)
        still = [p for p in children if alive(p.pid, p.ticks)]
        unnamed = [process for process in still if f"pid {process.pid} " not in said]
        if unnamed:
            self.tell(f"`energyctl models` does not name {shown(unnamed)}; it says {said!r}")
        popen = place.start("stop")
        code = popen.wait(LONGEST_COMMAND_SECONDS)
        if code or place.processes():
            left = shown(place.processes())
            self.tell(f"`energyctl stop` ended with {code}, left {left}: {place.said(popen)}")
        if not self.restored():
            self.tell(f"the machine after `energyctl stop` is set to {self.machine()}")
        if place.runtime.exists():
            self.tell(f"{place.runtime} is there after `energyctl stop`")

    def after_a_loss(self, kill: Kill, doomed: list[Process]) -> None:
        """energyctl goes on: what belonged to the killed one is gone soon."""
        left = list[Process]()

        def none_left() -> bool:
            self.look()
            left[:] = [p for p in doomed if alive(p.pid, p.ticks)]
            return not left

        if not wait_until(none_left, NOTHING_LEFT_SECONDS):
            self.tell(f"left after {NOTHING_LEFT_SECONDS:g} s: {shown(left)}")

    # -- in the end ----------------------------------------------------------------------

    def gave_up(self) -> bool:
        """Whether the campaign may still be gone on with, after energyctl ended by itself."""
        self.refused += 1
        return self.refused < 5

    def check_the_end(self, code: int, popen: Popen[bytes]) -> None:
        self.look()
        place = self.place
        if "Traceback" in place.said(popen):
            self.tell(f"a traceback: {place.said(popen)[-1500:]}")
        results = place.results()
        for path in self.journals():
            self.check_runs(path, results)
        if len(self.journals()) != 1:
            self.tell(f"{len(self.journals())} journals")
        if not wait_until(lambda: not place.processes(), 2):
            self.tell(f"left in the end: {shown(place.processes())}")
        if "SUDO_UID" in place.env and not self.kept:  # nobody was left who might do it
            place.start("stop").wait(LONGEST_COMMAND_SECONDS)
        if not self.restored():
            self.tell(f"the machine in the end is set to {self.machine()}")
        if "limit_0 350000" not in self.machine():
            self.tell("the GPUs' power limit was never set")
        if not self.lock_is_free():
            self.tell("the machine's lock is held in the end")
        for path in [place.runtime, *place.cgroups()]:
            if Path(path).exists():
                self.tell(f"{path} is there in the end")

    def check_runs(self, journal: Path, results: dict[str, dict[str, Any]]) -> None:
        """Every run once, with its values; every start has its result."""
        events = [json.loads(line) for line in journal.read_text().splitlines()]
        runs = {run["index"]: run for run in events[0]["runs"]}
        started = [(e["run"], e["experiment_id"]) for e in events if e["event"] == "started"]
        done: Counter[int] = Counter()
        for index, name in started:
            result = results.get(name)
            if result is None:
                self.tell(f"run {index}, {name}: no result")
                continue
            done[index] += result["status"] in FINISHED
            values = result["foreground_result"]["hyperparameters"]
            planned = runs[index]["hyperparameters"]
            if values != planned:
                self.tell(f"{name}: ran with {values}, planned {planned}")
            if result["status"] == "failed" and not self.excused(result):
                error = result["foreground_result"]["error"] or result.get("error")
                self.tell(f"{name} failed, and nothing of it was killed: {error}")
            if result["status"] not in (*FINISHED, "interrupted"):
                self.tell(f"{name}: status {result['status']}")
        for index in runs:
            if done[index] != 1:
                self.tell(f"run {index} was done {done[index]} times")
        if extra := set(results) - {name for _, name in started}:
            self.tell(f"results that the journal does not know: {sorted(extra)}")
        if len(runs) != self.runs:
            self.tell(f"the journal has {len(runs)} runs")

    def excused(self, result: dict[str, Any]) -> bool:
        """Whether something of a run was killed while it lasted."""
        times = [t for phase in result["phases"] for t in (phase["start"], phase["end"])]
        first, last = (min(times) - 1, max(times) + 1) if times else (0.0, time.time())
        return any(first <= k.at <= last for k in self.kills if not k.crashed)


def shown(processes: Iterable[Process]) -> str:
    return "; ".join(str(process) for process in processes) or "nothing"


# -- one campaign ----------------------------------------------------------------------------


def furnish(place: Stage, runs: int, seed: int, cooldown: float) -> str:
    """The settings file: parallel runs of about 1 s, some of which leave processes, under levels
    that change."""
    for cpu in range(2):
        folder = place.folder / "cpus" / f"cpu{cpu}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_available_governors").write_text(f"{GOVERNOR} {GOVERNOR_BEFORE}\n")
        (folder / "scaling_governor").write_text(f"{GOVERNOR_BEFORE}\n")
    place.env["ENERGYCTL_CPUFREQ"] = str(place.folder / "cpus")
    gpus = place.folder / "gpus"  # what is set on them is written beside the library
    gpus.mkdir()
    shutil.copy(library_folder() / "libnvidia-ml.so.1", gpus)
    place.env |= {"LD_LIBRARY_PATH": str(gpus), "FAKE_GPUS": "2"}
    fronts = [
        {
            "mode": "mutation",
            "mutate": ["rate"],
            "hyperparameters": {"kind": kind, "seconds": 0.5},
        }
        for kind in ("none", "plain", "setsid", "daemon")
    ]
    # An iteration that lives on would be seen: one of three is longer than anything may be left.
    long = NOTHING_LEFT_SECONDS + 5
    jobs = [
        {"hyperparameters": {"kind": kind, "seconds": 0.2, "sometimes": long}}
        for kind in ("plain", "daemon", "none")
    ]
    name = place.settings(
        fronts,
        jobs,
        runs_per_config=runs // len(fronts),
        seed=seed,
        governor=GOVERNOR,
        cooldown_seconds=cooldown,
        max_retries=2,
    )
    file = place.root / "settings" / name
    settings = json.loads(file.read_text())
    for experiment, levels in zip(settings["experiments"], LEVELS, strict=True):
        experiment |= levels
    file.write_text(json.dumps(settings))
    return name


def wait_for_a_start(place: Stage, popen: Popen[bytes], seconds: float) -> None:
    """Until a launcher is there that has no training yet."""
    deadline = time.monotonic() + seconds
    while popen.poll() is None and time.monotonic() < deadline:
        found = place.processes()
        parents = {process.parent for process in found}
        roles = roles_of(found, place, popen.pid)
        if any(name == LAUNCHER and pid not in parents for pid, name in roles.items()):
            return


def strike(
    campaign: Campaign, popen: Popen[bytes], number: int, choice: random.Random, began: float
) -> Kill:
    """Kills a random target; energyctl where the target is not there at this instant."""
    place = campaign.place
    names = list(TARGETS)
    target = choice.choices(names, [TARGETS[name][0] for name in names])[0]
    if choice.random() < AIMED_SHARE:
        wait_for_a_start(place, popen, 1.0)
    found = {process.pid: process for process in place.processes()}
    roles = roles_of(found.values(), place, popen.pid)
    wanted = TARGETS[target][1]
    if not any(roles[pid] in wanted for pid in found):
        target, wanted = ENERGYCTL, (ENERGYCTL,)
    hit = [process for pid, process in found.items() if roles[pid] in wanted]
    if target == LAUNCHER:
        hit = [choice.choice(hit)]
    choice.shuffle(hit)
    now = time.time()
    for process in hit:
        if alive(process.pid, process.ticks):
            os.kill(process.pid, signal.SIGKILL)
    kill = Kill(number, target, now, time.monotonic() - began, hit)
    campaign.kills.append(kill)
    campaign.kept &= not any(roles[process.pid] == HELPER for process in hit)
    if kill.crashed:
        popen.wait()
        campaign.after_a_crash(kill, choice)
        campaign.kept = campaign.restored()
    else:
        campaign.after_a_loss(kill, doomed_by(hit, found, roles))
    return kill


def doomed_by(
    hit: list[Process], found: dict[int, Process], roles: dict[int, str]
) -> list[Process]:
    """Who has to end with the killed ones: all below them; not supervisord, nor energyctl."""
    layer, below = {process.pid for process in hit}, set[int]()
    while layer:
        layer = {p.pid for p in found.values() if p.parent in layer} - below
        below |= layer
    stay = ENERGYCTL, SUPERVISORD, HELPER
    return [found[pid] for pid in below if roles[pid] not in stay]


def carry_out(
    number: int, runs: int, kills: int, longest: float, choice: random.Random, trouble: Trouble
) -> list[Kill]:
    """One campaign with at most so many kills; then it is let alone until it is complete."""
    began = time.monotonic()
    sudo = os.getuid() == 0 and number % 3 == 1
    with stage(keep=trouble.since, sudo=sudo) as place:
        name = furnish(place, runs, choice.randrange(1000), choice.choice([0.0, 0.3]))
        campaign = Campaign(place, number, runs, trouble)
        code: int | None = None
        while code is None:
            command = ["resume"] if campaign.journals() else ["run", name]
            popen = place.start(*command, "--no-progress")
            code = until_it_ends(campaign, popen, kills, longest, choice)
            if code == 3 and "the helper does not answer" in place.said(popen):
                code = None if campaign.gave_up() else code  # it was killed before it was asked
            elif code not in (None, 0, 1):
                campaign.tell(f"energyctl ended with {code}: {place.said(popen)[-1500:]}")
                code = None if campaign.gave_up() else code
        campaign.check_the_end(code, popen)
        hits = Counter(kill.target for kill in campaign.kills)
        statuses = Counter(result["status"] for result in place.results().values())
    words = (", ".join(f"{n} {k}" for k, n in c.items()) or "none" for c in (hits, statuses))
    told = "killed {}; results {}".format(*words)
    how = " under sudo" if sudo else ""
    print(f"campaign {number}{how}, {time.monotonic() - began:.0f} s: {told}", flush=True)
    return campaign.kills


def until_it_ends(
    campaign: Campaign, popen: Popen[bytes], kills: int, longest: float, choice: random.Random
) -> int | None:
    """Strikes, until energyctl is hit (None), or ends by itself (its exit code)."""
    while True:
        began = time.monotonic()
        spared = len(campaign.kills) >= kills
        delay = LONGEST_COMMAND_SECONDS if spared else choice.uniform(0, longest)
        while popen.poll() is None and time.monotonic() - began < delay:
            campaign.look()
            time.sleep(0.01)
        if popen.poll() is not None:
            return popen.returncode
        if spared:
            campaign.tell(f"no end after {delay:g} s: {shown(campaign.place.processes())}")
            popen.kill()
            return popen.wait()
        number = len(campaign.kills) + 1
        if strike(campaign, popen, number, choice, began).crashed:
            campaign.look()
            return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument("--kills", type=int, default=200, help="(200)")
    parser.add_argument("--seed", type=int, default=None, help="of instants and targets (random)")
    parser.add_argument("--runs", type=int, default=8, help="of a campaign, a multiple of 4 (8)")
    parser.add_argument("--longest", type=float, default=8.0, help="from a start to a kill, s (8)")
    wanted = parser.parse_args()
    if shutil.which("cc") is None:
        print("this benchmark needs a C compiler (cc) for its stand-ins", file=sys.stderr)
        return 2
    seed = random.randrange(100_000) if wanted.seed is None else wanted.seed
    trouble, choice = Trouble(seed), random.Random(seed)
    done: Counter[str] = Counter()
    campaigns, began = 0, time.monotonic()
    while done.total() < wanted.kills:
        campaigns += 1
        left = wanted.kills - done.total()
        kills = carry_out(campaigns, wanted.runs, left, wanted.longest, choice, trouble)
        done += Counter(kill.target for kill in kills)
    told = ", ".join(f"{count} {target}" for target, count in done.most_common())
    print(f"{done.total()} kills ({told}) in {campaigns} campaigns, seed {seed}")
    print(f"{trouble.count} violations in {time.monotonic() - began:.0f} s")
    return 1 if trouble.count else 0


if __name__ == "__main__":
    sys.exit(under_a_reaper(main))
