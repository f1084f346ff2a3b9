"""Every figure that is asked of the suite itself, measured when asked: `make perf`."""
