"""The phases of a run, in their order, and the words for them: one vocabulary everywhere. Pure."""

from __future__ import annotations

WORDS = {
    "idle": "idle",
    "context_held": "context held",
    "background_start": "load coming up",
    "background_only": "load alone",
    "foreground": "training",
    "between_steps": "between steps",
    "step": "not metered",
    "background_stop": "load going down",
    "cooldown": "cool-down",
}
PHASES = tuple(WORDS)

TRAINING = ("foreground", "step")
"""Phases in which a step of the foreground runs; its name stands behind a colon."""


def kind_of(phase: str) -> str:
    """``foreground:train`` → ``foreground``."""
    return phase.partition(":")[0]


def phase_words(phase: str, step: str | None = None) -> str:
    """``foreground:train``, or ``foreground`` and ``train`` → ``training (train)``.

    A phase that is not known, of another version, stays as it is.
    """
    kind, _, named = phase.partition(":")
    step = step or named
    words = WORDS.get(kind, kind)
    if not step:
        return words
    return f"{step} ({words})" if kind == "step" else f"{words} ({step})"
