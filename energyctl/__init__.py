"""Measures the energy of a training while the machine is under load from other trainings.

`energyctl.Meter` meters a block of Python code, `energyctl.load` reads results: docs/python.md.
`energyctl.epoch` and `energyctl.mark` tell from inside a training how far it is: docs/marks.md.
"""

__version__ = "0.1.0"

# Name → the module that holds it; None: it is a module itself. The types stand in __init__.pyi.
_HOMES = {
    "Energy": "energyctl.energy",
    "EnergyctlError": "energyctl.errors",
    "MachineError": "energyctl.errors",
    "Meter": "energyctl.meters.meter",
    "MeteredPhase": "energyctl.meters.meter",
    "PhaseEnergy": "energyctl.meters.meter",
    "Run": "energyctl.results.api",
    "Runs": "energyctl.results.api",
    "SettingsError": "energyctl.errors",
    "charts": None,
    "compare": "energyctl.analysis.comparing",
    "epoch": "energyctl.marks",
    "epoch_begin": "energyctl.marks",
    "figures": None,
    "keras_callback": "energyctl.marks",
    "lightning_callback": "energyctl.marks",
    "load": "energyctl.results.api",
    "mark": "energyctl.marks",
    "tracked": "energyctl.marks",
    "transformers_callback": "energyctl.marks",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    """Imports what is exported at its first use: `import energyctl` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = _HOMES[name]
    return (
        import_module(f"energyctl.{name}") if home is None else getattr(import_module(home), name)
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
