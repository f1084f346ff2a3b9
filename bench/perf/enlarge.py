"""A campaign of any size, made from a measured one: for timing what reads it, not for reading."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from poolbench.model.arrow import write_parquet

_TIMES = ("latency_s", "checkout_s", "connect_s", "ping_s", "execute_s", "reset_s")


def enlarge(source: Path, target: Path, rows: int) -> int:
    """Copy a synced campaign, repeating each cell as further rounds with times scattered by a few percent.

    Returns:
        The number of rows written: `rows`, or what it takes to repeat every cell equally often.

    """
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("figures", "*.html"))
    base = pq.read_table(source / "rows.parquet")
    copies = -(-rows // len(base))
    rng = np.random.default_rng(0)
    rounds, sequences = (pc.max(base[name]).as_py() + 1 for name in ("round", "sequence"))
    tables = []
    for cell in pc.unique(base["cell"]):
        own = base.filter(pc.equal(base["cell"], cell))
        table = pa.concat_tables([own] * copies)
        copy = np.repeat(np.arange(copies), len(own))
        noise = rng.lognormal(0, 0.05, len(table))
        changed = {
            "round": table["round"].to_numpy() + copy * rounds,
            "sequence": table["sequence"].to_numpy() + copy * sequences,
            **{name: table[name].to_numpy() * noise for name in _TIMES},
        }
        for name, values in changed.items():
            at = base.schema.get_field_index(name)
            array = pa.array(values, base.schema.field(at).type, from_pandas=True)
            table = table.set_column(at, name, array)
        tables.append(table)
    write_parquet(target / "rows.parquet", pa.concat_tables(tables))
    return copies * len(base)
