"""What the registry file may hold: names, types, limits, and what an editor shows about them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from energyctl.config.jsonfile.validation import Name, Scalar, Strict, Text, editor_schema
from energyctl.config.places import Place
from energyctl.config.registry.field_types import (
    Arguments,
    Durations,
    Number,
    Pair,
    Reason,
    Scale,
    Seconds,
    list_shape,
    shape,
)
from energyctl.config.registry.model import ROLES, Better, Role, Select, WorkspaceKind

Environment = dict[Name, Text]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Command = Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]
ExitCodes = Annotated[
    tuple[Annotated[int, Field(ge=0, le=255)], ...], Field(strict=False, min_length=1)
]


class ConfigFields(Strict):
    """A file that is written for the run from the clone's own, and the value's place in it."""

    file: Name
    """YAML, JSON, TOML or Python, relative to the clone."""
    key: Name
    """Path of keys, as "optimizer.lr"; of Python a constant, CLASS.NAME or CALLEE.KEYWORD."""


class HyperparameterFields(Strict):
    """A value that the training takes, and the one way by which it gets it: `flag`, `template`,
    `env_var`, `position`, `config`, or {NAME} in a command."""

    flag: Name | None = None
    """Its option, as "--lr"; "--lr=" joins the value to it."""
    false_flag: Name | None = None
    """Of a bool, beside flag: passed where false, as "--no-amp"."""
    template: Command | None = None
    """Arguments that hold {value}, as ["--opt", "lr={value}"]."""
    env_var: Name | None = None
    """Environment variable that holds it."""
    position: int | None = Field(default=None, ge=0)
    """Passed bare after all flags, in the order of positions."""
    config: ConfigFields | None = None
    """Written into a configuration file of the run's own folder."""
    unsupported: Reason | None = None
    """True, or why: the program cannot take it. Refused in mutate, not passed else."""
    type: Literal["int", "float", "str", "bool"]
    """A bool is its flag alone where true, nothing (or false_flag) where false."""
    true_false: Annotated[tuple[Text, Text], Field(strict=False)] | None = None
    """Of a bool that is passed as a text: how true and false are spelled. By default "true" and
    "false"."""
    default: Scalar | None = None
    """Passed where nothing else is said; without it, nothing is."""
    range: Pair | None = None
    """Least and greatest value that mutation draws, both included."""
    bounds: Pair | None = None
    """Least and greatest value that is valid at all, both included."""
    distribution: Literal["uniform", "log_uniform"] = "uniform"
    """How values are drawn; log_uniform needs a range above 0."""
    zero_probability: float = Field(default=0.0, ge=0, le=1)
    """Share of draws that are 0 instead."""
    choices: Annotated[tuple[Scalar, ...], Field(strict=False)] | None = Field(
        default=None, min_length=1
    )
    """Values that mutation draws from, for any type."""
    value: Name | None = None
    """Instead of default and range: computed from others, as "learning_rate / 10"."""
    scales_duration: bool = False
    """Whether the training takes as many times longer as this is greater, as epochs do; for
    estimates."""


class PatternFields(Strict):
    """One metric: where its number stands (pattern, column, key or tag), or by what name it is
    told, and which of several counts."""

    pattern: Text | None = None
    """Regular expression: {number}, or the first group, is the number."""
    column: Name | None = None
    """Of a CSV file: the name of a column."""
    key: Name | None = None
    """Of a JSON file, or of each of its lines: a key, or a path of keys, as "eval.accuracy"."""
    tag: Name | None = None
    """Of an event file of TensorBoard: a tag, as "val/acc"."""
    told: Name | None = None
    """The training tells it with its epochs (energyctl.epoch), by this name."""
    file: Name | None = None
    """Read from the newest file of this glob, relative to the run's folder; without it from the
    output. For a key it ends in .json, or in .jsonl or .ndjson where each line is a document."""
    select: Select = "last"
    """Which of several numbers counts."""
    scale: Scale = 1.0
    """The number is multiplied by it."""
    required: bool = False
    """An attempt without this metric counts as failed."""
    series: bool = False
    """Each value is kept, with the time at which its line or row appeared."""
    reach: Number | None = None
    """The result tells seconds and joules until it first has this value (after scale)."""
    better: Better | None = None
    """Whether a higher or a lower value is better, for reach; select max or min say it, too."""


class MetricFields(Strict):
    """How metrics are read from a training's output."""

    log_patterns: dict[
        Name,
        Annotated[
            Annotated[Text, Tag("<word>")] | Annotated[PatternFields, Tag("<object>")],
            Discriminator(shape),
        ],
    ] = Field(default_factory=dict)
    """Regular expressions by metric; {number} or the first group is the number, the last match
    counts. Groups as ([0-9.]+) read numbers in any notation."""
    required: Texts = ()
    """Metrics without which an attempt counts as failed."""


class StepFields(Strict):
    """One program of a run; it starts when the one before it has ended well."""

    name: Name
    """Names its phase and log: letters, digits and . _ -"""
    command: Command | None = None
    """As the repository's; {NAME} of a value handed on, too."""
    train_script: Name | None = None
    """Instead of command: gets model, args, required_args and flags."""
    metered: bool | None = None
    """Whether it counts as the foreground; by default the first does."""
    timeout_seconds: Seconds | None = None
    """A step that takes longer is ended, and the attempt has failed."""
    accepted_exit_codes: ExitCodes = (0,)
    """Exit codes that count as success."""
    roles: Annotated[tuple[Role, ...], Field(strict=False, min_length=1)] = ROLES
    """In which roles it is run."""
    performance_metrics: MetricFields = MetricFields()
    """Metrics that are read from this step's output."""
    values: dict[Name, Name] = Field(default_factory=dict)
    """Handed on to later steps as {NAME}: the newest match of a glob, relative to the run's
    folder."""


class ModelFields(Strict):
    """What one model has of its own."""

    args: Texts = ()
    """Arguments: after the model's option, or at {args} in a command."""
    env: Environment = Field(default_factory=dict)
    """Environment variables."""
    defaults: dict[Name, Scalar] = Field(default_factory=dict)
    """Defaults by hyper-parameter."""
    ranges: dict[Name, Pair] = Field(default_factory=dict)
    """Ranges by hyper-parameter."""
    unsupported: dict[Name, Text] = Field(default_factory=dict)
    """Hyper-parameters that it cannot take, and why."""


class RoleEnvironments(Strict):
    """Environment variables of one role alone."""

    foreground: Environment = Field(default_factory=dict)
    background: Environment = Field(default_factory=dict)


class RolePlaces(Strict):
    """GPUs and CPUs of one role each, unless the settings say others."""

    foreground: Place | None = None
    background: Place | None = None


class WorkspaceFields(Strict):
    """The folder that a run works in."""

    kind: WorkspaceKind
    """in_place: the clone itself; else fresh for each run and role: empty, links (links to the
    clone, but for `writes`) or copy."""
    writes: Names = ()
    """Folders in it that the program writes to: real and empty ones."""
    shared: Names = ()
    """Folders in the clone or beside it (../data) that all runs share: links to them."""


class OutputFields(Strict):
    """Files that the programs write, as globs relative to the run's folder."""

    keep: Names = ()
    """Moved to results/outputs_E."""
    delete: Names = ()
    """Removed after the run."""


class PreflightFields(Strict):
    """What must be there before a campaign starts."""

    files: Names = ()
    """Files or folders, relative to path, or absolute; {data}, {model}, …"""
    imports: Names = ()
    """Python modules that the interpreter must be able to import."""


class PrepareFields(Strict):
    """What fetches data and weights before a campaign's first run."""

    command: Command
    """As the repository's, but for what differs between runs."""
    timeout_seconds: Seconds = 3600.0
    """Where it takes longer, it is ended, and nothing starts."""


class WorkFields(Strict):
    """What the work of a background is counted in, instead of iterations."""

    pattern: Text
    """As progress: the number says how much an iteration has done so far, as "step {number}"; one
    that falls counts on."""
    unit: Name
    """What is counted, as "steps"."""


class ContainerFields(Strict):
    """The container that the programs run in; clone, data and the run's folder are in it at the
    same paths."""

    image: Name
    """It must be on the machine before the start: nothing is pulled in a measurement."""
    runtime: Literal["docker", "podman"] = "docker"
    args: Texts = ()
    """Further options of `docker run`, as ["--gpus", "all", "--ipc", "host"]."""
    mounts: Names = ()
    """Further folders, as "/srv/data", or SOURCE:TARGET, or SOURCE:TARGET:ro; relative to the
    workspace."""


class RepositoryFields(Strict):
    """A repository with models to train."""

    path: Name | None = None
    """Folder of the clone, relative to the workspace."""
    models: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]
    """Names of its models, as given to the script."""
    per_model: dict[Name, ModelFields] = Field(default_factory=dict)
    """What single models have of their own."""
    train_script: Name | None = None
    """Program relative to path; *.py is run by the interpreter."""
    command: Command | None = None
    """Instead of train_script: arguments with {python}, {repo} (the clone), {model}, {workspace},
    {workdir}, {data}, {run_id}, {role}, {NAME} of a hyper-parameter; {params} alone for all flags,
    {args} alone for those of the model."""
    steps: Annotated[tuple[StepFields, ...], Field(strict=False, min_length=1)] | None = None
    """Instead of command: several programs, in their order."""
    accepted_exit_codes: ExitCodes | None = None
    """Exit codes that count as success; without steps. By default 0."""
    interpreter: Name | None = None
    """Runs *.py scripts, and is {python}: a command, a path (relative to path), the folder of a
    virtual environment, or conda:NAME."""
    env: Environment = Field(default_factory=dict)
    """Environment variables; {repo}, … as above, ~ at the beginning or after a colon, and $NAME."""
    role_env: RoleEnvironments = RoleEnvironments()
    place: RolePlaces = RolePlaces()
    cwd: Name | None = None
    """Working folder, relative to path."""
    workspace: Annotated[
        Annotated[WorkspaceKind, Tag("<word>")] | Annotated[WorkspaceFields, Tag("<object>")],
        Discriminator(shape),
    ] = "in_place"
    """The folder that a run works in: the clone itself (in_place), or one that is fresh for each
    run and role: empty, links to the clone, or a copy."""
    data: Name | None = None
    """Folder of the data, relative to the workspace: {data}."""
    outputs: OutputFields = OutputFields()
    progress: Text | None = None
    """Regular expression for epoch k of n: groups named done and total, or the first two; {number}
    stands for a group, and so does a hyper-parameter, as in {number}/{epochs}."""
    work: WorkFields | None = None
    """As a background: what its work is counted in. By default iterations, parts of one by
    progress."""
    preflight: PreflightFields = PreflightFields()
    prepare: (
        Annotated[
            Annotated[Command, Tag("<list>")] | Annotated[PrepareFields, Tag("<object>")],
            Discriminator(list_shape),
        ]
        | None
    ) = None
    """Run once per campaign in the clone, unmetered, before the first run: a command that fetches
    data and weights."""
    container: ContainerFields | None = None
    model_flag: Name | None = None
    """Option that names the model; without it, none is passed."""
    required_args: dict[Text, Arguments] = Field(default_factory=dict)
    """Always passed, as {"dataset": "-d d2a"}."""
    supported_hyperparams: dict[Name, HyperparameterFields] = Field(default_factory=dict)
    """Hyper-parameters by name, in the order of the flags."""
    seed_parameter: Name | None = None
    """The hyper-parameter of type int that takes the training's own seed: drawn for each repetition
    where no value is given, the same under all conditions."""
    constraints: Names = ()
    """Conditions between values that each training keeps, as "warmup < epochs"."""
    performance_metrics: MetricFields = MetricFields()
    duration_seconds: Durations | None = None
    """Typical duration, of all models or by model; for estimates."""

    @property
    def folder(self) -> WorkspaceFields:
        """`workspace`, also where it is one word."""
        word = self.workspace
        return word if isinstance(word, WorkspaceFields) else WorkspaceFields(kind=word)

    @property
    def preparation(self) -> PrepareFields | None:
        """`prepare`, also where it is a list."""
        given = self.prepare
        return PrepareFields(command=given) if isinstance(given, tuple) else given


class File(Strict):
    """Repositories and models that energyctl can train. Fields not named here are free text."""

    models: dict[Name, RepositoryFields]
    """Repositories by name."""


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the registry file, for editors."""
    return editor_schema(File)
