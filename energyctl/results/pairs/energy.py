"""Energies of a pair: alone, beside, of both one after the other. Pure.

Of whole domains. Uncertainties are half-widths of bands, and add up; what the meters are off by
alike on both sides of a comparison counts by what it differs by.
"""

from __future__ import annotations

from dataclasses import dataclass

from energyctl.results.pairs.facts import DomainFacts, RunFacts
from energyctl.results.pairs.figure import Figure, added_up, scaled


def energy_of(run: RunFacts) -> Figure:
    unknown = next((one for one in run.domains if one.joules is None), None)
    if unknown is not None or not run.domains:
        why = unknown and f"{unknown.name}: {unknown.missing or 'not known'}"
        return Figure(missing=run.missing.get("total_joules") or why or "nothing was metered")
    bands = [one.uncertainty for one in run.domains]
    wide = None if None in bands else added_up(band or 0.0 for band in bands)
    return Figure(added_up(one.joules or 0.0 for one in run.domains), wide)


def unlike_meters(beside: RunFacts, alone: RunFacts) -> str | None:
    """Why the energies of two runs are not of the same, if so."""
    for run, words in ((alone, "alone"), (beside, "beside")):
        figure = energy_of(run)
        if figure.value is None:
            return f"the energy {words} is not known: {figure.missing}"
    first, second = ({_metered(one) for one in run.domains} for run in (alone, beside))
    if first != second:
        names = [", ".join(sorted(names)) for names in (first, second)]
        return f"not metered alike: alone {names[0]}; beside {names[1]}"
    return None


def _metered(domain: DomainFacts) -> str:
    return f"{domain.name} ({domain.source})" if domain.source else domain.name


@dataclass(frozen=True)
class _Part:
    """Joules of a domain, with the run's own part of their band and the part in common."""

    joules: float
    own: float | None
    common: float = 0.0


def _part(domain: DomainFacts) -> _Part:
    """Without the parts, as of an estimate or in an older result, all of the band is its own."""
    joules = domain.joules or 0.0
    if domain.own is None or domain.common is None:
        return _Part(joules, domain.uncertainty)
    return _Part(joules, domain.own, domain.common)


def _by_name(run: RunFacts) -> dict[str, _Part]:
    return {one.name: _part(one) for one in run.domains}


def energy_ratio(beside: RunFacts, alone: RunFacts, unlike: str | None) -> Figure:
    """Energy beside ÷ alone."""
    if unlike is not None:
        return Figure(missing=unlike)
    b, a = _by_name(beside), _by_name(alone)
    over, under = (added_up(one.joules for one in side.values()) for side in (b, a))
    if over <= 0 or under <= 0:
        return Figure(missing="an energy is not above 0")
    ratio, parts = over / under, list[float | None]()
    for name in b:
        parts += [_share(b[name].own, over), _share(a[name].own, under)]
        parts.append(abs(b[name].common / over - a[name].common / under))
    return Figure(ratio, scaled(parts, ratio))


def _share(part: float | None, whole: float) -> float | None:
    return None if part is None else part / whole


@dataclass(frozen=True)
class LoadEnergy:
    """Energy of the background's work alone, by domain of the total."""

    figure: Figure
    parts: dict[str, _Part]


def background_alone(beside: RunFacts, seconds: Figure) -> LoadEnergy:
    """The power of the load alone times the time that its work takes alone.

    That power is what `marginal_joules` is above of: (joules − marginal_joules) ÷ seconds.
    """
    if seconds.value is None:
        return LoadEnergy(Figure(missing=seconds.missing), {})
    parts = dict[str, _Part]()
    for one in beside.domains:
        load = load_watts(beside, one)
        if load.value is None:
            return LoadEnergy(Figure(missing=load.missing), {})
        watts, wide, own = load.value, load.uncertainty, None
        stated = one.stated / one.joules * watts if one.joules else 0.0
        if wide is not None and seconds.uncertainty is not None:
            own = wide * seconds.value + abs(watts) * seconds.uncertainty
        parts[one.name] = _Part(watts * seconds.value, own, stated * seconds.value)
    whole = [None if one.own is None else one.own + one.common for one in parts.values()]
    joules = added_up(one.joules for one in parts.values())
    return LoadEnergy(Figure(joules, scaled(whole)), parts)


def load_watts(beside: RunFacts, domain: DomainFacts) -> Figure:
    """Power of the load alone, with the part of its band that is no stated share."""
    (marginal, band), length = domain.marginal, beside.energy_seconds
    if domain.joules is None or marginal is None or not length:
        return Figure(missing=_no_load(beside))
    wide = _of_baseline(domain, marginal, band)
    watts = (domain.joules - marginal) / length
    return Figure(watts, None if wide is None else wide / length)


def _no_load(beside: RunFacts) -> str:
    why = beside.missing.get("marginal_joules", "it was not seen long enough")
    return f"the power of the load alone is not known: {why}"


def marginal_joules(beside: RunFacts) -> Figure:
    """What the training added to the load alone."""
    added = [one.marginal[0] for one in beside.domains]
    known = [one for one in added if one is not None]
    if not known or len(known) < len(added):
        return Figure(missing=_no_load(beside))
    return Figure(added_up(known), scaled([one.marginal[1] for one in beside.domains]))


def _of_baseline(domain: DomainFacts, above: float, band: float | None) -> float | None:
    """Of the band of what is above a baseline, the baseline's part but for a stated share: the rest
    is that of the energy, and what is in proportion to the difference (`proportional_joules`)."""
    if band is None or domain.uncertainty is None:
        return None
    share = domain.proportional / domain.joules if domain.joules else 0.0
    return max(0.0, band - (domain.uncertainty - domain.proportional) - share * abs(above))


def saving(
    beside: RunFacts, alone: RunFacts, load: LoadEnergy, unlike: str | None
) -> tuple[Figure, Figure]:
    """(energy of both one after the other, that less the energy of both together)."""
    why = unlike or load.figure.missing
    if why is not None:
        return Figure(missing=why), Figure(missing=why)
    b, a = _by_name(beside), _by_name(alone)
    joules, bands = [0.0, 0.0], (list[float | None](), list[float | None]())
    for name, part in load.parts.items():
        apart, common = a[name].joules + part.joules, a[name].common + part.common
        joules[0] += apart
        joules[1] += apart - b[name].joules
        bands[0].extend((a[name].own, part.own, common))
        bands[1].extend((a[name].own, part.own, b[name].own, abs(common - b[name].common)))
    first, second = (
        Figure(value, scaled(parts)) for value, parts in zip(joules, bands, strict=True)
    )
    return first, second


def idle_part(beside: RunFacts, alone: RunFacts, seconds: Figure) -> Figure:
    """What of the saving is the idle machine's: its power × the time saved."""
    if seconds.value is None:
        return Figure(missing=seconds.missing)
    idle = idle_joules(beside)
    if idle.value is None or not beside.energy_seconds or None in (beside.seconds, alone.seconds):
        return Figure(missing=idle.missing or "a duration is not known")
    saved = (alone.seconds or 0.0) + seconds.value - (beside.seconds or 0.0)
    watts = idle.value / beside.energy_seconds
    if idle.uncertainty is None or seconds.uncertainty is None:
        return Figure(watts * saved)
    wide = idle.uncertainty / beside.energy_seconds * abs(saved) + abs(watts) * seconds.uncertainty
    return Figure(watts * saved, wide)


def idle_joules(run: RunFacts) -> Figure:
    """What the idle machine would have taken in the time of the run."""
    parts = [domain_idle(one) for one in run.domains]
    unknown = next((one for one in parts if one.value is None), None)
    if unknown is not None or not parts:
        why = run.missing.get("above_idle_joules", "it was not seen long enough")
        return Figure(missing=f"the power of the idle machine is not known: {why}")
    return Figure(
        added_up(one.value or 0.0 for one in parts), scaled([one.uncertainty for one in parts])
    )


def domain_idle(domain: DomainFacts) -> Figure:
    """The same of one domain: its joules less `above_idle_joules`."""
    above, band = domain.above_idle
    if domain.joules is None or above is None:
        return Figure(missing="no baseline of the idle machine")
    wide, idle = _of_baseline(domain, above, band), domain.joules - above
    stated = domain.stated / domain.joules * abs(idle) if domain.joules else 0.0
    return Figure(idle, None if wide is None else wide + stated)
