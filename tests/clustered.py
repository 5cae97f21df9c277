"""A workspace whose campaigns run on a Slurm cluster of this machine; see slurm_cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import own_records
from bench import REGISTRY, TRAIN
from energyctl.campaign.journal import Journal, find_journal
from energyctl.results.folder import ResultsFolder
from energyctl.results.schema import FINISHED
from energyctl.system import workspace
from energyctl.system.owner import read_owner
from slurm_cluster import Cluster
from supervised import living

COMMAND_SECONDS = 240.0

# All nodes are one machine here; each gets a lock and a /tmp of its own all the same.
NODE = """\
export ENERGYCTL_LOCK={folder}/lock.$SLURMD_NODENAME
export ENERGYCTL_PRIVATE={folder}/$SLURMD_NODENAME.tmp
mkdir -p "$ENERGYCTL_PRIVATE"
"""
MARK = "# Whatever else a node needs before a run stands here.\n"


@dataclass
class Lab:
    """The workspace of a user of the cluster, with two stand-in clones."""

    root: Path
    cluster: Cluster
    env: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        workspace.init(self.root)
        (self.root / "settings" / "models_config.json").write_text(json.dumps(REGISTRY))
        for name in REGISTRY["models"]:
            script = self.root / "repos" / name / "train.sh"
            script.parent.mkdir(parents=True)
            script.write_text(TRAIN.format(python=sys.executable))
            script.chmod(0o755)
        self.edit(MARK, NODE.format(folder=self.cluster.folder))
        hidden = ("ENERGYCTL_", "SUDO_", "CUDA_", "SLURM_")
        self.env = {name: v for name, v in os.environ.items() if not name.startswith(hidden)}
        self.env |= {
            **self.cluster.environment,
            "ENERGYCTL_LOCK": str(self.root / "lock"),
            "ENERGYCTL_ACCEPTANCE": own_records.NOWHERE,
            "ENERGYCTL_POWERCAP": str(self.root / "no-powercap"),
            "ENERGYCTL_PERF": str(self.root / "no-perf"),
            "TRIALS": str(self.root / "trials.jsonl"),
            "COLUMNS": "160",
        }

    def edit(self, old: str, new: str) -> None:
        """Edits the template of the batch script, as an operator would."""
        template = self.root / "templates" / "sbatch.j2"
        text = template.read_text()
        assert old in text
        template.write_text(text.replace(old, new))

    def settings(
        self, runs: int, seconds: float = 0.5, *, mixed: bool = False, **fields: Any
    ) -> str:
        """A parallel experiment in so many runs, its phases short; *mixed*: half of them, and the
        same training alone in the other half."""
        experiment: dict[str, Any] = {
            "mode": "parallel",
            "foreground": {
                "repo": "front",
                "model": "small",
                "mutate": ["learning_rate"],
                "hyperparameters": {"seconds": seconds},
            },
            "background": {"repo": "back", "model": "large", "hyperparameters": {"seconds": 0.3}},
        }
        alone = {"mode": "mutation", **experiment["foreground"]}
        slurm = {"shared_node": "warn", "time": 10, **fields.pop("slurm", {})}
        quick = {
            "experiment_name": "study",
            "idle_seconds": 0,
            "cooldown_seconds": 0,
            "max_retries": 0,
            "sample_interval_seconds": 0.2,
            "settle": {"seconds": 0.1, "timeout_seconds": 30},
            "seed": 1,
            "runs_per_config": runs // 2 if mixed else runs,
            "experiments": [experiment, alone] if mixed else [experiment],
            "slurm": slurm,
        }
        (self.root / "settings" / "x.json").write_text(json.dumps({**quick, **fields}))
        return "x.json"

    def start(self, *arguments: str, node: str | None = None) -> subprocess.Popen[str]:
        """``energyctl …``, as typed on *node*."""
        own = {} if node is None else {"ENERGYCTL_PRIVATE": f"{self.cluster.folder}/{node}.tmp"}
        return subprocess.Popen(
            [sys.executable, "-m", "energyctl", "-C", str(self.root), *arguments],
            env={**self.env, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *arguments: str, code: int | None = 0, node: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """``energyctl …`` to its end; with *code* it fails with what was said."""
        with self.start(*arguments, node=node) as popen:
            out, err = popen.communicate(timeout=COMMAND_SECONDS)
        if code is not None and popen.returncode != code:
            raise AssertionError(f"{arguments} ended with {popen.returncode}:\n{out}\n{err}")
        return subprocess.CompletedProcess(arguments, popen.returncode, out, err)

    @property
    def folder(self) -> ResultsFolder:
        return ResultsFolder(self.root / "results")

    @property
    def journal(self) -> Journal:
        """That of the newest campaign."""
        return find_journal(self.folder, None)

    @property
    def status(self) -> dict[str, Any]:
        """The campaign across the nodes, as ``status --json`` has it."""
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)["cluster"]
        return found

    def results(self) -> list[dict[str, Any]]:
        return list(self.folder.all())

    def finished(self) -> list[dict[str, Any]]:
        return [result for result in self.results() if result["status"] in FINISHED]

    def logs(self) -> str:
        """What all tasks printed."""
        return "".join(path.read_text() for path in sorted(self.journal.own_folder.glob("*.out")))

    # -- what has to be true at the end --------------------------------------------------------

    def problems(self, runs: int) -> list[str]:
        """What is wrong with a campaign that is over; empty where each run was done once."""
        told = self.counts(runs) + self.overlaps() + self.torn() + self.values()
        # A unix socket, a process, a private folder: what a task may leave on its node.
        told += [f"process {found.pid} {found.command}" for found in living(self.root)]
        # What a killed energyctl had on its node goes with the next task there, or with `stop`.
        for node in {path.parents[1].name.removesuffix(".tmp") for path in self.private()}:
            self.run("stop", node=node)
        return told + [f"private folder {path}" for path in self.private()]

    def private(self) -> list[Path]:
        """Private folders of this workspace's tasks, on all nodes."""
        found = self.cluster.folder.glob("*.tmp/energyctl-*/*")
        owners = {path: read_owner(path) for path in found}
        return [
            path for path, owner in owners.items() if owner and owner.workspace == str(self.root)
        ]

    def counts(self, runs: int) -> list[str]:
        seen = sorted(result["environment"]["run"]["index"] for result in self.finished())
        wanted = list(range(1, runs + 1))
        return [] if seen == wanted else [f"finished are {seen}, not 1 to {runs}"]

    def overlaps(self) -> list[str]:
        """Two finished runs at the same time on a node, by their own time stamps."""
        spans: dict[str, list[tuple[float, float, int]]] = {}
        for result in self.finished():
            began, ended = result["phases"][0]["start"], result["phases"][-1]["end"]
            index = result["environment"]["run"]["index"]
            spans.setdefault(result["environment"]["node"], []).append((began, ended, index))
        return [
            f"runs {first[2]} and {second[2]} overlap on {node}"
            for node, rows in spans.items()
            for first, second in pairwise(sorted(rows))
            if second[0] < first[1]
        ]

    def torn(self) -> list[str]:
        """Files that are not whole, of no run, or not in their place."""
        told = []
        root = self.folder.root
        for path in root.glob("*.json"):
            try:
                result = json.loads(path.read_text())
            except ValueError:
                told.append(f"{path.name} is torn")
                continue
            log = result["foreground_result"]["log"]
            if result["status"] in FINISHED and not (root / log).is_file():
                told.append(f"{path.name}: its log {log} is missing")
            name = f"energy_{path.stem}_attempt0"
            if result["status"] in FINISHED and not (root / name / "cpu_power.csv").is_file():
                told.append(f"{path.name}: its time series are missing")
        left = [*root.glob(".*"), *root.glob("work_*"), *self.journal.own_folder.glob("attempts/*")]
        return told + [f"left behind: {path}" for path in left]

    def values(self) -> list[str]:
        """Runs whose values are not those that the journal had for them."""
        planned = {run.index: run.foreground.hyperparameters for run in self.journal.runs()}
        return [
            f"run {index} had other values than planned"
            for result in self.finished()
            if result["foreground_result"]["hyperparameters"]
            != planned[index := result["environment"]["run"]["index"]]
        ]


def lab(folder: Path, cluster: Cluster) -> Lab:
    """A workspace in *folder*, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    made = Lab(folder, cluster)
    made.prepare()
    return made


def spans(results: Sequence[dict[str, Any]]) -> list[tuple[str, float, float]]:
    """Node, begin and end of each run, by begin."""
    rows = [
        (r["environment"]["node"], r["phases"][0]["start"], r["phases"][-1]["end"]) for r in results
    ]
    return sorted(rows, key=lambda row: row[1])
