"""What a chart shows, read from what was drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection


def points_of(axis: Axes) -> Any:
    """Of every scatter in it: x and y, a line each."""
    offsets = [
        np.asarray(part.get_offsets()) for part in axis.collections if isinstance(part, PathCollection)
    ]
    return np.concatenate(offsets)
