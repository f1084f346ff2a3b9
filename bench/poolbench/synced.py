"""The Parquet files of a synced campaign: what a sync writes and reports read, all that these share."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from poolbench.function.record import Row


def arrow_type(kind: Any) -> pa.DataType:
    """Column type of a row's field; an optional field is one of its type, and enums are text."""
    plain = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    return next((plain[part] for part in get_args(kind) or (kind,) if part in plain), pa.string())


FACTORS: Mapping[str, pa.DataType] = MappingProxyType(  # of the row's cell
    {
        "label": pa.string(),  # the strategy, with the twin of the A/A pair told apart
        "strategy": pa.string(),
        "twin": pa.bool_(),
        "control": pa.bool_(),
        "gap_ratio": pa.float64(),  # asked for, in idle client timeouts
        "gap_asked_s": pa.float64(),
        "driver": pa.string(),
        "failure": pa.string(),
        "endpoint": pa.string(),
        "workload": pa.string(),
        "environments": pa.int64(),  # at once
        "threads": pa.int64(),  # in each
        "replicate": pa.int64(),
        "counted": pa.bool_(),  # False: of an attempt that was left unfinished
    }
)
CLIENT: Mapping[str, pa.DataType] = MappingProxyType(  # of the row's invocation, as the client saw it
    {
        "function": pa.string(),
        "client_sent_wall_ns": pa.int64(),
        "client_done_wall_ns": pa.int64(),
        "function_error": pa.string(),
        "duration_s": pa.float64(),
        "init_duration_s": pa.float64(),
        "max_memory_mb": pa.float64(),
        "throttled": pa.int64(),
    }
)
ROWS = pa.schema(
    {name: arrow_type(kind) for name, kind in get_type_hints(Row).items()} | dict(FACTORS) | dict(CLIENT)
)
CONNECTIONS = pa.schema(
    {
        "wall_ns": pa.int64(),
        "source": pa.string(),
        "metric": pa.string(),
        "group": pa.string(),
        "value": pa.float64(),
        # In a burst: its cell, and `before`, `burst` or `tail`.
        "cell": pa.string(),
        "phase": pa.string(),
    }
)
# `kind` as `poolbench.lab.proxy.monitoring` names it; `client` is the `connection_id` of rows.
EVENTS = pa.schema(
    {
        "wall_ns": pa.int64(),
        "kind": pa.string(),
        "client": pa.int64(),
        "database": pa.int64(),
        "detail": pa.string(),
    }
)
CLOUDWATCH = pa.schema(
    {
        "wall_ns": pa.int64(),  # when the minute began
        "namespace": pa.string(),
        "subject": pa.string(),  # name of the proxy or the function
        "metric": pa.string(),
        "statistic": pa.string(),
        "value": pa.float64(),
    }
)


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table, whole or not at all.

    A time hardly ever comes twice, so a dictionary of times would be larger than they are; of all else it
    is what makes the file small.
    """
    repeated = [one.name for one in table.schema if one.type != pa.float64() and not one.name.endswith("_ns")]
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd", compression_level=9, use_dictionary=repeated)
    partial.replace(path)
