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
# # Drivers and failures
#
# A proxy that closes an idle connection says so, by the end of the TCP stream. There are less polite ways
# to go: an error packet before the end, a reset, or silence, where packets simply vanish. A cure that
# works for one of them may not work for another. This notebook sets every strategy against every way, and
# shows what the drivers make of it.

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
matrix = results.campaign("matrix")
matrix.about()

# %% [markdown]
# ## Strategy by failure
#
# One panel for each driver, one column for each way to go. A cell says how many of the first requests
# after a gap beyond the timeout were lost and, behind a plus, how many after a shorter one. Drivers whose
# names end in `_run` get an event loop for each invocation, from `asyncio.run`: with them, whoever keeps a
# connection loses the request that meets it in the next loop, however short the gap. Only a strategy that
# keeps none is safe with them.

# %%
matrix.matrix()

# %% [markdown]
# ## What the drivers say
#
# SQLAlchemy decides from the driver's error whether a connection is dead and must be replaced
# (*invalidated*). An error that it does not know for what it is would leave the dead connection in the
# pool.

# %%
matrix.errors()

# %% [markdown]
# ## Without a proxy
#
# MySQL has an idle timeout of its own, `wait_timeout`, eight hours unless it is told otherwise. Newer
# servers say why they go, with error 4031, and not every driver reads it.

# %%
direct = results.campaign("wait_timeout")
direct.about()

# %%
direct.matrix()

# %%
direct.errors()

# %% [markdown]
# ## Over TLS
#
# Whoever ends a TLS session in order says so, with close_notify, before the end of the stream. A stream
# that just ends is an error of the TLS library's own, and whether SQLAlchemy takes that for a lost
# connection, which it must to replace it, depends on what the driver makes of it.

# %%
tls = results.campaign("matrix_tls")
tls.about()

# %%
tls.matrix()

# %%
tls.errors()

# %% [markdown]
# ## Frozen, and out of reach
#
# A function that is frozen by a signal still has a kernel that receives what the proxy says at its end. A
# frozen microVM has not: the end arrives nowhere. This campaign drops the packets of frozen functions, so
# that each wakes up with a connection that looks as good as new.

# %%
frozen = results.campaign("frozen")
frozen.about()

# %%
frozen.matrix()

# %%
frozen.errors()

# %% [markdown]
# ## Trouble at the very moment
#
# Not every failure waits for a quiet half hour. Here the gap is harmless, and the server restarts,
# refuses connections or runs out of them while the request is on its way. What a pool does about the gap
# is of no use then; what it does about errors is.

# %%
outages = results.campaign("outages")
outages.about()

# %%
outages.matrix()

# %%
outages.errors()

# %% [markdown]
# ## Silence
#
# The worst way to go is to say nothing. Then a ping is a request like any other: it waits for an answer,
# and the answer never comes. What ends the wait is a timeout, of the driver or of the function.

# %%
hole = results.campaign("black_hole")
hole.about()

# %%
hole.chart("cliff")

# %%
hole.prices()

# %%
hole.recommendation()

# %% [markdown]
# ## Side by side

# %%
hole.contest("queuepool", "nullpool", "recycle", "pre_ping", "pre_ping_read_timeout", "recycle_pre_ping")
