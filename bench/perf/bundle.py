"""How large the deployed bundle is: Lambda loads it at each cold start."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from perf.figure import Figure
from poolbench.aws.pack import make_bundle


def bundle_size() -> Iterator[Figure]:
    """Size of the zip in 10^6 bytes, for this Python and machine."""
    with tempfile.TemporaryDirectory() as name:
        yield Figure("bundle_mb", make_bundle(Path(name) / "bundle.zip").megabytes, "<= 7")
