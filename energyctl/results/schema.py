"""What a result file (``E.json``) holds: each key, its unit and meaning, said once.

Whoever writes or reads a result goes by these types; ``energyctl schema --results`` prints the
JSON Schema that is made from them. Objects are open: a later version may add keys.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from typing_extensions import NotRequired, TypedDict

from energyctl.energy.schema import (
    DomainFigures,
    EnergyTotals,
    Missing,
    PhaseJson,
    SamplerJson,
    ToldEnergiesJson,
)
from energyctl.results.activity_schema import DomainActivityJson as DomainActivityJson
from energyctl.results.activity_schema import SideJson as SideJson
from energyctl.results.activity_schema import SpanJson as SpanJson

SCHEMA: Final = 1
"""Version of the format."""

Mode = Literal["parallel", "mutation", "default", "grid"]
Status = Literal["succeeded", "failed", "interrupted"]
STATUSES: tuple[Status, ...] = get_args(Status)
FINISHED: tuple[Status, ...] = ("succeeded", "failed")

WHOLE_MACHINE_NOTE = (
    "Energies are of whole domains: foreground, background and everything else on this machine "
    "together."
)
BACKGROUND_NOTE = "Background training served as GPU load only (not monitored)"

Hyperparameters = dict[str, Any]
Metrics = dict[str, float | None]


# -- what was asked for ----------------------------------------------------------------------------


class TrainingJson(TypedDict):
    repo: str
    model: str
    hyperparameters: Annotated[Hyperparameters, "every value, defaults included"]


class WantedPlace(TypedDict, total=False):
    """Where a training was to run; what is left out is as without it."""

    gpus: Annotated[list[int | str], "indices or UUIDs"]
    cpus: Annotated[str, "in the kernel's form, as 0-7,16"]


class PlaceJson(TypedDict):
    """Where a training ran."""

    gpus: Annotated[list[int] | None, "indices of those that it saw, in its order; null: not told"]
    uuids: Annotated[list[str] | None, "of these, as CUDA_VISIBLE_DEVICES told it; of MIG its own"]
    cpus: Annotated[str | None, "that it could use, as 0-7,16; null: not told"]


class BackgroundJobJson(TrainingJson):
    """A training that is repeated as load."""

    copies: Annotated[int, "side by side"]
    stagger_seconds: Annotated[float, "between the starts of two copies"]
    restart_delay_seconds: Annotated[float, "between two iterations"]
    place: NotRequired[Annotated[WantedPlace | list[WantedPlace], "of all copies, or of each"]]


class ConditionJson(TypedDict):
    """What is compared with what; older journals and results lack these keys."""

    condition: NotRequired[
        Annotated[str, "label of what stands beside the training, as alone or beside REPO/MODEL"]
    ]
    block: NotRequired[
        Annotated[
            int | None,
            "number, from 1, of the runs with these values and this training seed, one under each "
            "condition; null: there are no blocks",
        ]
    ]
    trial: NotRequired[Annotated[int, "number, from 1, of a search's proposal of values"]]
    training_seed: NotRequired[
        Annotated[int | None, "of the training itself; null: its repository names none"]
    ]
    warm_up: NotRequired[Annotated[bool, "whether it is left out of every comparison"]]


class EarlierAloneJson(TypedDict):
    """The run alone of an earlier campaign that stands for the one of this run's block."""

    experiment_id: str
    started: Annotated[float, "of its training, Unix seconds"]


class AloneOfJson(TypedDict):
    """The run alone of an earlier campaign that this run is compared with."""

    experiment_id: str
    age_seconds: Annotated[
        float | None, "from the start of its training to that of this run; null: cut off"
    ]


class RunJson(TrainingJson, ConditionJson):
    """A run as planned; repo, model and hyperparameters are the foreground's."""

    index: Annotated[int, "from 1, in the order of the plan; 0: a control or calibration"]
    experiment: Annotated[int, "its place in the settings file, from 0"]
    repetition: Annotated[int, "from 1"]
    mode: Mode
    place: NotRequired[Annotated[WantedPlace, "of the foreground"]]
    mutated: Annotated[list[str], "hyper-parameters whose values were drawn"]
    grid: NotRequired[
        Annotated[list[str], "what was set by levels of a grid: hyper-parameters, and of `machine`"]
    ]
    machine: NotRequired[Annotated[dict[str, Any], "what of the machine was to be set, by name"]]
    background: list[BackgroundJobJson]
    alone_of: NotRequired[EarlierAloneJson]
    timeout_seconds: float | None
    description: str | None


# -- the foreground --------------------------------------------------------------------------------


class ProcessEndJson(TypedDict):
    """How a tree of processes was ended."""

    seconds: Annotated[float, "what it took"]
    survivors: Annotated[list[str], "pid and command of what had to be ended"]
    left: Annotated[list[str], "pid and command of what could not be ended"]


class MetricSeriesJson(TypedDict):
    """All values of a metric, in their order."""

    values: Annotated[list[float | None], "null: no finite number"]
    times: Annotated[list[float | None], "when each was there, Unix seconds; null: it is not known"]
    seen: Annotated[
        int, "how many there were; of a thousand or more every second, fourth, … and the last stand"
    ]
    late_seconds: Annotated[
        float | None, "at most so much earlier a value came; null: the training noted the times"
    ]


class StepJson(TypedDict):
    """A program of an attempt."""

    name: str
    metered: Annotated[bool, "whether its energy belongs to the foreground's"]
    start: Annotated[float | None, "Unix seconds"]
    end: Annotated[float | None, "Unix seconds"]
    exit_code: Annotated[int | None, "negative: ended by that signal"]
    error: str | None


class AttemptJson(TypedDict):
    """One attempt at the foreground training."""

    attempt: Annotated[int, "its number"]
    success: bool
    start: Annotated[float | None, "of its metered steps, Unix seconds"]
    end: Annotated[float | None, "of its metered steps, Unix seconds"]
    duration: Annotated[float | None, "seconds from start to end"]
    received_bytes: NotRequired[
        Annotated[int, "over the network by the whole machine: of the interface with most"]
    ]
    exit_code: Annotated[int | None, "of the last step; negative: ended by that signal"]
    error: str | None
    performance_metrics: Metrics
    log: Annotated[str, "file beside the result"]
    end_of_processes: ProcessEndJson | None
    steps: list[StepJson]


class TrackingJson(TypedDict):
    """A run of the training in another tool."""

    to: Literal["mlflow", "wandb"]
    run_id: str
    uri: Annotated[str | None, "of the server or folder, without a password; null: not told"]
    project: Annotated[str | None, "or id of the experiment; null: not told"]


class ToldJson(ToldEnergiesJson):
    """What the last attempt told of itself; each key only where it told any."""

    tracking: NotRequired[list[TrackingJson]]


class ForegroundResult(TrainingJson, ToldJson):
    """The training that was measured."""

    experiment_id: Annotated[str, "without _parallel"]
    success: bool
    duration: Annotated[float | None, "seconds of the last attempt"]
    retries: Annotated[int | None, "attempts after the first one"]
    exit_code: Annotated[int | None, "of the last attempt; negative: ended by that signal"]
    error: Annotated[str | None, "null where it succeeded"]
    performance_metrics: Annotated[Metrics, "of the last attempt; null: no finite number"]
    metric_series: NotRequired[
        Annotated[dict[str, MetricSeriesJson], "of the last attempt: of metrics with `series`"]
    ]
    log: Annotated[str | None, "file of the last attempt's output, beside the result"]
    outputs: Annotated[str | None, "folder beside the result with what was kept of its files"]
    attempts: list[AttemptJson]
    place: NotRequired[PlaceJson]
    missing: NotRequired[Missing]


# -- the background --------------------------------------------------------------------------------


class UtilizationJson(TypedDict):
    """How busy a job was, over the foreground's time."""

    gpu_percent: Annotated[float | None, "mean utilisation by its processes"]
    cpu_cores: Annotated[float | None, "CPU seconds of its processes per second"]
    source: Annotated[str | None, "what load goes by: nvml or cpu"]


class LoadJson(TypedDict):
    load: Annotated[float | None, "share of the foreground's time in which it was busy, 0 to 1"]
    utilization: UtilizationJson


class LedgerFigures(TypedDict):
    """How present a job was in the foreground's time, by the ledger of its iterations."""

    iterations: Annotated[int | None, "that ran in the foreground's time"]
    failures: Annotated[int | None, "iterations that failed"]
    coverage: Annotated[float | None, "share of the time in which an iteration ran, 0 to 1"]
    max_gap_seconds: Annotated[float | None, "longest time without an iteration"]


class WorkJson(TypedDict):
    """What a job did in one phase of the run."""

    phase: Annotated[str, "its name; the entries are in the order of phases"]
    seconds: Annotated[float, "of the whole phase"]
    amount: Annotated[float | None, "in unit; parts of iterations counted"]
    unit: Annotated[str, "iterations, or what the registry's work says"]
    uncertainty: Annotated[float | None, "half-width of the band of amount, in unit"]
    reason: NotRequired[Annotated[str, "why amount is null"]]


class JobInfo(LedgerFigures, LoadJson):
    """A job of the background during the foreground's last attempt."""

    job: Annotated[str, "its name"]
    repo: str | None
    model: str | None
    hyperparameters: Hyperparameters | None
    missing: Missing
    work: NotRequired[Annotated[list[WorkJson], "for each phase in which it ran"]]
    place: NotRequired[PlaceJson]
    logs: Annotated[str | None, "folder of its logs, beside the result"]
    error: Annotated[str | None, "why it never ran"]


class GroupEndJson(ProcessEndJson):
    """How the background was ended."""

    gpu_memory_held: Annotated[list[str], "what still held memory of a metered GPU"]


class TrendJson(TypedDict):
    mean: Annotated[float, "in the unit of the figure"]
    drift: Annotated[float, "second half of the window less the first, in the unit of the figure"]


class SettleJson(TypedDict):
    """How the load came up."""

    seconds: Annotated[float, "from the start until it was steady, or no longer waited for"]
    steady: Annotated[bool | None, "null: it could not be seen"]
    moving: Annotated[str | None, "what was not steady, or could not be seen"]
    figures: Annotated[dict[str, float], "the last look: figure (unit in its name) → value"]
    loaded: NotRequired[
        Annotated[dict[str, float | None], "job → seconds until it showed its load; null: never"]
    ]
    iterations: NotRequired[
        Annotated[int, "whole ones seen since all were loaded, of the slowest job"]
    ]
    iteration_seconds: NotRequired[
        Annotated[float | None, "median length of these; null where there are none"]
    ]
    iteration_is: NotRequired[
        Annotated[str, "what they are: iteration, or epoch where iterations are long"]
    ]
    window_seconds: Annotated[float, "over which the trends are: these iterations"]
    trends: dict[str, TrendJson]


class PresenceJson(TypedDict):
    """Of an imported run: whether something else was on the GPU."""

    present_at_start: bool | None
    gpu_percent_at_start: float | None
    gpu_percent: Annotated[float | None, "mean over the foreground's time"]
    gpu_idle_share: Annotated[float | None, "share of samples without any kernel, 0 to 1"]
    missing: Missing


class BackgroundInfo(TypedDict):
    """The trainings that ran as load."""

    repo: Annotated[str | None, "of the job; null where there are several"]
    model: Annotated[str | None, "of the job; null where there are several"]
    hyperparameters: Annotated[Hyperparameters | None, "of the job; null where there are several"]
    note: str
    jobs: list[JobInfo]
    stop: Annotated[GroupEndJson | None, "null where it was not ended, or is not known"]
    settle: Annotated[SettleJson | None, "null where it was not waited for, or is not known"]
    presence: NotRequired[Annotated[PresenceJson, "of an imported run"]]
    missing: NotRequired[Missing]


# -- energy ----------------------------------------------------------------------------------------


BaselineUnit = Literal["iterations", "epochs", "seconds"]


class BaselineJson(TypedDict):
    """Where the power was taken that a figure is above of."""

    of: Annotated[BaselineUnit, "whole iterations or epochs of the load; of idle, seconds"]
    cycle_seconds: Annotated[float | None, "median length of an iteration or epoch; null: of idle"]
    cycle_deviation_seconds: NotRequired[
        Annotated[
            float | None,
            "standard deviation of their lengths about the mean of those before or after; "
            "null: of idle, or of a single one",
        ]
    ]
    before: Annotated[int, "how many before the foreground"]
    before_seconds: float
    after: Annotated[int, "how many after it"]
    after_seconds: float
    watts: Annotated[float | None, "mean power of the total"]
    drift: Annotated[
        float | None, "share of it that the power rose by, from before to after; null: not known"
    ]


class BaselinesJson(TypedDict):
    """Null where there is none."""

    idle: Annotated[BaselineJson | None, "of above_idle_joules"]
    background_only: Annotated[BaselineJson | None, "of marginal_joules"]


class AddedJson(TypedDict):
    """What the foreground added to the power around it."""

    above_idle_joules: Annotated[float | None, "above the idle machine"]
    above_idle_uncertainty_joules: float | None
    marginal_joules: Annotated[float | None, "above the load alone; no share"]
    marginal_uncertainty_joules: float | None


class DomainJson(DomainFigures, AddedJson):
    """A domain during the foreground's last attempt."""


class EnergyJson(EnergyTotals, AddedJson):
    """The foreground's last attempt, from its first instant to its last."""

    domains: list[DomainJson]
    sampler: SamplerJson
    missing: Missing
    baselines: NotRequired[BaselinesJson]
    idle_of: NotRequired[Annotated[str, "experiment id of the run whose idle phase stands here"]]


class ReachJson(TypedDict):
    """From the begin of the foreground until a metric first had a value."""

    value: Annotated[float, "the value to reach"]
    better: Literal["higher", "lower"]
    seconds: float | None
    joules: Annotated[float | None, "total of the machine, as total_joules"]
    uncertainty_joules: Annotated[float | None, "half-width of its band"]
    own_joules: Annotated[float | None, "part of it that is this interval's own"]
    missing: Annotated[str | None, "why seconds or joules are null"]


# -- what else ran ---------------------------------------------------------------------------------


class CpuProcessJson(TypedDict):
    pid: int
    user: str | None
    command: str | None
    cpu_seconds: Annotated[float, "its own, and of the children that it reaped"]


class GpuProcessJson(TypedDict):
    gpu: Annotated[int, "index"]
    pid: int
    user: str | None
    command: str | None
    memory_bytes: Annotated[int | None, "the most that was seen"]
    attributed: Annotated[bool, "false where its pid tells nothing: it may be one of ours"]


class ForeignJson(TypedDict):
    """Load on the machine that is not of the campaign."""

    seconds: Annotated[float | None, "that were looked at"]
    cpu_seconds: float | None
    cpu_cores: Annotated[float | None, "mean"]
    processes: Annotated[list[CpuProcessJson] | None, "those with the most CPU time"]
    gpu_processes: Annotated[list[GpuProcessJson] | None, "with a context on a metered GPU"]
    missing: Missing


class ForeignByPhase(TypedDict):
    idle: ForeignJson
    foreground: Annotated[ForeignJson, "of the last attempt"]


class TwinsJson(TypedDict):
    """What `energyctl calibrate --twins` found of such a GPU and its driver."""

    differential: Annotated[
        float, "share by which two specific powers may change differently beside each other"
    ]
    bias: Annotated[float, "share that one twin got more than it did of the work, in the mean"]
    repeats: int
    date: Annotated[float, "Unix seconds"]
    how: str


class GpuFacts(TypedDict):
    index: int
    name: str | None
    uuid: str | None
    driver: str | None
    vbios: NotRequired[str | None]
    power_limit_watts: float | None
    persistence_mode: bool | None
    twins: NotRequired[TwinsJson]
    accounting_mode: NotRequired[Annotated[bool | None, "whether the driver keeps accounts"]]


class GpuSettingJson(TypedDict):
    """A machine setting on one GPU. enforced: watts that act, a BMC may allow less than was
    requested; of a clock its mean in the training, MHz."""

    index: int
    uuid: str
    before: NotRequired[Annotated[float | None, "watts, put back at the end"]]
    enforced: Annotated[float | None, "null: the GPU does not tell"]


class MachineSettingJson(TypedDict):
    """What was set for the run, and read back."""

    requested: Annotated[float | str, "by the settings: watts, MHz, or a governor"]
    gpus: NotRequired[list[GpuSettingJson]]
    enforced: NotRequired[Annotated[list[str], "governors of the CPUs"]]


class Environment(TypedDict, total=False):
    """Where and with what it ran; a key is left out where nothing of it is known."""

    energyctl: Annotated[str, "version"]
    python: Annotated[str, "version"]
    hostname: str
    os: str | None
    kernel: str
    cpu: Annotated[str | None, "model"]
    logical_cpus: int | None
    physical_cores: int | None
    memory_bytes: int
    governors: Annotated[list[str] | None, "of the CPUs while it ran"]
    governor_asked: Annotated[str | None, "by the settings"]
    gpus: list[GpuFacts] | None
    seed: Annotated[int | None, "of the campaign's drawn values"]
    journal: Annotated[str, "name of the campaign's journal"]
    commits: Annotated[
        dict[str, str | None],
        "of each repository's clone as the campaign began; null: no clone of git",
    ]
    started: Annotated[float, "Unix seconds"]
    run: Annotated[RunJson | None, "as planned"]
    rendered: Annotated[str | None, "folder of edited supervisord entries"]
    node: Annotated[str, "of a cluster"]
    slurm: Annotated[dict[str, Any], "the cluster's job"]
    missing: Missing


# -- the whole -------------------------------------------------------------------------------------


# In this form, since `from` is a word of Python's.
_From = TypedDict("_From", {"from": Annotated[str, "the folder that it was read from"]})


class ComparedFigures(TypedDict):
    """An older tool's figures, and ours less them."""

    gpu_joules_reported: float | None
    gpu_joules_difference: Annotated[float | None, "ours less the old figure"]
    gpu_joules_difference_uncertainty_joules: float | None
    gpu_difference_percent: Annotated[float | None, "of the old figure"]
    cpu_package_joules_reported: float | None
    cpu_package_joules_difference: float | None
    cpu_dram_joules_reported: float | None
    cpu_dram_joules_difference: float | None


class Imported(_From, ComparedFigures):
    """Of an older tool's run: where it comes from, its figures, and how far ours differ."""

    experiment_id: Annotated[str | None, "its old one"]
    timestamp: Any
    sha256: Annotated[str, "of the files that were read"]
    reported: Annotated[dict[str, Any], "all of its figures"]
    span_from: Annotated[str, "what tells the foreground's time"]
    utc_offset_seconds: float | None
    mean_interval_seconds: Annotated[float | None, "between two samples of the GPU"]
    unread_rows: int
    gpu_presence: PresenceJson
    missing: Missing


class Superseded(TypedDict):
    by: Annotated[str, "experiment id of the attempt that counts"]
    status: Annotated[Status, "of this one"]


class Co2eJson(TypedDict):
    value: Annotated[float, "grams of CO2e for a kWh"]
    source: Annotated[str | None, "in the user's words"]


class PriceJson(TypedDict):
    value: Annotated[float, "of a kWh"]
    currency: str | None
    source: Annotated[str | None, "in the user's words"]


class FootprintFactorsJson(TypedDict):
    """As the user stated them; none is energyctl's own."""

    co2e_grams_per_kwh: NotRequired[Co2eJson]
    price_per_kwh: NotRequired[PriceJson]


class Result(ConditionJson):
    """A run. Every number that could not be had is null, with a reason."""

    schema: Annotated[Literal[1], "version of this format"]
    experiment_id: str
    campaign: str | None
    mode: Annotated[Mode | None, "null: an imported run does not say"]
    status: Annotated[Literal[Status, "superseded"], "superseded: another attempt counts"]
    foreground_result: ForegroundResult
    background_info: Annotated[BackgroundInfo | None, "null where none was asked for"]
    energy: Annotated[EnergyJson | None, "null where the foreground never ran"]
    energy_missing: Annotated[str | None, "why energy is null"]
    energy_note: Annotated[str, "what the energies are of"]
    foreign: ForeignByPhase
    phases: list[PhaseJson]
    activity: NotRequired[
        Annotated[list[SpanJson], "what foreground and background kept busy, by span of the run"]
    ]
    reach: NotRequired[Annotated[dict[str, ReachJson], "by metric with a value to reach"]]
    alone_of: NotRequired[AloneOfJson]
    machine_settings: NotRequired[
        Annotated[
            dict[str, MachineSettingJson],
            "governor, gpu_power_limit_watts and gpu_clock_mhz, where they were set for it",
        ]
    ]
    footprint_factors: NotRequired[FootprintFactorsJson]
    warnings: list[str]
    environment: Environment
    imported: NotRequired[Imported]
    superseded: NotRequired[Superseded]
