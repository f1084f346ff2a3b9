"""Which charts a report has, in its order."""

from poolbench.report.charts import (
    burst_latency,
    cliff,
    concurrency,
    connections,
    latency,
    leak,
    phases,
    recycle,
    timeline,
    tradeoff,
    unanswered,
    wire,
)

# Of one scenario and its assessment.
CHARTS = (
    tradeoff.CHART,
    cliff.CHART,
    timeline.CHART,
    latency.CHART,
    unanswered.CHART,
    phases.CHART,
    wire.CHART,
    connections.CHART,
    recycle.CHART,
)
# Of a dataset of bursts and its rows.
BURST_CHARTS = (concurrency.CHART, concurrency.THREADS, leak.CHART, burst_latency.CHART)
