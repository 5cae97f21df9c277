"""What the self-tests of all counters found, for ``energyctl doctor``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from energyctl.energy import Check, Domain
from energyctl.energy.checks import against_limit
from energyctl.meters.base import Source


def counter_checks(
    sources: Sequence[Source], watts: Mapping[str | None, float | None], seconds: float
) -> list[dict[str, Any]]:
    """A check for each measured counter that counts for something, also of one that was refused.

    watts: by domain, over the `seconds` that it was looked at; None: it did not move. Keys are
    `domain`, those of ``energy.domains[].checks`` in a result, and `words`.
    """
    return [
        {"domain": domain.name, **check.to_json(), "words": check.words}
        for source in sources
        for domain in source.domains()
        for check in domain.checks or _alone(domain, watts.get(domain.name), seconds)
    ]


def _alone(domain: Domain, watts: float | None, seconds: float) -> list[Check]:
    """Of a counter of a device that tells no power."""
    if domain.quantity != "energy" or not domain.always_draws or domain.missing is not None:
        return []
    if watts is None:
        words = f"its counter did not move for {seconds:g} s"
        return [Check("start", "refused", "still", details=words)]
    most = domain.max_watts
    return [against_limit(watts * seconds, seconds, most) or Check("start", "agreed", None, watts)]
