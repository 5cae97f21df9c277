"""What it took to reach a value, in words."""

from __future__ import annotations

from energyctl import text
from energyctl.results.reader import total_energy
from energyctl.results.schema import Result


def words(result: Result) -> list[str]:
    """``accuracy 0.9: 12.340 ± 0.052 kJ, 2 min 05 s``, a line per metric; or why it was not."""
    lines = []
    measured = total_energy(result).measured
    for name, one in (result.get("reach") or {}).items():
        how = one.get("missing") or text.UNKNOWN
        joules, seconds = one.get("joules"), one.get("seconds")
        if joules is not None and seconds is not None:
            energy = text.energy(joules, one.get("uncertainty_joules"), measured=measured)
            how = f"{energy}, {text.duration(seconds)}"
        lines.append(f"{name} {text.parameter(one.get('value'))}: {how}")
    return lines
