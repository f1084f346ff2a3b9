"""The proxy's metrics as a time series, a sample every so often."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from poolbench.lab.proxy.metrics import Value

INTERVAL_S = 1.0
CAPACITY = 1800  # samples; older ones are forgotten


class Series:
    """Samples of what `read` returns, with the groups of a metric added up."""

    def __init__(self, read: Callable[[], dict[str, Value]]) -> None:
        self._read = read
        self._samples: deque[tuple[int, tuple[float, ...]]] = deque(maxlen=CAPACITY)
        self._names: tuple[str, ...] = ()

    def sample(self) -> None:
        """Add a sample, of now."""
        metrics = {
            name: value if isinstance(value, (int, float)) else value.get("average", sum(value.values()))
            for name, value in self._read().items()
        }
        self._names = tuple(metrics)
        self._samples.append((time.time_ns(), tuple(metrics.values())))

    def as_dict(self) -> dict[str, Any]:
        """Return the metrics' names, and samples: nanoseconds since the epoch, then a value for each name."""
        return {"names": self._names, "samples": [[wall_ns, *values] for wall_ns, values in self._samples]}
