"""Pool strategies: what an application can do about a connection that dies while nobody looks."""

from poolbench.function.strategies.registry import STRATEGIES, UnknownStrategy, get
from poolbench.function.strategies.strategy import (
    CONTROL,
    REFERENCE,
    BadEngine,
    Conduct,
    Setting,
    Strategy,
    build_control,
    build_engine,
    misfit,
)

__all__ = [
    "CONTROL",
    "REFERENCE",
    "STRATEGIES",
    "BadEngine",
    "Conduct",
    "Setting",
    "Strategy",
    "UnknownStrategy",
    "build_control",
    "build_engine",
    "get",
    "misfit",
]
