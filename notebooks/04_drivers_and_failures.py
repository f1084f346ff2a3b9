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

from bench.analysis.notebook import Results
from bench.cli.places import fetch

PLACE = os.environ.get("POOLBENCH_RESULTS", "../results")
results = Results(fetch(PLACE))

# %%
matrix = results.campaign("matrix")
matrix.about()

# %% [markdown]
# ## Strategy by failure
#
# Each cell says how many of the first requests after a gap beyond the timeout were lost, with the error's
# code.

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
