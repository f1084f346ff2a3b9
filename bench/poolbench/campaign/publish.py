"""From a synced campaign to Parquet that Athena, or anything else that knows Hive's partitions, reads."""

import json
from pathlib import Path

from poolbench.store import Store


class NotFinished(Exception):
    """The campaign has cells to come; what is published once cannot be replaced."""


def publish(directory: Path, store: Store) -> str:
    """Put a campaign's rows into `store`, and return the key: `requests/campaign=ID/rows.parquet`.

    The table in infra/template.yaml is over the store s3://BUCKET/parquet. Publishing again changes nothing.

    Args:
        directory: that `sync` wrote.
        store: for the Parquet of all campaigns.

    Raises:
        NotFinished: some of the campaign's cells are not.
        StoreError: the store refused, or holds other rows of this campaign.

    """
    header = json.loads((directory / "header.json").read_text(encoding="utf-8"))
    if not header["finished"]:
        raise NotFinished(
            f"campaign {header['campaign']} is not finished: go on with `poolbench campaign ... --resume`, "
            "sync again, and then publish it"
        )
    key = f"requests/campaign={header['campaign']}/rows.parquet"
    store.put_new(key, (directory / "rows.parquet").read_bytes())
    return key
