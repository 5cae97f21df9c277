"""The columns of the table of epochs."""

from __future__ import annotations

from energyctl.results.tables.columns import Column, Family, Layout

METRICS = Family("metric_", "float", "", "that figure, as it was told with the epoch", "not told")

EPOCHS = Layout(
    "epochs",
    (
        Column("experiment_id", "text", "", "the run; the key of all tables"),
        Column("epoch", "integer", "", "its number, as the training counts"),
        Column("epochs", "integer", "", "that end in this row; more than 1 of 1000 or more"),
        Column("started", "timestamp", "UTC", "its begin"),
        Column("ended", "timestamp", "UTC", "its end"),
        Column("seconds", "float", "s", "its length"),
        Column("joules", "float", "J", "total of the machine, as total_joules", "see missing"),
        Column("uncertainty_joules", "float", "J", "half-width of its band", "see missing"),
        Column("watts", "float", "W", "mean power", "see missing"),
        Column("missing", "text", "", "why there is no figure", "there is one"),
    ),
    (METRICS,),
)
"""A row: an epoch that the training told, of the last attempt of a run."""
