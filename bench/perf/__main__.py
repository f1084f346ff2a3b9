"""`python -m perf [NAME...]` prints each figure as name, value, goal."""

import sys
from collections.abc import Mapping

from perf.analysis import aggregates_against_duckdb, report_of_a_million
from perf.campaign import quick_campaign
from perf.figure import Measure
from perf.function import bundle_size, function_init_ratio, instrument_overhead
from perf.proxy import proxy_against_haproxy
from perf.rtt import rtt_error

MEASURES: Mapping[str, Measure] = {
    "campaign": quick_campaign,
    "instrument": instrument_overhead,
    "init": function_init_ratio,
    "bundle": bundle_size,
    "proxy": proxy_against_haproxy,
    "rtt": rtt_error,
    "report": report_of_a_million,
    "aggregate": aggregates_against_duckdb,
}


def main(names: list[str]) -> None:
    """Measure what is named, or everything."""
    unknown = set(names) - set(MEASURES)
    if unknown:
        sys.exit(f"unknown {', '.join(sorted(unknown))}: there are {', '.join(MEASURES)}")
    for name in names or MEASURES:
        for figure in MEASURES[name]():
            sys.stdout.write(figure.line() + "\n")
            sys.stdout.flush()


main(sys.argv[1:])
