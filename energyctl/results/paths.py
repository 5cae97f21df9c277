"""Names of the files of a run: spelled here and nowhere else, for those who write and who read.

E is the experiment id, k the number of an attempt, from 0 on as in ``retries``::

    E.json                              the result; ``.E.json.cooling`` while its cool-down goes on
    training_REPO_MODEL_TIME.log        output of attempt 0; of attempt k, ``…_TIME_attempt{k}.log``
    energy_E_attempt{k}/                time series of an attempt
    power_E.csv                         power in all phases around the attempts
    background_training_E.conf, .sh     the supervisord entries and one iteration, as run
    background_logs_E/                  logs of the background, its ledger, what operators did
    outputs_E/                          what the registry keeps of what the foreground wrote
    prepare_REPO_TIME.log               output of the registry's `prepare`
    work_E/                             the folders that trainings work in, gone at the end
    .ID.taken                           a name that a task of a cluster has reserved

The tables of an attempt are named as :mod:`energyctl.meters.csv_files` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from energyctl.text import safe_name

PARALLEL = "_parallel"
"""At the end of the experiment id of a parallel run."""

RESERVED = ".taken"
WORK_FOLDERS = "work_*"

LEDGER = "iterations.csv"
OPERATORS = "operators.csv"

CPU_ENERGY = "cpu_energy.txt"
CPU_POWER, GPU_POWER = "cpu_power.csv", "gpu_power.csv"
GPU_TEMPERATURE, GPU_UTILIZATION = "gpu_temperature.csv", "gpu_utilization.csv"


@dataclass(frozen=True)
class RunFiles:
    """The files of one run, all in one folder: that of the results, once it is done.

    ``foreground_id`` is the experiment id without ``_parallel``. The last three are for the names
    of training logs alone, which a result holds itself; readers do without them.
    """

    folder: Path
    experiment_id: str
    foreground_id: str
    timestamp: str = ""
    repo: str = ""
    model: str = ""

    @classmethod
    def of(cls, folder: Path, experiment_id: str) -> RunFiles:
        """Those of a run in *folder*; see above on its training logs."""
        return cls(folder, experiment_id, experiment_id.removesuffix(PARALLEL))

    @classmethod
    def of_result(cls, path: Path) -> RunFiles:
        """Those beside the result at *path*."""
        return cls.of(path.parent, path.stem)

    @property
    def result(self) -> Path:
        return self.folder / f"{self.experiment_id}.json"

    @property
    def unrested(self) -> Path:
        """The result of a finished run while its cool-down goes on; complete but for that phase.

        It becomes :attr:`result` by a rename, so a result that can be seen never changes again.
        """
        return self.folder / f".{self.experiment_id}.json.cooling"

    @property
    def reservation(self) -> Path:
        return self.folder / f".{self.foreground_id}{RESERVED}"

    @property
    def entries(self) -> Path:
        return self.folder / f"background_training_{self.experiment_id}.conf"

    @property
    def script(self) -> Path:
        return self.folder / f"background_training_{self.experiment_id}.sh"

    @property
    def background_logs(self) -> Path:
        return self.folder / f"background_logs_{self.experiment_id}"

    @property
    def ledger(self) -> Path:
        """A row for each iteration of the background that has ended."""
        return self.background_logs / LEDGER

    @property
    def operators(self) -> Path:
        """What operators did to the background."""
        return self.background_logs / OPERATORS

    @property
    def work(self) -> Path:
        """Holds the folders that trainings work in; gone at the end of the run."""
        return self.folder / f"work_{self.experiment_id}"

    @property
    def outputs(self) -> Path:
        """What the registry keeps of what the foreground wrote."""
        return self.folder / f"outputs_{self.experiment_id}"

    @property
    def power_around(self) -> Path:
        """``timestamp,domain,power_w`` of the phases in which no attempt was metered."""
        return self.folder / f"power_{self.experiment_id}.csv"

    @property
    def energy_prefix(self) -> str:
        """What the names of all these folders begin with."""
        return f"energy_{self.experiment_id}_attempt"

    def energy(self, attempt: int) -> Path:
        """The folder of an attempt's time series; *attempt* counts from 0."""
        return self.folder / f"{self.energy_prefix}{attempt}"

    def energy_on_disk(self, attempt: int | None) -> Path:
        """The same for a reader. *attempt*: its number, as the result says; None where that holds
        no attempt (of an imported run): then it is the first one.

        Earlier versions counted from 1, in their results as in their names: a number in a result
        names its folder in either, and of a run without one the disk says how it was counted.
        """
        if attempt is not None:
            return self.energy(attempt)
        first, first_of_earlier_versions = self.energy(0), self.energy(1)
        earlier = first_of_earlier_versions.is_dir() and not first.is_dir()
        return first_of_earlier_versions if earlier else first

    def training_log(self, attempt: int) -> Path:
        """The log of an attempt, from 0: stamped with the run's time, further ones numbered."""
        number = f"_attempt{attempt}" if attempt else ""
        name = f"training_{safe_name(self.repo)}_{safe_name(self.model)}_{self.timestamp}{number}"
        return self.folder / f"{name}.log"


def prepare_log(folder: Path, repo: str, now: float) -> Path:
    """The log of a repository's `prepare`, begun at *now* (Unix seconds)."""
    return folder / f"prepare_{safe_name(repo)}_{now:.6f}.log"
