"""What the registry file may hold: names, types, limits, and what an editor shows about them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from energyctl.config.jsonfile.validation import Name, Scalar, Strict, Text, editor_schema
from energyctl.config.registry.field_types import (
    Arguments,
    Durations,
    Pair,
    Reason,
    Scale,
    Seconds,
    shape,
)
from energyctl.config.registry.model import ROLES, Role, Select, WorkspaceKind

Environment = dict[Name, Text]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Command = Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]
ExitCodes = Annotated[
    tuple[Annotated[int, Field(ge=0, le=255)], ...], Field(strict=False, min_length=1)
]


class HyperparameterFields(Strict):
    """A value that the training takes, and the one way by which it gets it: `flag`, `template`,
    `env_var`, `position`, or {NAME} in a command."""

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
    unsupported: Reason | None = None
    """True, or why: the program cannot take it. Refused in mutate, not passed else."""
    type: Literal["int", "float", "str", "bool"]
    """A bool is its flag alone where true, nothing (or false_flag) where false."""
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


class PatternFields(Strict):
    """One metric: where its number stands, and which of several counts."""

    pattern: Text
    """Regular expression: {number}, or the first group, is the number."""
    file: Name | None = None
    """Read from the newest file of this glob, relative to the run's folder; without it from the
    output."""
    select: Select = "last"
    """Which of several matches counts."""
    scale: Scale = 1.0
    """The number is multiplied by it."""
    required: bool = False
    """An attempt without this metric counts as failed."""


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


class WorkspaceFields(Strict):
    """The folder that a run works in."""

    kind: WorkspaceKind
    """in_place: the clone itself; else fresh for each run and role: empty, links (links to the
    clone, but for `writes`) or copy."""
    writes: Names = ()
    """Folders in it that the program writes to: real and empty ones."""


class OutputFields(Strict):
    """Files that the programs write, as globs relative to the run's folder."""

    keep: Names = ()
    """Moved to results/outputs_E."""
    delete: Names = ()
    """Removed after the run."""


class PreflightFields(Strict):
    """What must be there before a campaign starts."""

    files: Names = ()
    """Files or folders, relative to path, absolute, or {data}/…"""
    imports: Names = ()
    """Python modules that the interpreter must be able to import."""


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
    """Environment variables; {repo}, {workdir}, … as above."""
    role_env: RoleEnvironments = RoleEnvironments()
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
    stands for a group."""
    preflight: PreflightFields = PreflightFields()
    model_flag: Name | None = None
    """Option that names the model; without it, none is passed."""
    required_args: dict[Text, Arguments] = Field(default_factory=dict)
    """Always passed, as {"dataset": "-d d2a"}."""
    supported_hyperparams: dict[Name, HyperparameterFields] = Field(default_factory=dict)
    """Hyper-parameters by name, in the order of the flags."""
    performance_metrics: MetricFields = MetricFields()
    duration_seconds: Durations | None = None
    """Typical duration, of all models or by model; for estimates."""

    @property
    def folder(self) -> WorkspaceFields:
        """`workspace`, also where it is one word."""
        word = self.workspace
        return word if isinstance(word, WorkspaceFields) else WorkspaceFields(kind=word)


class File(Strict):
    """Repositories and models that energyctl can train. Fields not named here are free text."""

    models: dict[Name, RepositoryFields]
    """Repositories by name."""


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the registry file, for editors."""
    return editor_schema(File)
