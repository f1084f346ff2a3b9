"""What was recorded beside the rows: connections over time, the lab proxy's events, CloudWatch's metrics."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from poolbench.model.arrow import CLOUDWATCH, CONNECTIONS, EVENTS
from poolbench.model.columns import columns
from poolbench.model.series import ConnectionSample

_OPTIONAL = [name for name, column in columns(ConnectionSample).items() if column.default is None]
Note = Callable[[str, str], None]  # told a file's name and what is wrong with it


def read_connections(directory: Path, note: Note) -> pd.DataFrame:
    """The samplers' series; empty if there is none, which is noted."""
    return _read(
        directory / "connections.parquet", CONNECTIONS, "connections over time cannot be shown", note
    )


def read_events(directory: Path, note: Note) -> pd.DataFrame:
    """What the lab's proxy did, in order of time; empty if it is not there, which is noted."""
    missing = "what the proxy did is shown by its settings"
    return _read(directory / "events.parquet", EVENTS, missing, note).sort_values(
        "wall_ns", ignore_index=True
    )


def no_events() -> pd.DataFrame:
    """An empty table of events: RDS Proxy tells nobody what it did."""
    frame: pd.DataFrame = EVENTS.empty_table().to_pandas()
    return frame


def read_cloudwatch(directory: Path, note: Note) -> pd.DataFrame:
    """CloudWatch's metrics of a campaign on AWS; empty if none were fetched."""
    path = directory / "cloudwatch.parquet"
    if not path.exists():
        frame: pd.DataFrame = CLOUDWATCH.empty_table().to_pandas()
        return frame
    return _read(path, CLOUDWATCH, "", note)


def _read(path: Path, schema: pa.Schema, without: str, note: Note) -> pd.DataFrame:
    table = schema.empty_table()
    try:
        table = pq.read_table(path)
        for name in _OPTIONAL:
            if name in schema.names and name not in table.column_names:
                table = table.append_column(name, pa.nulls(len(table), pa.string()))
        table = table.select(schema.names).cast(schema)
    except FileNotFoundError:
        note(path.name, f"is missing: {without}")
    except KeyError as error:
        note(path.name, f"is left out: {error}")
    except (pa.ArrowException, OSError) as error:
        note(path.name, f"is corrupt and left out ({first_line(error)}): sync the campaign again")
    for at, column in enumerate(schema):
        if column.type == pa.string():
            table = table.set_column(at, column.name, table[column.name].dictionary_encode())
    frame: pd.DataFrame = table.to_pandas()
    return frame


def first_line(error: BaseException) -> str:
    """As much of an error as goes into one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
