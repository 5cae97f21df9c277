"""The columns of every table: their names, types, units, meanings, and when they are null."""

from __future__ import annotations

from energyctl.results.tables.columns import Column, Family, Layout
from energyctl.results.tables.epoch_layout import EPOCHS
from energyctl.results.tables.pair_layout import PAIRS, SHARES

_NO_ENERGY = "the foreground never ran"
_UNKNOWN = "not known"
_OWN = "the run's own part of its band, not shared by the machine's others"
_NO_OWN = "as the figure, or an older result"
_UNMEASURED = "not measured, or a part of it is unknown"
_SERIAL = "no background (mode is not parallel), or not known"
_NOT_IMPORTED = "not imported"
_AS_REPORTED = "as imported_gpu_joules_reported"
_SHORT = f"shorter than 1 s, or {_UNMEASURED}"
_NO_CLUSTER = "run by no cluster, or none was asked for"
_NO_WORK = "not known, or an older result"
_NO_WALL = "see wall_note"
_UNSET = "not set for the run"
_NOT_READ = f"{_UNSET}, or not told"
_NO_SERIES = "no GPU was metered, or its time series is not beside the result"


def _text(name: str, meaning: str, null: str = "never") -> Column:
    return Column(name, "text", "", meaning, null)


def _integer(name: str, meaning: str, null: str = "never") -> Column:
    return Column(name, "integer", "", meaning, null)


def _boolean(name: str, meaning: str, null: str = "never") -> Column:
    return Column(name, "boolean", "", meaning, null)


def _instant(name: str, meaning: str, null: str = "never") -> Column:
    return Column(name, "timestamp", "UTC", meaning, null)


def _float(name: str, unit: str, meaning: str, null: str = "never") -> Column:
    return Column(name, "float", unit, meaning, null)


ID = _text("experiment_id", "the run; the key of all tables")

HYPERPARAMETERS = Family(
    "hyperparam_", None, "", "value of that hyper-parameter", "the training has none of that name"
)
METRICS = Family("metric_", "float", "", "that metric, as the training printed it", "not found")
_REACHED = "not reached, or no metric with a value to reach"
REACH = {
    "seconds": Family(
        "reach_seconds_", "float", "s", "until that metric reached its value", _REACHED
    ),
    "joules": Family("reach_joules_", "float", "J", "total energy until then", _REACHED),
    "uncertainty_joules": Family(
        "reach_uncertainty_joules_", "float", "J", "half-width of its band", _REACHED
    ),
    "own_joules": Family("reach_own_joules_", "float", "J", _OWN, _REACHED),
}
BUDGET = Family(
    "budget_", "float", "J", "part of the uncertainty, by cause", "no such cause", "_joules"
)


def _added(name: str, over: str) -> tuple[Column, Column]:
    why = f"no such baseline, or {_UNMEASURED}"
    meaning = f"energy that the foreground added to {over}; may be negative"
    return (
        _float(f"{name}_joules", "J", meaning, why),
        _float(f"{name}_uncertainty_joules", "J", "half-width of its band", why),
    )


ADDED = (
    *_added("above_idle", "the idle machine"),
    *_added("marginal", "the machine under the background's load, no share of it"),
)

_SET = (
    _float("requested_gpu_power_limit_watts", "W", "limit of GPUs, by the settings", _UNSET),
    Column(
        "enforced_gpu_power_limit_watts", "text", "W", "of each, read back, `; ` between", _NOT_READ
    ),
    Column("requested_gpu_clock_mhz", "integer", "MHz", "clock of GPUs, by the settings", _UNSET),
    Column(
        "enforced_gpu_clock_mhz",
        "text",
        "MHz",
        "mean SM clock of each in the training, `; ` between",
        _NOT_READ,
    ),
    _text("requested_governor", "governor of CPUs, by the settings", _UNSET),
    _text("enforced_governor", "those that were read back, `; ` between", _NOT_READ),
)

_NO_FACTOR = "the settings state no factor"
_FOOTPRINT = (
    _float(
        "metered_kwh",
        "kWh",
        "energy of the total in all phases that were metered, idle and cool-down included; of an"
        " imported run, of the training",
        "a part of it is not known",
    ),
    _float(
        "metered_uncertainty_kwh", "kWh", "half-width of its band", "as metered_kwh, or not told"
    ),
    _float(
        "co2e_grams",
        "g",
        "that energy in CO2e, by the factor; uncertain as the energy is, the factor is as stated",
        f"{_NO_FACTOR}, or as metered_kwh",
    ),
    _float("co2e_grams_per_kwh", "g/kWh", "the factor, as the user stated it", _NO_FACTOR),
    _text("co2e_source", "its source, in the user's words", "not stated"),
    _float("cost", "", "what that energy costs, by the price", f"{_NO_FACTOR}, or as metered_kwh"),
    _float("price_per_kwh", "", "the price, as the user stated it", _NO_FACTOR),
    _text("currency", "of cost and price", "not stated"),
    _text("price_source", "source of the price, in the user's words", "not stated"),
)

RUNS = Layout(
    "runs",
    (
        ID,
        _text("campaign", "name or journal of the campaign", _UNKNOWN),
        _text("journal", "its journal, which tells campaigns of one name apart", _UNKNOWN),
        _integer("run", "its number in the plan, from 1", _UNKNOWN),
        _integer("experiment", "of the settings file, from 0", _UNKNOWN),
        _integer("repetition", "of the same experiment, from 1", _UNKNOWN),
        _text("repository", "of the foreground", _UNKNOWN),
        _text("model", "of the foreground", _UNKNOWN),
        _text("mode", "`parallel`, `mutation`, `default` or `grid`", _UNKNOWN),
        _text("condition", "what stood beside the training: its label, else `alone` or `beside …`"),
        _integer("block", "of one set of values, from 1", "no blocks, or not known"),
        _integer("trial", "proposal of values of a search, from 1", "no search"),
        _integer("training_seed", "of the training itself", "its repository names none"),
        _boolean("warm_up", "whether it is left out of every comparison"),
        _text("alone_of", "run alone of an earlier campaign that it is compared with", "none"),
        _text("mutated", "drawn hyper-parameters, `,` between", _UNKNOWN),
        _text("status", "`succeeded`, `failed` or `interrupted`"),
        _boolean("training_success", "whether the foreground succeeded", _UNKNOWN),
        _integer("exit_code", "of the last attempt", "none ended, or not known"),
        _text("error", "why it did not succeed", "it succeeded"),
        _integer("retries", "further attempts", _UNKNOWN),
        _instant("started", "begin of the last attempt", _UNKNOWN),
        _instant("ended", "its end", _UNKNOWN),
        _float("duration_seconds", "s", "length of the last attempt", _UNKNOWN),
        _float("energy_seconds", "s", "length of what is metered", _NO_ENERGY),
        _float(
            "total_joules",
            "J",
            "packages, DRAM and GPUs in that time, each joule once, foreground and background and "
            "all else together",
            f"{_NO_ENERGY}, or {_UNMEASURED}",
        ),
        _float("total_uncertainty_joules", "J", "half-width of its band", "as total_joules"),
        _float("total_own_joules", "J", _OWN, _NO_OWN),
        _float("total_watts", "W", "mean power: joules over seconds", "as total_joules"),
        _text(
            "total_of",
            "domains of the total, `,` between, with `(estimated)` after an estimate; `(by itself)`"
            ": one that is no package, memory or GPU, as a meter of the whole machine",
            f"{_NO_ENERGY}, or not told",
        ),
        _boolean("energy_measured", "false where a part of the total is an estimate", _NO_ENERGY),
        _float("cpu_package_joules", "J", "all packages, measured", _UNMEASURED),
        _float("cpu_package_uncertainty_joules", "J", "its band", _UNMEASURED),
        _float("cpu_package_own_joules", "J", _OWN, _NO_OWN),
        _float("cpu_dram_joules", "J", "memory, measured", _UNMEASURED),
        _float("cpu_dram_uncertainty_joules", "J", "its band", _UNMEASURED),
        _float("cpu_dram_own_joules", "J", _OWN, _NO_OWN),
        _float("gpu_joules", "J", "all metered GPUs, measured", _UNMEASURED),
        _float("gpu_uncertainty_joules", "J", "its band", _UNMEASURED),
        _float("gpu_own_joules", "J", _OWN, _NO_OWN),
        _float("estimated_joules", "J", "part of the total that is an estimate", "no estimate"),
        _float(
            "wall_joules_estimated",
            "J",
            "energy at the wall in that time, estimated by a calibration of the machine (`calibrate"
            " --against`)",
            _NO_WALL,
        ),
        _float("wall_uncertainty_joules_estimated", "J", "half-width of its 95 % band", _NO_WALL),
        _text(
            "wall_note",
            "by which calibration it is estimated, or why it is not",
            "none of that host is kept",
        ),
        *_FOOTPRINT,
        *ADDED,
        _float("idle_watts", "W", "total power while idle, around the attempt", _SHORT),
        _float(
            "background_only_watts",
            "W",
            "total power under the background alone, around the attempt",
            f"{_SERIAL}; {_SHORT}",
        ),
        _text("energy_missing", "reason for each figure that is null", "none is"),
        _float("gpu_mean_watts", "W", "all GPUs: gpu_joules over seconds", _UNMEASURED),
        _float("gpu_max_watts", "W", "highest sample, all GPUs together", _NO_SERIES),
        _float("gpu_min_watts", "W", "lowest sample, all GPUs together", _NO_SERIES),
        _float("gpu_mean_celsius", "°C", "mean of samples and GPUs", _NO_SERIES),
        _float("gpu_max_celsius", "°C", "hottest sample", _NO_SERIES),
        _float("gpu_mean_percent", "%", "mean utilisation, samples and GPUs", _NO_SERIES),
        _float("gpu_max_percent", "%", "highest sample of any GPU", _NO_SERIES),
        _float("sample_interval_seconds", "s", "asked for", _NO_ENERGY),
        _integer("samples", "taken during the attempt", _NO_ENERGY),
        _integer("samples_missed", "deadlines passed over", _NO_ENERGY),
        _float("max_sample_gap_seconds", "s", "longest time without one", _NO_ENERGY),
        _integer("background_jobs", "jobs, copies included; 0 without background"),
        _text("background_repository", "of the job", "none or several jobs"),
        _text("background_model", "of the job", "none or several jobs"),
        _integer("background_iterations", "all jobs, during the attempt", _SERIAL),
        _integer("background_failures", "those of them that failed", _SERIAL),
        _float(
            "background_min_coverage",
            "share",
            "of the attempt in which an iteration ran, of the job that was there least",
            _SERIAL,
        ),
        _float("background_max_gap_seconds", "s", "the longest that a job was away", _SERIAL),
        _float("background_min_load", "share", "busy time of the idlest job", _SERIAL),
        _float(
            "settle_seconds",
            "s",
            "until the load was taken as steady, or no longer waited for",
            _SERIAL,
        ),
        _boolean(
            "settle_steady",
            "whether it was",
            f"{_SERIAL}, as where no two whole iterations could be seen in time",
        ),
        _float("background_stop_seconds", "s", "how long its end took", _SERIAL),
        _float("foreign_idle_cores", "cores", "CPU use of others while idle", _UNKNOWN),
        _float("foreign_cores", "cores", "CPU use of others in the attempt", _UNKNOWN),
        _integer("foreign_gpu_processes", "on the GPUs in the attempt", _UNKNOWN),
        _text(
            "throttled_by",
            "what held clocks down for more than 1 % of the attempt, `; ` between, such as"
            " `gpu-0 power_cap`; else `nothing`",
            _UNKNOWN,
        ),
        _integer("warning_count", "what to know before using the numbers"),
        _text("warnings", "the warnings, ` \\| ` between", "there is none"),
        _boolean("imported", "an old recording, not metered by energyctl"),
        _text("imported_from", "its place", _NOT_IMPORTED),
        _text("imported_experiment_id", "its old id", _NOT_IMPORTED),
        _text("imported_timestamp", "its old time stamp", _NOT_IMPORTED),
        _float(
            "imported_gpu_joules_reported",
            "J",
            "what the old tool had reported; gpu_joules is the corrected figure",
            f"{_NOT_IMPORTED}, or the old tool had none",
        ),
        _float("imported_gpu_joules_difference", "J", "gpu_joules less that", _AS_REPORTED),
        _float(
            "imported_gpu_difference_percent",
            "%",
            "the difference as a share of what was reported",
            _AS_REPORTED,
        ),
        _integer("seed", "of the drawn values", _UNKNOWN),
        _text("hostname", "of the machine", _UNKNOWN),
        _text("node", "its name in the cluster, else as hostname", _UNKNOWN),
        _text("constraint", "features that the cluster was asked for", _NO_CLUSTER),
        _text("slurm_job", "id of the cluster's job", _NO_CLUSTER),
        _text("cpu", "its processor", _UNKNOWN),
        _text("gpus", "names of its GPUs, `; ` between", "none, or not known"),
        _text("gpu_uuids", "their UUIDs, likewise", "none, or not known"),
        _text("gpu_driver", "version of their driver", "none, or not known"),
        Column(
            "gpu_power_limit_watts", "text", "W", "their limits, `; ` between", "none, or not known"
        ),
        _text("governors", "of its CPUs, `,` between", _UNKNOWN),
        *_SET,
        _text("kernel", "release of its kernel", _UNKNOWN),
        _text("energyctl", "version that metered it", _UNKNOWN),
        _text("result_file", "name of the file"),
    ),
    (HYPERPARAMETERS, METRICS, *REACH.values()),
)
"""A row: a run, whether succeeded, failed or interrupted."""

_DOMAIN = _text("domain", "`package-0`, `dram-0`, `gpu-0`, …")
_KIND = _text("kind", "`cpu`, `dram`, `gpu` or `other`", _UNKNOWN)
_IN_TOTAL = _boolean("in_total", "whether it is part of total_joules", _UNKNOWN)
_MISSING = _text("missing", "why there is no figure", "there is one")

DOMAINS = Layout(
    "domains",
    (
        ID,
        _DOMAIN,
        _KIND,
        _text("source", "how it was metered", _UNKNOWN),
        _boolean("measured", "false for an estimate", _UNKNOWN),
        _IN_TOTAL,
        _float("seconds", "s", "length of what is metered", _UNKNOWN),
        _float("joules", "J", "energy", "see missing"),
        _float("uncertainty_joules", "J", "half-width of its band", "see missing"),
        _float("watts", "W", "mean power", "see missing"),
        *ADDED,
        _MISSING,
    ),
    (BUDGET,),
)
"""A row: a metered domain during the last attempt of a run."""

PHASES = Layout(
    "phases",
    (
        ID,
        _integer("phase_number", "from 1, in the order of time"),
        _text(
            "phase",
            "`idle`, `background_start`, `foreground`, …; `step`: a step that is not metered",
        ),
        _text("step", "name of the step, of several", "no steps"),
        _instant("started", "its begin"),
        _instant("ended", "its end"),
        _float("seconds", "s", "its length"),
        _text("domain", _DOMAIN.meaning, "no domain was metered"),
        _KIND,
        _IN_TOTAL,
        _float("joules", "J", "energy", "see missing"),
        _float("uncertainty_joules", "J", "half-width of its band", "see missing"),
        _float("watts", "W", "mean power", "see missing"),
        _MISSING,
    ),
)
"""A row: a domain during a phase of a run."""

JOBS = Layout(
    "jobs",
    (
        ID,
        _text("job", "with experiment_id the key of iterations"),
        _text("repository", "of the job", _UNKNOWN),
        _text("model", "of the job", _UNKNOWN),
        _integer("iterations", "that ran during the attempt", "see missing"),
        _integer("failures", "those of them that failed", "see missing"),
        _float("coverage", "share", "of the attempt in which one ran", "see missing"),
        _float("load", "share", "of the attempt in which it was busy", "see missing"),
        _float("max_gap_seconds", "s", "longest time without one", "see missing"),
        _float("gpu_percent", "%", "mean GPU use by its processes", "see missing"),
        _float("cpu_cores", "cores", "mean CPU use of its processes", "see missing"),
        _float("work", "", "how much it did during the attempt, in work_unit", _NO_WORK),
        _float("work_uncertainty", "", "half-width of the band of work", _NO_WORK),
        _text("work_unit", "`iterations`, or what the registry's `work` says", _NO_WORK),
        _text("missing", "reason for each figure that is null", "none is"),
        _text("error", "why it never ran", "it did"),
    ),
    (HYPERPARAMETERS,),
)
"""A row: a background job of a run (each copy is one)."""

WORK = Layout(
    "work",
    (
        ID,
        _text("job", "as in jobs"),
        _integer("number", "of the phases that it ran in, from 1"),
        _text("phase", "as in phases"),
        _text("step", "of the foreground, that was run in it", "not named"),
        _float("seconds", "s", "length of the phase"),
        _float("amount", "", "how much it did in it, in unit", "see missing"),
        _float("uncertainty", "", "half-width of the band of amount", "see missing"),
        _text("unit", "`iterations`, or what the registry's `work` says"),
        _text("missing", "why there is no amount", "there is one"),
    ),
)
"""A row: a phase of a run in which a background job ran, and how much it did in it."""

ITERATIONS = Layout(
    "iterations",
    (
        ID,
        _text("job", "as in jobs"),
        _integer("iteration", "its number, from 1; that of its log"),
        _integer("pid", "of its training"),
        _instant("started", "its begin"),
        _instant("ended", "its end"),
        _float("seconds", "s", "its length"),
        _float(
            "attempt_seconds", "s", "of these, within the foreground's last attempt", _NO_ENERGY
        ),
        _integer("exit_code", "its exit code", "ended by a signal"),
        _integer("signal", "that ended it; 15: it was asked to end", "it exited"),
        _boolean("failed", "ended badly by itself"),
    ),
)
"""A row: an iteration of a background job, from the ledger of the run."""

SERIES = Layout(
    "series",
    (
        ID,
        _text("metric", "name of a metric with `series`"),
        _integer("number", "of the value, from 1; of a long series not every value is kept"),
        _instant("time", "when its line or row was there", "not known"),
        _float("seconds", "s", "the same, from the begin of the last attempt", "not known"),
        _float("value", "", "of the metric", "no finite number"),
    ),
)
"""A row: a value of a metric that is kept as a series, of the last attempt of a run."""

_ALL = (RUNS, DOMAINS, PHASES, JOBS, WORK, ITERATIONS, SERIES, EPOCHS, PAIRS, SHARES)
LAYOUTS = {layout.name: layout for layout in _ALL}
