"""Commands that print figures; see docs/benchmarks.md."""
