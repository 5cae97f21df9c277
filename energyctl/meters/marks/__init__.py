"""Epochs and marks that a training tells while it is metered: see `energyctl.marks`."""
