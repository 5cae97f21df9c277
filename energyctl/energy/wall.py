"""Power at the wall from that of the domains in the total: what fans, board and conversion add.

wall = constant + slope × (CPUs, memory and GPUs), or a slope for CPUs and memory and one for GPUs.
These are straight lines, and neither the losses of a power supply nor the speed of fans is one.
What a line misses stays the same however often the same load is run, so that phases of about the
same power count as one level, and the scatter of levels about the line is part of the band.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum, sqrt

from energyctl.energy.block_power import student_t
from energyctl.energy.least_squares import LeastSquares, least_squares, leverage
from energyctl.text import count, percent, power

ALIKE = 0.05
"""Powers that differ by less than this share of their whole range are of one level; so far may a
power lie outside of that range, too."""
LEAST_FREEDOM = 2
"""Levels beyond the coefficients of a line: with fewer, what it misses is a guess."""
LEAST_LEVELS = 2 + LEAST_FREEDOM
LEAST_RANGE = 0.2
"""By how much the power at the wall has to differ between levels, as a share of the highest."""
LEAST_SLOPE = 0.95
"""Of less, a watt of the counters would be less than one at the wall; they may be 5 % off."""
MOST_LEFT = 0.5
"""Of the error of one slope, so that two are taken: a smaller gain is mostly chance."""
MOST_ERROR = 0.1
"""Of levels that are left out (rms), as a share of their mean power."""
SLOPES_DIFFER = 0.3
"""How far the slopes of CPUs and GPUs are taken to be apart at most, where levels do not tell. What
a GPU shows has its regulators in it [NVML, nvmlDeviceGetPowerUsage: the GPU and its associated
circuitry], what a package shows has not: 80 % efficient ones, behind a supply of 90 %, make it
(1 / 0.8 - 1) / 0.9. Fans that follow the GPUs, up to a fifth of their power, make it less."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class PhasePower:
    """Mean powers over a phase. cpu_watts: packages and memory.

    meter_watts: how far wall and domains may be off for this phase alone, which is without what
    the wall meter's scale, or a counter's, is off by in all of them.
    """

    seconds: float
    wall_watts: float
    cpu_watts: float
    gpu_watts: float
    meter_watts: float
    name: str = ""

    @property
    def sum_watts(self) -> float:
        return self.cpu_watts + self.gpu_watts

    def near(self, other: PhasePower, watts: float) -> bool:
        return (
            abs(self.cpu_watts - other.cpu_watts) <= watts
            and abs(self.gpu_watts - other.gpu_watts) <= watts
            and abs(self.sum_watts - other.sum_watts) <= watts
        )


@dataclass(frozen=True)
class Level:
    """Phases of about the same power; mean: of all their time."""

    phases: tuple[PhasePower, ...]
    mean: PhasePower

    @property
    def names(self) -> list[str]:
        return sorted({one.name for one in self.phases})


@dataclass(frozen=True)
class WallModel:
    """coefficients: constant (watts) and one slope, or constant and those of CPUs and of GPUs.

    inverse: of the normal matrix of the fit. level_variance: of levels about the line, in W², with
    its degrees of freedom; phase_variance: of phases about their level. meter_watts: as in a
    phase, their mean. scale: share by which the wall meter's scale may be off. Of sum, CPUs and
    GPUs: least and highest power of a level. cpu_line: constant (watts) and slope of the power of
    CPUs and memory over the sum, through the levels; apart_watts: the most that a level is off it.
    """

    coefficients: tuple[float, ...]
    inverse: tuple[tuple[float, ...], ...]
    level_variance: float
    phase_variance: float
    freedom: int
    meter_watts: float
    scale: float
    sum_watts: Interval
    cpu_watts: Interval
    gpu_watts: Interval
    cpu_line: tuple[float, float]
    apart_watts: float

    @property
    def slopes(self) -> int:
        return len(self.coefficients) - 1

    @property
    def makes_sense(self) -> bool:
        """Whether a fit can have made it: it may be of a file."""
        size = len(self.coefficients)
        square = [size] * size == [len(row) for row in self.inverse]
        spreads = (
            self.level_variance, self.phase_variance, self.meter_watts, self.scale,
            self.apart_watts,
        )  # fmt: skip
        return size in (2, 3) and square and min(spreads) >= 0 and self.freedom >= 1

    def watts(self, cpu_watts: float, gpu_watts: float) -> float:
        """At the wall, with that power of CPUs and memory, and of GPUs."""
        return _product(self.coefficients, _row(cpu_watts, gpu_watts, self.slopes))

    def uncertainty_watts(self, cpu_watts: float, gpu_watts: float) -> float:
        """Half-width of the 95 % band of :meth:`watts` for a phase of its own."""
        row = _row(cpu_watts, gpu_watts, self.slopes)
        of_line = self.level_variance * (1 + max(0.0, leverage(self.inverse, row)))
        # Of few levels the variance is known least, so that their freedom is taken for the sum.
        spread = student_t(self.freedom) * sqrt(of_line + self.phase_variance)
        scale = self.scale * abs(self.watts(cpu_watts, gpu_watts))
        divided = SLOPES_DIFFER * self.beyond_levels(cpu_watts, gpu_watts)
        return scale + divided + sqrt(spread**2 + self.meter_watts**2)

    def beyond_levels(self, cpu_watts: float, gpu_watts: float) -> float:
        """By how many watts more than in any level the CPUs draw another part of the sum: what one
        slope for both says of that part, no level has tried."""
        if self.slopes > 1:
            return 0.0
        usual = _product(self.cpu_line, _row(cpu_watts, gpu_watts, 1))
        return max(0.0, abs(cpu_watts - usual) - self.apart_watts)

    def coefficient_uncertainties(self) -> tuple[float, ...]:
        """Half-widths of the 95 % bands of the coefficients."""
        t = student_t(self.freedom)
        return tuple(
            self.scale * abs(value) + t * sqrt(self.level_variance * self.inverse[i][i])
            for i, value in enumerate(self.coefficients)
        )

    def slope_of(self, kind: str) -> float:
        """Watts at the wall for one of a domain of that kind."""
        return self.coefficients[-1 if kind == "gpu" else 1]

    def outside(self, cpu_watts: float, gpu_watts: float) -> str | None:
        """Why it says nothing of these powers; None: it does."""
        beyond = ALIKE * (self.sum_watts[1] - self.sum_watts[0])
        for name, value, (low, high) in (
            ("domains draw", cpu_watts + gpu_watts, self.sum_watts),
            ("CPUs and memory draw", cpu_watts, self.cpu_watts),
            ("GPUs draw", gpu_watts, self.gpu_watts),
        ):
            if not low - beyond <= value <= high + beyond:
                return f"the {name} {power(value)}, and it covers {power(low)} to {power(high)}"
        return None


@dataclass(frozen=True)
class WallFit:
    """left_out_watts: of each level, its power at the wall less what the others say of it."""

    model: WallModel
    levels: tuple[Level, ...]
    left_out_watts: tuple[float, ...]

    @property
    def left_out_rms(self) -> float:
        """In watts."""
        return sqrt(fsum(one * one for one in self.left_out_watts) / len(self.levels))

    @property
    def left_out_share(self) -> float:
        """That, as a share of the levels' mean power at the wall."""
        return (
            self.left_out_rms * len(self.levels) / fsum(one.mean.wall_watts for one in self.levels)
        )

    @property
    def left_out_worst(self) -> float:
        """The worst, as a share of the level's own power; at the ends of the range a line has to
        reach further than it is used."""
        pairs = zip(self.left_out_watts, self.levels, strict=True)
        return max(abs(watts) / level.mean.wall_watts for watts, level in pairs)

    @property
    def refusals(self) -> list[str]:
        """Why it cannot be the wall of that machine; none: it can."""
        reasons, slopes = [], self.model.coefficients[1:]
        if min(slopes) < LEAST_SLOPE:
            reasons.append(
                f"a watt of the domains is {min(slopes):.3f} W at the wall, and cannot be less than"
                " 1 W: the meter does not see all of the machine's supplies, or its figure is wrong"
            )
        if self.left_out_share > MOST_ERROR:
            reasons.append(
                f"levels that are left out are told {percent(self.left_out_share)} of their mean "
                f"power wrong (rms), more than {percent(MOST_ERROR, 0)}: something else on that "
                "meter, or a part that no domain shows, changes its power"
            )
        return reasons


def levels_of(phases: Sequence[PhasePower]) -> list[Level]:
    """By their power, the least first."""
    sums = [one.sum_watts for one in phases]
    near = ALIKE * (max(sums, default=0.0) - min(sums, default=0.0))
    groups: list[list[PhasePower]] = []
    for phase in sorted(phases, key=lambda one: one.sum_watts):
        group = next((one for one in groups if phase.near(one[0], near)), None)
        if group is None:
            groups.append([phase])
        else:
            group.append(phase)
    return [Level(tuple(group), _mean(group)) for group in groups]


def too_little(levels: Sequence[Level]) -> list[str]:
    """Why these levels do not tell a line; none: they do."""
    reasons, walls = [], [one.mean.wall_watts for one in levels]
    if len(levels) < LEAST_LEVELS:
        sums = ", ".join(power(one.mean.sum_watts) for one in levels)
        reasons.append(
            f"{count(len(levels), 'different power')} of the domains ({sums}), and it takes "
            f"{LEAST_LEVELS} to tell what a straight line misses"
        )
    if walls and max(walls) - min(walls) < LEAST_RANGE * max(walls):
        reasons.append(
            f"the power at the wall, {power(min(walls))} to {power(max(walls))}, varies by less "
            f"than {percent(LEAST_RANGE, 0)}"
        )
    return reasons


def fit_wall(levels: Sequence[Level], scale: float) -> WallFit | None:
    """With one slope, or two where these halve the error of levels that are left out: they do so
    only where CPUs and GPUs vary apart from each other, and differ. None: no line is told."""
    one, two = (_fit(levels, slopes, scale) for slopes in (1, 2))
    if one is not None and two is not None and two.left_out_rms < MOST_LEFT * one.left_out_rms:
        return two
    return one


def _fit(levels: Sequence[Level], slopes: int, scale: float) -> WallFit | None:
    rows = [_row(one.mean.cpu_watts, one.mean.gpu_watts, slopes) for one in levels]
    freedom = len(levels) - 1 - slopes
    line = least_squares(rows, [one.mean.wall_watts for one in levels])
    cpus = least_squares(
        [_row(one.mean.cpu_watts, one.mean.gpu_watts, 1) for one in levels],
        [one.mean.cpu_watts for one in levels],
    )
    if line is None or cpus is None or freedom < LEAST_FREEDOM:
        return None
    phases = [phase for level in levels for phase in level.phases]
    scatter = _scatter(levels, line, slopes)
    more = len(phases) - len(levels)
    seconds = fsum(one.seconds for one in phases)
    model = WallModel(
        line.coefficients,
        line.inverse,
        fsum(one * one for one in line.residuals) / freedom,
        scatter / more if more else 0.0,
        freedom,
        fsum(one.meter_watts * one.seconds for one in phases) / seconds,
        scale,
        _interval(one.mean.sum_watts for one in levels),
        _interval(one.mean.cpu_watts for one in levels),
        _interval(one.mean.gpu_watts for one in levels),
        (cpus.coefficients[0], cpus.coefficients[1]),
        max(map(abs, cpus.residuals)),
    )
    return WallFit(model, tuple(levels), line.left_out_residuals(rows))


def _scatter(levels: Sequence[Level], line: LeastSquares, slopes: int) -> float:
    """Sum of squares of phases about what their level is off the line by, in W²."""
    return fsum(
        (one.wall_watts - _product(line.coefficients, _row(one.cpu_watts, one.gpu_watts, slopes))
         - residual) ** 2
        for level, residual in zip(levels, line.residuals, strict=True)
        for one in level.phases
    )  # fmt: skip


def _row(cpu_watts: float, gpu_watts: float, slopes: int) -> tuple[float, ...]:
    return (1.0, cpu_watts + gpu_watts) if slopes == 1 else (1.0, cpu_watts, gpu_watts)


def _product(xs: Sequence[float], ys: Sequence[float]) -> float:
    return fsum(x * y for x, y in zip(xs, ys, strict=True))


def _mean(phases: Sequence[PhasePower]) -> PhasePower:
    seconds = fsum(one.seconds for one in phases)

    def mean(values: Iterable[float]) -> float:
        return _product([one.seconds for one in phases], list(values)) / seconds

    return PhasePower(
        seconds,
        mean(one.wall_watts for one in phases),
        mean(one.cpu_watts for one in phases),
        mean(one.gpu_watts for one in phases),
        mean(one.meter_watts for one in phases),
    )


def _interval(values: Iterable[float]) -> Interval:
    every = list(values)
    return min(every), max(every)
