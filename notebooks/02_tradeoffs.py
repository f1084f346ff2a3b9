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
# Several settings of SQLAlchemy's pool survive a quiet half hour. Each has a price, and the price is paid
# in different coin: time on every request, time on the first request after a quiet while, or connections
# that the proxy has to hold. This notebook puts the prices side by side.
#
# Two rules make the comparison fair. First, only strategies that lost *no* request can be recommended,
# whatever the latency of the others: an error is quick, and useless. Second, nothing is trimmed and
# nothing is averaged away: the one slow request after the gap is what this is about.

# %% [markdown]
# The next cell is the only one to change: `PLACE` is a directory of campaigns, the directory of one
# campaign of your own, or the URL of a store, such as `s3://bucket/prefix`. `poolbench notebooks PLACE`
# does it for you.

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
# ## The price of each
#
# *Steady* requests follow another one at once, and are most of what a busy function sends. *Beyond* are
# the first requests after a gap longer than the timeout. In brackets is a 95 % interval; ∞ says that
# there were too few requests to bound that figure.

# %%
quick.prices()

# %% [markdown]
# ## Every first request
#
# One point for each first request after a gap. Hollow points reused a connection, filled ones had to open
# one, and a cross is a lost request. The two kinds are two modes, so they have a median each: a number
# between them would describe no request at all.

# %%
quick.chart("first_latency")

# %% [markdown]
# The same with the tail in view: how many requests still wait after so many milliseconds. A line that
# runs flat to the right is the share that was never answered.

# %%
quick.chart("unanswered")

# %% [markdown]
# ## Where the time goes

# %%
quick.chart("phases")

# %% [markdown]
# ## Round trips, and the network that is not there
#
# On one machine a round trip costs next to nothing, in a VPC it does not. What carries over is the
# *number* of commands that a request waits for; the chart multiplies it with a round-trip time of your
# choice.

# %%
quick.chart("wire")

# %% [markdown]
# The same campaign was run again with a round-trip time added, to see whether the multiplication holds.

# %%
slow = results.campaign("quick_rtt")
slow.about()

# %%
slow.prices()

# %%
slow.recommendation()

# %% [markdown]
# ## Is the difference real?
#
# Every campaign measures the default pool twice, under two names. What the two differ by is noise, and a
# difference smaller than that means nothing. The p-values are adjusted for the number of comparisons.

# %%
quick.comparisons()

# %% [markdown]
# ## What this cannot tell

# %%
quick.limits()
