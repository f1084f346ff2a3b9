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
# A proxy that closes an idle connection ends the TCP stream in order. Connections can also end less cleanly:
# with an error packet before the end, with a reset, or silently, when packets simply vanish. A fix for one
# failure mode may not work for another. This notebook tests every strategy against every failure mode, and
# shows how the drivers report it.

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
matrix = results.campaign("matrix")
matrix.about()

# %% [markdown]
# ## Strategy by failure
#
# One panel for each driver, one column for each failure mode. A cell counts the first requests that failed
# after a gap longer than the timeout and, behind a plus, after a shorter one. Drivers whose names end in
# `_run` get an event loop for each invocation, from `asyncio.run`. A connection kept from an earlier event
# loop fails in the next one, however short the gap, so only strategies that keep none are safe with them.

# %%
matrix.matrix()

# %% [markdown]
# ## Errors
#
# SQLAlchemy decides from the driver's error whether a connection is dead and must be replaced
# (*invalidated*). An error that it does not recognise would leave the dead connection in the pool.

# %%
matrix.errors()

# %% [markdown]
# ## Without a proxy
#
# MySQL has its own idle timeout, `wait_timeout`, eight hours by default. Newer servers give the reason with
# error 4031 when they close a connection, and not every driver reads it.

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
# A clean TLS shutdown sends close_notify first. If the stream just ends, the TLS library raises an error of
# its own. SQLAlchemy has to recognise that error as a dead connection to replace it, and whether it does
# depends on how the driver wraps it.

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
# When a function is frozen by a signal, the host kernel keeps acknowledging packets, including the proxy's
# FIN. A frozen microVM receives nothing. This campaign drops the packets of frozen functions, so that each
# thaws with a connection that looks alive.

# %%
frozen = results.campaign("frozen")
frozen.about()

# %%
frozen.matrix()

# %%
frozen.errors()

# %% [markdown]
# ## Failures during the request
#
# Not every failure needs a quiet half hour. Here the gap is harmless, and the server restarts, refuses
# connections or runs out of them while the request is on its way. A pool's handling of gaps does not help
# then; its handling of errors does.

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
# The worst failure mode is silence. A ping is then a request like any other: it waits for an answer that
# never comes. Only a timeout ends the wait, of the driver or of the function.

# %%
hole = results.campaign("black_hole")
hole.about()

# %%
hole.chart("cliff")

# %%
hole.overheads()

# %%
hole.recommendation()

# %% [markdown]
# ## Side by side

# %%
hole.contest("queuepool", "nullpool", "recycle", "pre_ping", "pre_ping_read_timeout", "recycle_pre_ping")
