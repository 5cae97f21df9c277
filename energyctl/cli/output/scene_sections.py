"""What the screen has below its head, section by section: each made for a width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from energyctl.analysis.report.summary import kind_of
from energyctl.background.job_view import JobView
from energyctl.campaign.observer import GpuView, View
from energyctl.campaign.watcher import FinishedRun, Scene
from energyctl.cli.output.layout import (
    GAP,
    Column,
    Section,
    cut,
    fitting,
    parts,
    rows,
    width_of,
    wrapped,
)  # fmt: skip
from energyctl.cli.output.run_view import joules_words
from energyctl.config.plan import Run
from energyctl.results.conditions import run_words
from energyctl.text import (
    count,
    duration,
    energy,
    energy_unit,
    percent,
    power,
    short_duration,
    values,
)  # fmt: skip

BLOCKS = "▁▂▃▄▅▆▇█"
SCALES = (1, 1.2, 1.6, 2, 2.5, 3.2, 4, 5, 6.4, 8, 10)
SHORTEST_CURVE, LONGEST_CURVE = 8, 100
LIMITS = {
    "power_cap": "power limit", "heat": "heat", "power_brake": "power brake",
    "slowdown": "hardware",
}  # fmt: skip
WARNING_LINES = 3
"""Of one warning, where there is room."""


# -- power and GPUs ------------------------------------------------------------------------------


def devices(scene: Scene, view: View, width: int) -> Section:
    """Power of each domain with its course, the GPUs' states, total power, energy so far."""
    gpus = {gpu.name: gpu for gpu in view.gpus}
    names = [*view.watts, *(name for name in gpus if name not in view.watts)]
    if not names:
        return Section([[Text("power not known yet")]], 1)
    readings = [list(scene.power.get(name, ())) for name in names]
    scales = [_scale(known) for known in readings]
    total = [value for value in view.watts.values() if value is not None]
    now = [*(_watts(view.watts.get(name)) for name in names), _watts(sum(total))]
    columns = [
        Column("power", [Text(name) for name in names]),
        Column("now".rjust(max(text.cell_len for text in now)), now[:-1], right=True),
        Column("0 W to", [Text(f"{top:g} W" if top else "", "dim") for top in scales], right=True),
        *_state_columns([gpus.get(name, GpuView(name)) for name in names]),
        Column("training", _joules_so_far(view, names), right=True, optional=True),
    ]
    columns = fitting(columns, width - SHORTEST_CURVE - GAP)
    room = min(LONGEST_CURVE, width - width_of(columns) - GAP)
    if any(scales) and room >= SHORTEST_CURVE:
        courses = zip(readings, scales, strict=True)
        columns.insert(2, Column("course", [Text(curve(*course, room)) for course in courses]))
    heading, lines = rows(columns, width)
    if total:
        lines.insert(0, _total(view, columns[0].width, now[-1].plain, width))
    return Section([[line] for line in lines], min(6, 1 + len(lines)), "device", heading)


def _watts(watts: float | None) -> Text:
    return Text("?" if watts is None else power(watts), "bold")


def _total(view: View, name_width: int, watts: str, width: int) -> Text:
    """Watts of all domains now, and the joules of the training so far."""
    line = Text("total".ljust(name_width + GAP) + watts, "bold")
    unknown = "without what is not known" if None in view.watts.values() else ""
    estimated = Text("(CPU estimated)" if view.estimated else "", "yellow")
    return parts(width, line, unknown, estimated, joules_words(view) if view.joules else "")


def _joules_so_far(view: View, names: Sequence[str]) -> list[Text]:
    unit = energy_unit(view.joules.values())
    known = (view.joules.get(name) for name in names)
    return [Text("" if joules is None else energy(joules, unit=unit)) for joules in known]


def _state_columns(gpus: Sequence[GpuView]) -> list[Column]:
    def column(head: str, figures: Sequence[float | None], unit: str) -> Column:
        cells = [
            Text("" if figure is None else f"{figure:.0f} {unit}".rstrip()) for figure in figures
        ]
        return Column(head, cells, right=True, optional=True)

    held = [
        Text(", ".join(LIMITS.get(limit, limit) for limit in gpu.limits or ()), "yellow")
        for gpu in gpus
    ]
    return [
        column("busy", [gpu.utilization_percent for gpu in gpus], "%"),
        column("temp", [gpu.temperature_celsius for gpu in gpus], "°C"),
        Column("slowed by", held, optional=True),
        column("SM MHz", [gpu.sm_mhz for gpu in gpus], ""),
        column("mem busy", [gpu.memory_utilization_percent for gpu in gpus], "%"),
    ]


def _scale(readings: Sequence[float | None]) -> float:
    """A round number of watts not below any of them; 0 where none is known."""
    most = max((watts for watts in readings if watts is not None), default=0.0)
    power_of_ten = 10.0 ** (len(str(int(most))) - 1)
    fitting_ = [step * power_of_ten for step in SCALES if step * power_of_ten >= most]
    return fitting_[0] if most > 0 else 0.0


def curve(readings: Sequence[float | None], top: float, width: int) -> str:
    """One character a reading, the newest at the right: its foot is 0 W, its top *top*."""
    levels = (None if watts is None else watts / (top or 1) * 8 for watts in readings[-width:])
    cells = (" " if n is None else BLOCKS[max(0, min(7, int(n)))] for n in levels)
    return "".join(cells).rjust(width)


# -- background ----------------------------------------------------------------------------------


def jobs(view: View, width: int) -> Section:
    every = view.jobs
    columns = [
        Column("background", [Text(job.name, "" if job.running else "yellow") for job in every]),
        Column("covered", [_percent(job.coverage, 1) for job in every], right=True),
        Column("busy", [_percent(job.load, 0) for job in every], right=True),
        Column("iteration", [Text(str(job.iterations)) for job in every], right=True),
        Column("done", [_done(job) for job in every], right=True, optional=True),
        Column("failed", [Text(str(job.failures or "")) for job in every], right=True),
        Column("", [_away(job) for job in every], optional=True),
        Column("longest gap", [_gap(job) for job in every], right=True, optional=True),
    ]
    heading, lines = rows(columns, width)
    return Section([[line] for line in lines], 4, "background job", heading)


def _percent(share: float | None, decimals: int) -> Text:
    return Text("" if share is None else percent(share, decimals))


def _done(job: JobView) -> Text:
    """How much the running iteration has done, as its log says."""
    if job.progress is None:
        return Text("")
    done, total = job.progress
    return Text(f"{done:g}" + (f" of {total:g}" if total else "") + f" {job.unit or ''}".rstrip())


def _gap(job: JobView) -> Text:
    return Text("" if job.max_gap_seconds is None else short_duration(job.max_gap_seconds))


def _away(job: JobView) -> Text:
    return Text("" if job.running else f"ended {duration(job.away_seconds)} ago", "yellow")


# -- log, warnings, runs -------------------------------------------------------------------------


def log(scene: Scene, width: int) -> Section:
    lines = [[cut(Text(f"> {line}", "dim"), width)] for line in scene.lines]
    return Section(lines, 2, newest_last=True)


def warnings(scene: Scene, view: View, width: int, lines: int) -> Section:
    """A kind of warning in so many *lines* at most, the newest first."""
    entries = [
        wrapped(Text(f"warning, {where}: {text}", "yellow"), width, lines)
        for where, text in _kinds(scene, view)
    ]
    return Section(entries, 1, "warning")


def _kinds(scene: Scene, view: View) -> Iterator[tuple[str, str]]:
    """The newest of each kind, with its run and how many there are of it."""
    said = [(done.index, text) for done in scene.done for text in done.warnings]
    said += [(view.index, text) for text in view.warnings]
    kinds: dict[str, list[tuple[int, str]]] = {}
    for index, text in reversed(said):
        kinds.setdefault(kind_of(text), []).append((index, text))
    for same in kinds.values():
        index, text = same[0]
        more = "" if len(same) == 1 else f", {len(same)} times"
        yield (f"run {index}" if index else view.experiment_id) + more, text


def finished(scene: Scene, width: int) -> Section:
    """The newest below."""
    done = scene.done
    if not done:
        return Section((), 0)
    unit = energy_unit(one.joules for one in done)
    counts = [count(len(one.warnings), "warning") if one.warnings else "" for one in done]
    figures = [
        Column("", [_status(one) for one in done]),
        Column("", [Text(_energy(one, unit)) for one in done], right=True),
    ]
    room = max(1, width - width_of(figures) - GAP)
    named = [cut(Text(run_words("", one.condition, one.block)), room) for one in done]
    warned = Column("", [Text(words) for words in counts], optional=True)
    columns = [*figures, Column("", named), warned]
    total = len(scene.closed.finished) if scene.closed else len(done)
    beyond = max(0, total - len(done))
    entries = [[line] for line in rows(columns, width)[1]]
    return Section(entries, 1, "finished run", beyond=beyond, newest_last=True)


def _status(run: FinishedRun) -> Text:
    style = "green" if run.status == "succeeded" else "red"
    return Text(f"run {run.index} {run.status}", style)


def _energy(run: FinishedRun, unit: str) -> str:
    return energy(run.joules, run.uncertainty_joules, measured=run.measured, unit=unit)


def following(scene: Scene, width: int, most: int) -> Section:
    """The runs that come next, *most* of them one by one."""
    waiting = scene.next_runs[:most]
    if not waiting:
        return Section((), 0)
    columns = [
        Column("", [Text(f"then run {run.index}") for run in waiting]),
        Column("", [Text(_next_words(run, scene.run)) for run in waiting]),
        Column("", [Text(values(run.foreground.hyperparameters)) for run in waiting]),
    ]
    lines = rows(columns, width)[1]
    for line in lines:
        line.stylize("dim")
    beyond = len(scene.next_runs) - len(waiting)
    return Section([[line] for line in lines], 1, "run", beyond=beyond, apart=not scene.done)


def _next_words(run: Run, now: Run | None) -> str:
    """Its training is named where it is another one than that of the run in progress."""
    what = run.foreground
    other = now is None or (what.repo, what.model) != (now.foreground.repo, now.foreground.model)
    title = f"{what.repo} / {what.model}" if other else ""
    return run_words(title, run.condition, run.block, run.warm_up)
