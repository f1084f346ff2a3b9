"""`python -m micro FILE DIRECTORY` keeps a saved run in a directory, as results/ does."""

import argparse
import sys
from pathlib import Path

from micro.page import keep
from micro.summary import NotARun


def main() -> None:
    """Write `benchmark.json` and `summary.md`."""
    parser = argparse.ArgumentParser(prog="python -m micro", description=main.__doc__)
    parser.add_argument("file", type=Path, help="of --benchmark-json")
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    try:
        keep(arguments.file, arguments.directory)
    except NotARun as error:
        sys.exit(f"poolbench: {error}")


main()
