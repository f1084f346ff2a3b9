# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The tradeoffs
#
# Several settings of SQLAlchemy's pool survive a quiet half hour. Each has some overhead: time on every
# request, time on the first request after a gap, or open connections at the proxy. This notebook compares
# them.
#
# Two rules make the comparison fair. First, only strategies without a *single* failed request can be
# recommended, whatever the latency of the others: an error is quick, and useless. Second, nothing is trimmed
# or averaged away: the one slow request after the gap is the subject.

# %% [markdown]
# Only the next cell needs to change for other data: `PLACE` is a directory of campaigns, the directory of
# your own campaign, or the URL of a store, such as `s3://bucket/prefix`. `poolbench notebooks PLACE` sets
# it for you.

# %%
import os

from poolbench.cli.places import fetch
from poolbench.report.notebook import Results

PLACE = os.environ.get("POOLBENCH_RESULTS", "../results")
results = Results(fetch(PLACE))

# %%
quick = results.campaign("quick")
quick.about()

# %% [markdown]
# ## The answer first

# %%
quick.recommendation()

# %%
quick.chart("tradeoff")

# %% [markdown]
# ## Overhead of each strategy
#
# *Warm* requests follow a successful request of the same invocation. *After the timeout* are the first
# requests after a gap longer than the timeout. Brackets hold 95 % intervals; ∞ means that there were too few
# requests for a bound.

# %%
quick.overheads()

# %% [markdown]
# ## Every first request
#
# One point for each first request after a gap. Hollow points reused a connection, filled ones had to open
# one, and crosses failed. Reusing and opening are two modes with a median each: a number between them would
# describe no request at all.

# %%
quick.chart("first_latency")

# %% [markdown]
# The same requests with their tail: the share of requests that still wait after a number of milliseconds. A
# line that runs flat to the right edge is the share that was never answered.

# %%
quick.chart("unanswered")

# %% [markdown]
# ## Where the time goes

# %%
quick.chart("phases")

# %% [markdown]
# ## Commands on a network
#
# On one machine a round trip costs next to nothing; in a VPC it takes time. The *number* of commands that a
# request waits for is the same on both; the chart multiplies it by the round-trip time.

# %%
quick.chart("wire")

# %% [markdown]
# The same campaign with added round-trip time tests that multiplication.

# %%
slow = results.campaign("quick_rtt")
slow.about()

# %%
slow.overheads()

# %%
slow.recommendation()

# %% [markdown]
# ## Is the difference real?
#
# Every campaign measures the default pool twice, under two names: the A/A control. The difference between the
# two is noise, and a smaller difference means nothing. The p-values are adjusted for the number of
# comparisons.

# %%
quick.comparisons()

# %% [markdown]
# ## Limitations

# %%
quick.limitations()
