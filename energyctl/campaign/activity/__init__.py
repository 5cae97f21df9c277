"""What foreground and background kept busy, and when: recorded through a run, told by span."""
