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
# # Connections
#
# A pooled connection that nobody uses is not free: the proxy holds it, and many frozen functions hold
# many of them. MySQL allows so many connections and no more, which is why there is a proxy in the first
# place. This notebook counts connections where the truth is, at the proxy and at the server, by a sampler
# that is not part of what it counts.

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
# ## Who holds what, and for how long
#
# One panel for each strategy shows the connections that its functions held open to the proxy. Below them
# is what the database had to carry: far less, because the proxy lends one connection to one client after
# the other, a statement or a transaction at a time.

# %%
quick.chart("connections")

# %% [markdown]
# In the table, *opened* is how many connections a strategy opened for each request, *held* how many lay
# open at the proxy on average. Without a pool a connection is opened for each request and none is held;
# with one it is the other way round. `recycle` opens more than the plain pool, for it replaces connections
# that are too old, and holds as many.

# %%
quick.prices()

# %% [markdown]
# ## Many at once
#
# Lambda answers many requests at once by many environments, each with a pool of its own. How many
# connections does that take, with a proxy and without one, and how many are still there when all is
# quiet?

# %%
many = results.campaign("concurrency")
many.about()

# %%
many.chart("concurrency")

# %% [markdown]
# A dotted line is one connection for each environment. Above is the most that were open at once, below
# what the burst leaves behind: a frozen environment closes nothing, so somebody else has to.

# %%
many.chart("leak")

# %% [markdown]
# Threads inside one environment share a pool, whose size and overflow say how many connections they may
# have.

# %%
many.chart("threads")

# %%
many.table()

# %% [markdown]
# ## Age is not idleness
#
# `pool_recycle` compares a connection's *age* with a number, not how long it was idle, and it does so at
# checkout and nowhere else. So it also replaces connections that are perfectly good because they are
# busy; and where the number is larger than the proxy's timeout there is a region in which it must fail.
# The region follows from the rule; the points were measured.

# %%
quick.chart("recycle_region")

# %% [markdown]
# ## When several go stale together
#
# A function that served several requests at once has several connections in its pool, and after a quiet
# half hour all of them are dead. How many requests does that cost?

# %%
results.ask("order")
