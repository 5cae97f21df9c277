"""What comparisons and shares say, in Chinese: the sentences of `compare.sentences` and of
`interference`, from the same figures. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from energyctl.analysis.footprint import MOST_CAMPAIGNS, Footprint, money
from energyctl.analysis.interference.means import CONFIDENCE, Mean, Means
from energyctl.analysis.interference.share_means import ShareMeans
from energyctl.analysis.interference.share_words import job_shares
from energyctl.text import (
    ENERGY_UNITS,
    adding_up,
    energy,
    energy_unit,
    more_or_less,
    more_or_less_between,
    number,
    parameter,
    percent,
    with_uncertainty,
)

if TYPE_CHECKING:
    from energyctl.analysis.compare import Comparison
    from energyctl.analysis.compare.factors import FactorEffect
    from energyctl.analysis.compare.overall import Overall
    from energyctl.analysis.trials import Found, Objectives

MEASURES = {
    "total_joules": "总能量",
    "cpu_package_joules": "CPU 封装能量",
    "cpu_dram_joules": "内存能量",
    "gpu_joules": "GPU 能量",
    "duration_seconds": "时长",
    "total_watts": "平均功率",
}
FACTORS = {
    "gpu_power_limit_watts": "GPU 功率上限",
    "gpu_clock_mhz": "GPU 频率",
    "governor": "CPU 调频策略",
}
SIZES = {"blocks": "个区组", "pairs of equal values": "对取值相同的运行"}
SEARCHED = {
    "total": "能量",
    "above_idle": "高于空闲机器的能量",
    "marginal": "高于单独后台的能量",
    "reach": "{metric} 达到目标值之前的能量",
}
VERDICTS = {
    "more than the margin": "超过 {margin}",
    "less by more than the margin": "减少超过 {margin}",
    "differs, within the margin": "有差异，但不超过 {margin}",
    "alike within the margin": "相差不超过 {margin}",
    "no more than the margin": "增加不超过 {margin}",
    "open": "尚无定论",
}


def comparison(found: Comparison, several: bool) -> str:
    """``beside 的总能量比 alone 多 80 %（95 % 置信区间 多 77 % 至 84 %，2 个区组，p = 0.0017）。``

    several: whether the training is named.
    """
    measure = MEASURES.get(found.measure, found.measure)
    effect, training = found.found, f"{found.training}：" if several and found.training else ""
    if found.ratio is None:
        unit = f" {found.unit}".rstrip()
        more = "多" if effect.mean >= 0 else "少"
        much = f"{more} {number(abs(effect.mean))}{unit}"
        edges = () if effect.low is None or effect.high is None else (effect.low, effect.high)
        between = " 至 ".join(number(edge) for edge in edges) + unit
    else:
        much = share(math.exp(effect.mean))
        low, high = found.simultaneous if found.verdict == "open" else (effect.low, effect.high)
        edges = () if low is None or high is None else (low, high)
        between = shares(*map(math.exp, edges)) if edges else ""
    level = f"{100 * found.options.confidence:g} % 置信区间 {between}"
    if found.verdict == "open" and edges:  # the interval is the sentence
        much, level = between, level.removesuffix(f" {between}")
    evidence = "，".join([level if edges else "没有置信区间", _size(found), *_p(found)])
    said = VERDICTS.get(found.verdict, "") if found.margin is not None else ""
    if found.verdict == "open":
        said = VERDICTS["open"]
    margin = f"{number(100 * (found.options.margin or 0.0))} %"
    end = f"：{said.format(margin=margin)}" if said else ""
    return (
        f"{training}{found.b.name} 的{measure}比 {found.a.name} {much}（{evidence}）{end}"
        f"{_order(found)}{_beyond(found)}。"
    )


def _size(found: Comparison) -> str:
    of = SIZES.get(found.sample.design)
    return f"{found.found.n} {of}" if of else f"{found.b.n} 次对 {found.a.n} 次运行"


def _p(found: Comparison | FactorEffect | Overall) -> list[str]:
    if found.p_adjusted is None:
        return []
    p = "p < 0.0001" if found.p_adjusted < 0.0001 else f"p = {found.p_adjusted:.2g}"
    return [p if found.family_size == 1 else f"{p}（按 {found.family_size} 项比较校正）"]


def _order(found: Comparison) -> str:
    order = found.time_order
    if found.verdict != "confounded with time" or order is None:
        return ""
    return f"；但 {order.first} 的运行全部先于 {order.last}，机器的漂移也会造成这样的差异"


def _beyond(found: Comparison) -> str:
    if found.beyond_meters is not False or found.verdict in ("open", "too few"):
        return ""
    assert found.meter is not None
    return f"；但仪表误差本身就可能造成 {number(found.meter.whole, 3)} {found.unit} 的差异"


def factor(found: FactorEffect) -> str:
    """How a measure goes with a factor: ``总能量在 GPU 功率上限为 500 W 时最低，两端都更高……``"""
    measure = MEASURES.get(found.measure, found.measure)
    name, size = FACTORS.get(found.factor, found.factor), f"{found.effect.n} 个区组"
    if found.turn is not None:
        least, other = ("最低", "高") if found.turn.least else ("最高", "低")
        at = f"{measure}在 {name} 为 {found.turn.level} 时{least}"
        return f"{at}，两端都更{other}：变化不是单向的（{size}）。"
    open_ = found.verdict == "open"
    low, high = found.simultaneous if open_ else (found.effect.low, found.effect.high)
    half = None if low is None or high is None else (high - low) / 2
    edges = [with_uncertainty(edge, half)[0] for edge in (low, high) if edge is not None]
    interval = f"{100 * found.options.confidence:g} % 置信区间 {' 至 '.join(edges)}"
    evidence = "，".join([interval if len(edges) == 2 else "没有置信区间", size, *_p(found)])
    if open_:
        return f"{measure}是否随 {name} 变化：尚无定论（幂次的 {evidence}）。"
    exponent = with_uncertainty(found.effect.mean, half)[0]
    doubled = share(2**found.effect.mean)
    return f"{measure}随 {name} 的 {exponent} 次幂变化，翻倍时{doubled}（幂次的 {evidence}）。"


def overall(found: Overall) -> str:
    """What the trainings say together."""
    measure = MEASURES.get(found.measure, found.measure)
    low, high = found.simultaneous if found.verdict == "open" else (found.like.low, found.like.high)
    interval = "没有置信区间"
    if low is not None and high is not None:
        interval = f"这类训练的 95 % 置信区间 {shares(math.exp(low), math.exp(high))}"
    evidence = "，".join([interval, *_p(found)])
    end = "：对其他同类训练尚无定论" if found.verdict == "open" else ""
    much = share(math.exp(found.like.mean))
    told = f"{found.b} 的{measure}比 {found.a} {much}（{evidence}）"
    return f"全部 {found.trainings} 个训练：{told}{end}。"


def share(ratio: float) -> str:
    """``多 31 %``."""
    much, _, more = more_or_less(ratio).rpartition(" ")
    return f"{'多' if more == 'more' else '少'} {much}"


def shares(low: float, high: float) -> str:
    """``多 6.4 % 至 9.8 %``; over 1 ``少 1.2 % 至多 5.0 %``."""
    if (low < 1) != (high < 1):
        return f"{share(low)} 至{share(high)}"
    edges = more_or_less_between(low, high).replace(" to ", " % 至 ")
    return f"{'多' if low >= 1 else '少'} {edges}"


# -- pairs ----------------------------------------------------------------------------------------


def pairs(found: Means) -> str:
    """What the training takes beside a load, and what doing both together saves."""
    parts = [
        f"{words}{share(mean.value)}（{_interval(mean)}{found_size(mean.n, found.of_blocks)}）"
        for words, mean in (("能量比单独时", found.energy_ratio), ("时间比单独时", found.slowdown))
        if mean.value is not None
    ]
    training = "，".join(parts) or "与单独时的差别未知"
    return f"{found.condition}：训练的{training}；{_saving(found)}。"


def _interval(mean: Mean) -> str:
    if mean.low is None or mean.high is None:
        return ""
    return f"{100 * CONFIDENCE:g} % 置信区间 {shares(mean.low, mean.high)}，"


def found_size(n: int, of_blocks: bool) -> str:
    return f"{n} 个区组" if of_blocks else f"{n} 次单独运行"


def _saving(found: Means) -> str:
    saving, apart = found.saving_joules, found.one_after_the_other_joules
    if saving.value is None or apart.value is None:
        return "同时进行能节省多少能量未知"
    unit = energy_unit([apart.value])
    factor = ENERGY_UNITS[unit]
    much = f"{number(abs(saving.value) / factor, 2)} {unit}"
    rate = percent(abs(saving.value) / apart.value) if apart.value > 0 else "?"
    more = "节省" if saving.value >= 0 else "多用"
    interval = ""
    if saving.low is not None and saving.high is not None:
        half = (saving.high - saving.low) / 2 / factor
        low, high = (with_uncertainty(edge / factor, half)[0] for edge in (saving.low, saving.high))
        interval = f"，节省量的 {100 * CONFIDENCE:g} % 置信区间 {low} 至 {high} {unit}"
    return (
        f"两者同时进行比先后进行{more} {much}，后者共 {number(apart.value / factor, 3)} {unit}"
        f"（{rate}{interval}）"
    )


def whose(found: ShareMeans) -> str:
    """Whose the energy was; the parts add up as they are shown."""
    unit = energy_unit([sum(found.parts)])
    factor = ENERGY_UNITS[unit]
    off = [None if one is None else one / factor for one in
           (found.foreground_off, found.background_off)]  # fmt: skip
    known = [one for one in off if one is not None]
    texts = adding_up([part / factor for part in found.parts], max(known, default=None))
    total, idle, context, *sides = texts
    banded = [
        side if band is None else f"{side} ± {with_uncertainty(band, band)[1]}"
        for side, band in zip(sides, off, strict=True)
    ]
    rest = f"{idle} 属于空闲机器" if not found.parts[1] else (
        f"{context} 属于持有的上下文，{idle} 属于空闲机器"
    )  # fmt: skip
    domains = "、".join(found.domains)
    jobs = f"（{told}）" if (told := job_shares(found)) else ""
    return (
        f"{found.condition}：{domains} 的 {total} {unit} 中，{banded[0]} 属于前台，"
        f"{banded[1]} 属于后台{jobs}；{rest}（{found_size(found.n, found.of_blocks)}）。"
    )


def footprint(one: Footprint) -> str:
    """As `energyctl.analysis.footprint.sentence`."""
    who = "这些运行"
    if one.campaigns:
        shown = "、".join(one.campaigns[:MOST_CAMPAIGNS])
        more = "等" if len(one.campaigns) > MOST_CAMPAIGNS else ""
        who = f"{shown}{more} 的 {one.runs} 次运行"
    parts = []
    if one.co2e is not None:
        rate = number(one.factors.co2e_grams_per_kwh or 0.0)
        parts.append(f"按每千瓦时 {rate} 克计为 {one.co2e} CO2e")
    if one.cost is not None:
        price = money(one.factors.price_per_kwh or 0.0)
        parts.append(f"按每千瓦时 {price}{one.unit} 计为 {one.cost}")
    sources = f"：{'；'.join(one.sources)}" if one.sources else ""
    factors = f"，{'，'.join(parts)}（系数由用户给出{sources}）" if parts else ""
    kind = "测得的能量" if one.measured else "能量（其中一部分是估计值）"
    band = "± 只是能量的不确定度，系数按给出的值计。" if one.factors_bandless else ""
    lacking = f"；有 {one.lacking} 次运行的一部分未知，没有计入" if one.lacking else ""
    return (
        f"{who}共用 {one.kwh} kWh {kind}{factors}。{band}其中包括所有测量过的阶段，含空闲与冷却；"
        f"不包括这里的测量源看不到的部分，如电源、风扇和磁盘{lacking}。"
    )


def search(name: str, found: Found) -> str:
    """As `energyctl.analysis.trial_tables.sentence`."""
    objectives, trials = found.objectives, found.trials
    failed = [trial for trial in trials if trial.missing is not None]
    line = f"{name}：{objectives.wanted.trials} 次试验完成 {len(trials)} 次"
    if failed:
        line += f"（{len(failed)} 次不计入：试验 {failed[0].number}，{failed[0].missing}）"
    line += f"，{_looked_for(objectives)}："
    if not found.best:
        return line + ("没有一次在限度之内。" if objectives.limited else "没有一次计入。")
    perhaps = sum(stands == "maybe" for _, stands in found.best)
    front = len(found.best) - perhaps
    if objectives.limited:
        line += f"试验 {found.best[0][0].number}" if front else "没有一次是确定的"
        also = "可能同样好"
    else:
        line += f"帕累托前沿上有 {front} 次试验"
        also = "可能也在前沿上"
    return line + (f"，另有 {perhaps} 次{also}（误差带重叠）。" if perhaps else "。")


def _looked_for(objectives: Objectives) -> str:
    """As `energyctl.analysis.trial_tables.title`."""
    wanted, higher = objectives.wanted, objectives.better == "higher"
    used = SEARCHED[wanted.energy].format(metric=wanted.metric)
    if wanted.metric_limit is not None:
        bound = "不低于" if higher else "不高于"
        return f"在 {wanted.metric} {bound} {parameter(wanted.metric_limit)} 时{used}最少"
    best = "最高" if higher else "最低"
    if wanted.energy_limit_joules is not None:
        return f"在{used}不超过 {energy(wanted.energy_limit_joules)} 时 {wanted.metric} {best}"
    return f"求更少的{used}和更{'高' if higher else '低'}的 {wanted.metric}"
