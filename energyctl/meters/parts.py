"""Physical things (`Domain.part`) that hold several kinds of what draws power."""

from __future__ import annotations

from collections.abc import Mapping

from energyctl.energy import Domain, Kind

_CPUS: tuple[Kind, ...] = ("cpu", "dram")
WHOLES: Mapping[str, tuple[Kind, ...]] = {
    "module/": (*_CPUS, "gpu"),
    "board/": (*_CPUS, "gpu"),
    "socket/": _CPUS,
}
"""By how the part's name begins: what it holds."""


def holds(part: str, kind: str) -> bool:
    """Whether the part holds what is of a kind beside others."""
    return any(part.startswith(whole) and kind in kinds for whole, kinds in WHOLES.items())


def is_in(domain: Domain, kind: str) -> bool:
    """Whether the domain shows what is of a kind together with others."""
    return domain.part is not None and holds(domain.part, kind)
