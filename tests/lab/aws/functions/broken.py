"""A function whose import fails."""

raise RuntimeError("no such table: moons")
