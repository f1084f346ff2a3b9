"""CloudWatch's view of a campaign on AWS, fetched whenever its rows are."""

from pathlib import Path

from rich.console import Console

from poolbench.aws import cloudwatch
from poolbench.aws.account import AwsFailed, open_account
from poolbench.model.header import read_header


def sync_cloudwatch(console: Console, directory: Path) -> None:
    """Fetch what CloudWatch saw of a synced campaign; nothing to do for one that was run in the lab."""
    header = read_header(directory)
    if header.target.is_local:
        return
    try:
        samples = cloudwatch.fetch(open_account(header.target.region), header)
    except AwsFailed as error:
        console.print(f"without CloudWatch's metrics: {error}", soft_wrap=True)
        return
    cloudwatch.write(samples, directory)
    overhead_us = cloudwatch.median_overhead_us(samples)
    found = (
        "" if overhead_us is None else f"; a query spent {overhead_us:.0f} us in the proxy (median minute)"
    )
    console.print(f"{len(samples)} values from CloudWatch{found}; it knows more some minutes later")
