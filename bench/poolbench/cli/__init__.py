"""The command line: verbs that share only files, plan -> run -> sync -> report."""

from poolbench.cli.main import main

__all__ = ["main"]
