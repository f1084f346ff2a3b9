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
# An idle pooled connection is not free: it stays open at the proxy, and many frozen functions keep many of
# them. MySQL limits the number of connections, which is why there is a proxy in the first place. This
# notebook counts connections at the proxy and at the server, with a sampler that leaves its own connection
# out.

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
# ## Open connections over time
#
# One panel for each strategy shows the connections that its functions had open to the proxy. The panel below
# shows the connections to the database. They are far fewer, because the proxy leases one connection to one
# client after another, for a statement or a transaction at a time.

# %%
quick.chart("connections")

# %% [markdown]
# In the table, *opened* is the number of connections opened per request, *open* the mean number open at the
# proxy. Without a pool each request opens a connection and none stays open; with a pool it is the other way
# round. `recycle` opens more than the default pool, because it replaces old connections, and keeps as many
# open.

# %%
quick.overheads()

# %% [markdown]
# ## Concurrent environments
#
# Lambda handles concurrent requests in several environments, each with its own pool. How many connections
# does that take, with and without a proxy, and how many are still open afterwards?

# %%
many = results.campaign("concurrency")
many.about()

# %%
many.chart("concurrency")

# %% [markdown]
# The dotted line is one connection for each environment. The upper panels show the peak, the lower ones what
# the burst leaves open: a frozen environment closes nothing, so the proxy or the server has to.

# %%
many.chart("leak")

# %% [markdown]
# Threads inside one environment share a pool, whose size and overflow limit their connections.

# %%
many.chart("threads")

# %%
many.table()

# %% [markdown]
# ## Age is not idleness
#
# `pool_recycle` compares a connection's *age*, not its idle time, with a number, and only at checkout. So it
# also replaces busy connections that are perfectly good. If the number is larger than the proxy's timeout,
# there is a region in which it must fail. The region follows from the rule; the points were measured.

# %%
quick.chart("recycle_region")

# %% [markdown]
# ## When several go stale together
#
# A function that served concurrent requests has several connections in its pool, and after a quiet half hour
# all of them are dead. How many requests fail?

# %%
results.ask("order")
