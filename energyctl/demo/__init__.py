"""The embedded default: a small real training for the quick start, with nothing to install."""
