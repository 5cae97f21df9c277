"""The columns of every table: their names, types, units, meanings, and when they are null."""

from __future__ import annotations

from energyctl.results.tables.columns import Column, Family, Layout

_NO_ENERGY = "the foreground never ran"
_UNKNOWN = "not known"
_UNMEASURED = "not measured, or a part of it is unknown"
_SERIAL = "no background (mode is not parallel), or not known"
_NOT_IMPORTED = "not imported"
_NO_CLUSTER = "run by no cluster, or none was asked for"
_NO_SERIES = "no GPU was metered, or its time series is not beside the result"

ID = Column("experiment_id", "text", "", "the run; the key of all tables")

HYPERPARAMETERS = Family(
    "hyperparam_", None, "", "value of that hyper-parameter", "the training has none of that name"
)
METRICS = Family("metric_", "float", "", "that metric, as the training printed it", "not found")
BUDGET = Family(
    "budget_", "float", "J", "part of the uncertainty, by cause", "no such cause", "_joules"
)


def _added(name: str, over: str) -> tuple[Column, Column]:
    why = f"no such baseline, or {_UNMEASURED}"
    meaning = f"energy that the foreground added to {over}; may be negative"
    return (
        Column(f"{name}_joules", "float", "J", meaning, why),
        Column(f"{name}_uncertainty_joules", "float", "J", "half-width of its band", why),
    )


ADDED = (
    *_added("above_idle", "the idle machine"),
    *_added("marginal", "the machine under the background's load"),
)

RUNS = Layout(
    "runs",
    "a run, whether succeeded, failed or interrupted",
    (
        ID,
        Column("campaign", "text", "", "name or journal of the campaign", _UNKNOWN),
        Column("run", "integer", "", "its number in the plan, from 1", _UNKNOWN),
        Column("experiment", "integer", "", "of the settings file, from 0", _UNKNOWN),
        Column("repetition", "integer", "", "of the same experiment, from 1", _UNKNOWN),
        Column("repository", "text", "", "of the foreground", _UNKNOWN),
        Column("model", "text", "", "of the foreground", _UNKNOWN),
        Column("mode", "text", "", "`parallel`, `mutation` or `default`", _UNKNOWN),
        Column("mutated", "text", "", "drawn hyper-parameters, `,` between", _UNKNOWN),
        Column("status", "text", "", "`succeeded`, `failed` or `interrupted`"),
        Column("training_success", "boolean", "", "whether the foreground succeeded", _UNKNOWN),
        Column("exit_code", "integer", "", "of the last attempt", "none ended, or not known"),
        Column("error", "text", "", "why it did not succeed", "it succeeded"),
        Column("retries", "integer", "", "further attempts", _UNKNOWN),
        Column("started", "timestamp", "UTC", "begin of the last attempt", _UNKNOWN),
        Column("ended", "timestamp", "UTC", "its end", _UNKNOWN),
        Column("duration_seconds", "float", "s", "length of the last attempt", _UNKNOWN),
        Column("energy_seconds", "float", "s", "length of what is metered", _NO_ENERGY),
        Column(
            "total_joules",
            "float",
            "J",
            "packages, DRAM and GPUs in that time, each joule once, foreground and background and "
            "all else together",
            f"{_NO_ENERGY}, or {_UNMEASURED}",
        ),
        Column(
            "total_uncertainty_joules", "float", "J", "half-width of its band", "as total_joules"
        ),
        Column("total_watts", "float", "W", "mean power: joules over seconds", "as total_joules"),
        Column(
            "energy_measured",
            "boolean",
            "",
            "false where a part of the total is an estimate",
            _NO_ENERGY,
        ),
        Column("cpu_package_joules", "float", "J", "all packages, measured", _UNMEASURED),
        Column("cpu_package_uncertainty_joules", "float", "J", "its band", _UNMEASURED),
        Column("cpu_dram_joules", "float", "J", "memory, measured", _UNMEASURED),
        Column("cpu_dram_uncertainty_joules", "float", "J", "its band", _UNMEASURED),
        Column("gpu_joules", "float", "J", "all metered GPUs, measured", _UNMEASURED),
        Column("gpu_uncertainty_joules", "float", "J", "its band", _UNMEASURED),
        Column(
            "estimated_joules", "float", "J", "part of the total that is an estimate", "no estimate"
        ),
        *ADDED,
        Column(
            "idle_watts",
            "float",
            "W",
            "total power while idle, before the attempt",
            f"shorter than 1 s, or {_UNMEASURED}",
        ),
        Column(
            "background_only_watts",
            "float",
            "W",
            "total power under the background alone, before the attempt",
            f"{_SERIAL}; shorter than 1 s, or {_UNMEASURED}",
        ),
        Column("energy_missing", "text", "", "reason for each figure that is null", "none is"),
        Column("gpu_mean_watts", "float", "W", "all GPUs: gpu_joules over seconds", _UNMEASURED),
        Column("gpu_max_watts", "float", "W", "highest sample, all GPUs together", _NO_SERIES),
        Column("gpu_min_watts", "float", "W", "lowest sample, all GPUs together", _NO_SERIES),
        Column("gpu_mean_celsius", "float", "°C", "mean of samples and GPUs", _NO_SERIES),
        Column("gpu_max_celsius", "float", "°C", "hottest sample", _NO_SERIES),
        Column("gpu_mean_percent", "float", "%", "mean utilisation, samples and GPUs", _NO_SERIES),
        Column("gpu_max_percent", "float", "%", "highest sample of any GPU", _NO_SERIES),
        Column("sample_interval_seconds", "float", "s", "asked for", _NO_ENERGY),
        Column("samples", "integer", "", "taken during the attempt", _NO_ENERGY),
        Column("samples_missed", "integer", "", "deadlines passed over", _NO_ENERGY),
        Column("max_sample_gap_seconds", "float", "s", "longest time without one", _NO_ENERGY),
        Column("background_jobs", "integer", "", "jobs, copies included; 0 without background"),
        Column("background_repository", "text", "", "of the job", "none or several jobs"),
        Column("background_model", "text", "", "of the job", "none or several jobs"),
        Column("background_iterations", "integer", "", "all jobs, during the attempt", _SERIAL),
        Column("background_failures", "integer", "", "those of them that failed", _SERIAL),
        Column(
            "background_min_coverage",
            "float",
            "share",
            "of the attempt in which an iteration ran, of the job that was there least",
            _SERIAL,
        ),
        Column(
            "background_max_gap_seconds", "float", "s", "the longest that a job was away", _SERIAL
        ),
        Column("background_min_load", "float", "share", "busy time of the idlest job", _SERIAL),
        Column("settle_seconds", "float", "s", "until the load was taken as steady", _SERIAL),
        Column("settle_steady", "boolean", "", "whether it was", _SERIAL),
        Column("background_stop_seconds", "float", "s", "how long its end took", _SERIAL),
        Column("foreign_idle_cores", "float", "cores", "CPU use of others while idle", _UNKNOWN),
        Column("foreign_cores", "float", "cores", "CPU use of others in the attempt", _UNKNOWN),
        Column("foreign_gpu_processes", "integer", "", "on the GPUs in the attempt", _UNKNOWN),
        Column("warning_count", "integer", "", "what to know before using the numbers"),
        Column("warnings", "text", "", "the warnings, ` \\| ` between", "there is none"),
        Column("imported", "boolean", "", "an old recording, not metered by energyctl"),
        Column("imported_from", "text", "", "its place", _NOT_IMPORTED),
        Column("imported_experiment_id", "text", "", "its old id", _NOT_IMPORTED),
        Column("imported_timestamp", "text", "", "its old time stamp", _NOT_IMPORTED),
        Column(
            "imported_gpu_joules_reported",
            "float",
            "J",
            "what the old tool had reported; gpu_joules is the corrected figure",
            f"{_NOT_IMPORTED}, or the old tool had none",
        ),
        Column(
            "imported_gpu_joules_difference",
            "float",
            "J",
            "gpu_joules less that",
            "as imported_gpu_joules_reported",
        ),
        Column(
            "imported_gpu_difference_percent",
            "float",
            "%",
            "the difference as a share of what was reported",
            "as imported_gpu_joules_reported",
        ),
        Column("seed", "integer", "", "of the drawn values", _UNKNOWN),
        Column("hostname", "text", "", "of the machine", _UNKNOWN),
        Column("node", "text", "", "its name in the cluster, else as hostname", _UNKNOWN),
        Column("constraint", "text", "", "features that the cluster was asked for", _NO_CLUSTER),
        Column("slurm_job", "text", "", "id of the cluster's job", _NO_CLUSTER),
        Column("cpu", "text", "", "its processor", _UNKNOWN),
        Column("gpus", "text", "", "names of its GPUs, `; ` between", "none, or not known"),
        Column("gpu_driver", "text", "", "version of their driver", "none, or not known"),
        Column(
            "gpu_power_limit_watts", "text", "W", "their limits, `; ` between", "none, or not known"
        ),
        Column("governors", "text", "", "of its CPUs, `,` between", _UNKNOWN),
        Column("kernel", "text", "", "release of its kernel", _UNKNOWN),
        Column("energyctl", "text", "", "version that metered it", _UNKNOWN),
        Column("result_file", "text", "", "name of the file"),
    ),
    (HYPERPARAMETERS, METRICS),
)

_DOMAIN = Column("domain", "text", "", "`package-0`, `dram-0`, `gpu-0`, …")
_KIND = Column("kind", "text", "", "`cpu`, `dram`, `gpu` or `other`", _UNKNOWN)
_IN_TOTAL = Column("in_total", "boolean", "", "whether it is part of total_joules", _UNKNOWN)
_MISSING = Column("missing", "text", "", "why there is no figure", "there is one")

DOMAINS = Layout(
    "domains",
    "a metered domain during the last attempt of a run",
    (
        ID,
        _DOMAIN,
        _KIND,
        Column("source", "text", "", "how it was metered", _UNKNOWN),
        Column("measured", "boolean", "", "false for an estimate", _UNKNOWN),
        _IN_TOTAL,
        Column("seconds", "float", "s", "length of what is metered", _UNKNOWN),
        Column("joules", "float", "J", "energy", "see missing"),
        Column("uncertainty_joules", "float", "J", "half-width of its band", "see missing"),
        Column("watts", "float", "W", "mean power", "see missing"),
        *ADDED,
        _MISSING,
    ),
    (BUDGET,),
)

PHASES = Layout(
    "phases",
    "a domain during a phase of a run",
    (
        ID,
        Column("phase_number", "integer", "", "from 1, in the order of time"),
        Column(
            "phase",
            "text",
            "",
            "`idle`, `background_start`, `foreground`, …; `step`: a step that is not metered",
        ),
        Column("step", "text", "", "name of the step, of several", "no steps"),
        Column("started", "timestamp", "UTC", "its begin"),
        Column("ended", "timestamp", "UTC", "its end"),
        Column("seconds", "float", "s", "its length"),
        Column("domain", "text", "", _DOMAIN.meaning, "no domain was metered"),
        _KIND,
        _IN_TOTAL,
        Column("joules", "float", "J", "energy", "see missing"),
        Column("uncertainty_joules", "float", "J", "half-width of its band", "see missing"),
        Column("watts", "float", "W", "mean power", "see missing"),
        _MISSING,
    ),
)

JOBS = Layout(
    "jobs",
    "a background job of a run (each copy is one)",
    (
        ID,
        Column("job", "text", "", "with experiment_id the key of iterations"),
        Column("repository", "text", "", "of the job", _UNKNOWN),
        Column("model", "text", "", "of the job", _UNKNOWN),
        Column("iterations", "integer", "", "that ran during the attempt", "see missing"),
        Column("failures", "integer", "", "those of them that failed", "see missing"),
        Column("coverage", "float", "share", "of the attempt in which one ran", "see missing"),
        Column("load", "float", "share", "of the attempt in which it was busy", "see missing"),
        Column("max_gap_seconds", "float", "s", "longest time without one", "see missing"),
        Column("gpu_percent", "float", "%", "mean GPU use by its processes", "see missing"),
        Column("cpu_cores", "float", "cores", "mean CPU use of its processes", "see missing"),
        Column("missing", "text", "", "reason for each figure that is null", "none is"),
        Column("error", "text", "", "why it never ran", "it did"),
    ),
    (HYPERPARAMETERS,),
)

ITERATIONS = Layout(
    "iterations",
    "an iteration of a background job, from the ledger of the run",
    (
        ID,
        Column("job", "text", "", "as in jobs"),
        Column("iteration", "integer", "", "its number, from 1; that of its log"),
        Column("pid", "integer", "", "of its training"),
        Column("started", "timestamp", "UTC", "its begin"),
        Column("ended", "timestamp", "UTC", "its end"),
        Column("seconds", "float", "s", "its length"),
        Column(
            "attempt_seconds",
            "float",
            "s",
            "of these, within the foreground's last attempt",
            "the foreground never ran",
        ),
        Column("exit_code", "integer", "", "its exit code", "ended by a signal"),
        Column("signal", "integer", "", "that ended it; 15: it was asked to end", "it exited"),
        Column("failed", "boolean", "", "ended badly by itself"),
    ),
)

LAYOUTS = {layout.name: layout for layout in (RUNS, DOMAINS, PHASES, JOBS, ITERATIONS)}


def described(layout: Layout) -> str:
    """The columns as a table in Markdown, as docs/tables.md has it."""
    lines = ["| column | type | unit | meaning | null where |", "|---|---|---|---|---|"]
    lines += [
        f"| `{c.name}` | {c.type} | {c.unit or '–'} | {c.meaning} | {c.null} |"
        for c in layout.columns
    ]
    lines += [
        f"| `{family.name('NAME')}` | {family.type or 'of its values'} | {family.unit or '–'} "
        f"| {family.meaning} | {family.null} |"
        for family in layout.families
    ]
    return "\n".join(lines)
