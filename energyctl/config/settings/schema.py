"""What an experiment file may hold: names, types, limits, and what an editor shows about them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from energyctl.config.jsonfile.validation import (
    Name,
    Scalar,
    Strict,
    Text,
    editor_schema,
)
from energyctl.config.places import Gpus, Place
from energyctl.config.settings.control import Control
from energyctl.config.settings.footprint import Co2eGiven, PriceGiven
from energyctl.config.settings.log_to import Given as LogToGiven
from energyctl.config.settings.machine import Clock, Governor, PowerLimit
from energyctl.config.settings.references import Given
from energyctl.config.settings.search import Search
from energyctl.config.settings.slurm import Slurm

MOST_RUNS = 10_000_000
NOTIFY_PLACEHOLDERS = ("summary", "campaign", "status", "results", "exit_code")
"""What is filled in in the words of `notify`."""
Mode = Literal["parallel", "mutation", "default", "grid"]
MODES: tuple[Mode, ...] = ("parallel", "mutation", "default", "grid")
Order = Literal["as_written", "blocks", "random"]

# Names of older dialects (without case and underscores) that would change what is run.
OLD_NAMES = {
    "mutate_params": "mutate",
    "mutation_type": "mode",
    "experiment_type": "mode",
    "repository": "repo",
    "num_mutations": "runs_per_config",
    "fixed_hyperparams": "hyperparameters",
    "fixed_hyperparameters": "hyperparameters",
    "hyperparams": "hyperparameters",
    "hparams": "hyperparameters",
}


Values = Annotated[
    dict[Text, Scalar],
    Field(description="Fixed values by name; what is not named takes the registry's default."),
]
Mutate = Annotated[
    tuple[Text, ...],
    Field(
        strict=False,
        description='Hyper-parameters that are drawn anew in each run, all together; ["all"]: '
        "every one that the registry gives a range or choices, and that has no fixed value.",
    ),
]
Runs = Annotated[
    int,
    Field(ge=1, le=100_000, description="How many runs; experiment over foreground over file."),
]
Grid = Annotated[
    dict[Text, Annotated[tuple[Scalar, ...], Field(strict=False, min_length=1)]],
    Field(
        min_length=1,
        description="Levels by hyper-parameter, or of governor, gpu_power_limit_watts and "
        "gpu_clock_mhz: every combination of them is run, runs_per_config times; with "
        '"mode": "grid", or beside conditions.',
    ),
]
Exclude = Annotated[
    tuple[dict[Text, Scalar], ...],
    Field(
        strict=False,
        description="Combinations of the grid to leave out: what has all levels of an entry.",
    ),
]
Timeout = Annotated[
    float | None,
    Field(gt=0, description="An attempt that takes longer is ended and counts as failed."),
]
Placed = Annotated[
    Place | None,
    Field(
        description="GPUs that it sees and CPUs that it may use; what it leaves out is as the "
        "registry says, else as without it."
    ),
]
Reach = Annotated[
    dict[Name, Annotated[float, Field(allow_inf_nan=False)]] | None,
    Field(
        description="By metric: the value up to which time and energy are told, in place of the "
        "registry's."
    ),
]
Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


def _shape(value: Any) -> str:
    return "<list>" if isinstance(value, list | tuple) else "<object>"


class BackgroundSpec(Strict):
    """A training that is repeated as load while the foreground is measured."""

    repo: Name
    """Repository, as named in the registry."""
    model: Name
    """One of the repository's models."""
    hyperparameters: Values = Field(default_factory=dict)
    copies: int = Field(default=1, ge=1, le=1000)
    """How many of it run side by side."""
    stagger_seconds: Seconds = 0.0
    """Time between the starts of the copies."""
    restart_delay_seconds: Seconds = 0.0
    """Time between the end of one iteration and the start of the next."""
    place: (
        Annotated[
            Annotated[Place, Tag("<object>")]
            | Annotated[tuple[Place, ...], Field(strict=False, min_length=1), Tag("<list>")],
            Discriminator(_shape),
        ]
        | None
    ) = None
    """GPUs that it sees and CPUs that it may use; a list has one for each of the copies."""


class ForegroundFields(Strict):
    """The training that is measured. What it leaves out is taken from the experiment."""

    repo: Name | None = None
    """Repository, as named in the registry."""
    model: Name | None = None
    """One of the repository's models."""
    mode: Literal["mutation", "default", "grid"] | None = None
    """Whether values are drawn; without it: grid or mutation where `grid` or `mutate` is given."""
    mutate: Mutate = ()
    grid: Grid | None = None
    exclude: Exclude = ()
    hyperparameters: Values = Field(default_factory=dict)
    runs_per_config: Runs | None = None
    timeout_seconds: Timeout = None
    place: Placed = None
    reach: Reach = None


Background = Annotated[
    Annotated[BackgroundSpec, Tag("<object>")]
    | Annotated[tuple[BackgroundSpec, ...], Field(strict=False, min_length=1), Tag("<list>")],
    Discriminator(_shape),
]


class ExperimentFields(Strict):
    """One experiment. An entry with free text only is a separator."""

    mode: Mode | None = None
    """Wins over the file's: parallel needs foreground and background. With conditions, none is
    needed."""
    repo: Name | None = None
    """Repository; "placeholder" under a foreground."""
    model: Name | None = None
    """Model; "placeholder" under a foreground."""
    mutate: Mutate = ()
    grid: Grid | None = None
    exclude: Exclude = ()
    hyperparameters: Values = Field(default_factory=dict)
    runs_per_config: Runs | None = None
    timeout_seconds: Timeout = None
    place: Placed = None
    reach: Reach = None
    foreground: ForegroundFields | None = None
    background: Background | None = None
    """One background training, or a list of them."""
    conditions: dict[Name, Background | None] | None = None
    """In place of background: what stands beside the training, by a label of your own; null is
    nothing. Each set of values is run once under each of them, with the same training seed: a
    block."""
    order: Order | None = None
    """Wins over the file's: blocks where there are conditions or a grid, else as_written."""
    references: Given | None = None
    """Wins over the file's."""
    gpu_power_limit_watts: PowerLimit | None = None
    """Wins over the file's."""
    gpu_clock_mhz: Clock | None = None
    """Wins over the file's."""


class Settle(Strict):
    """When the background counts as loaded: all show their load, over whole iterations alike."""

    timeout_seconds: Seconds = 300.0
    """How long to wait for that: best several of the background's iterations."""
    seconds: Seconds = 10.0
    """Whole iterations are watched for this time at least, three of them as a rule."""
    min_gpu_utilization: float | None = Field(default=None, ge=0, le=100)
    """Percent that the GPUs must be busy at least."""
    on_timeout: Literal["warn", "fail"] = "warn"
    """Go on with a warning, or count the run as failed."""

    def lasting(self, seconds: float) -> Settle:
        """The same, but for so long at least."""
        if seconds <= self.seconds:
            return self
        longest = max(self.timeout_seconds, 2 * seconds)  # a cycle that has begun comes before
        return self.model_copy(update={"seconds": seconds, "timeout_seconds": longest})

    @property
    def longest_iteration_seconds(self) -> float:
        """Of longer ones not even two can be waited for: their epochs stand in, where known."""
        return self.timeout_seconds / 2


class KeepLogs(Strict):
    """What of the logs of each background job's iterations is kept; the ledger keeps all rows."""

    first: Count = 5
    """The first ones."""
    last: Count = 20
    """The newest ones."""
    failed: Count = 50
    """The newest ones that failed."""
    mebibytes: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """So large may they be together: the oldest go, and each is cut beyond a sixteenth of it."""


class CampaignFields(Strict):
    """The fields of the file but for the experiments."""

    experiment_name: Name | None = None
    """Name of the campaign; without it, the file's name."""
    description: Any = None
    """Free text, as any other unknown field."""
    mode: str = Field(default="mutation", json_schema_extra={"enum": list(MODES)})
    """Mode of the experiments that have none of their own."""
    governor: Governor | None = None
    """CPU governor for the campaign, as performance; restored afterwards."""
    gpu_power_limit_watts: PowerLimit | None = None
    """Power limit of the metered GPUs, set by root, read back and restored afterwards."""
    gpu_clock_mhz: Clock | None = None
    """Clock to which their multiprocessors are locked, set by root and restored afterwards."""
    runs_per_config: Runs = 1
    max_retries: int = Field(default=2, ge=0, le=1000)
    """Further attempts after a failed one."""
    stop_after_failures: int | None = Field(default=None, ge=1, le=1000)
    """Pauses the campaign where so many runs of one training fail in a row."""
    order: Order | None = None
    """Of the runs of each experiment: blocks, each complete and in a drawn order within, or random
    for all; without it, blocks where there are conditions or a grid, else as_written."""
    warm_up_runs: int = Field(default=0, ge=0, le=1000)
    """Runs before the first one, like it, that are left out of every comparison."""
    control: Control | None = None
    """The same work, measured again and again, tells whether the machine stays the same."""
    references: Given | None = None
    """Of each run beside a background: phases, and the training alone, that it is compared with."""
    search: Search | None = None
    """Of the one experiment of the file, for `energyctl search`; `run` draws the values."""
    most_runs: int = Field(default=100_000, ge=1, le=MOST_RUNS)
    """An experiment of more runs than that is refused."""
    seed: int | None = Field(default=None, ge=0)
    """Makes the drawn values repeatable; --seed wins."""
    sample_interval_seconds: float = Field(default=1.0, ge=0.05, le=60)
    """Time between two samples of power and load."""
    cooldown_seconds: Seconds = 60.0
    """Idle time between two runs."""
    cooldown_until_celsius: float | None = Field(default=None, gt=0)
    """Ends the cool-down once all GPUs are that cool."""
    idle_seconds: Seconds = 10.0
    """Idle baseline measured before the background starts."""
    gpus: Gpus | None = None
    """GPUs to meter; without it those of all places, CUDA_VISIBLE_DEVICES, else all."""
    require: Annotated[tuple[Literal["cpu", "dram", "gpu"], ...], Field(strict=False)] = ()
    """What must be measurable: nothing starts where one of them is not."""
    leave_out: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Domains that no figure shall have, by their names, as dram-0."""
    total: Name | None = None
    """The domain that is the total by itself, by its name, as wall; all others stand beside it."""
    min_coverage: float | None = Field(default=None, ge=0, le=1)
    """A run counts as failed where a background ran a smaller share of the time."""
    settle: Settle = Settle()
    keep_logs: Annotated[
        Annotated[KeepLogs, Tag("<object>")] | Annotated[Literal["all"], Tag("<word>")],
        Discriminator(lambda value: "<word>" if isinstance(value, str) else "<object>"),
    ] = KeepLogs()
    """Of which iterations the logs are kept, per job."""
    calibration: bool = False
    """Measure the quick start's training on each machine, to compare machines."""
    log_to: LogToGiven | None = None
    """Experiment tracker that runs are logged to as they end: mlflow, wandb, or an object."""
    slurm: Slurm = Slurm()
    co2e_grams_per_kwh: Co2eGiven | None = None
    """What a kWh is in CO2e, as you state it: a number, or one with its source in words."""
    price_per_kwh: PriceGiven | None = None
    """What a kWh costs, as you state it: a number, or one with currency and source."""
    notify: Annotated[tuple[Text, ...], Field(strict=False, min_length=1)] | None = None
    """A command, as a list of its words, that is run once the campaign has ended, however that
    was: {summary} is a line that tells of it; its standard input is JSON that does."""
    use_deduplication: bool = False
    """Leave out combinations of values that historical_csvs or results hold."""
    historical_csvs: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Tables of earlier runs, relative to the workspace."""


class File(CampaignFields):
    """Experiments of energyctl. Fields not named here are free text."""

    experiments: list[ExperimentFields]
    """In the order in which they are run; an entry of free text is a separator."""


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the experiment file, for editors."""
    document = editor_schema(File)
    for level in (document["$defs"]["ExperimentFields"], document["$defs"]["ForegroundFields"]):
        for old, name in OLD_NAMES.items():
            if name in level["properties"]:
                level["properties"][old] = {"not": {}, "description": f"Write `{name}`."}
    return document
