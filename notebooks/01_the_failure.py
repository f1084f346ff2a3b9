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
# # The failure
#
# A Python Lambda function keeps a pool of database connections between invocations. That is good advice:
# opening a connection takes several round trips, and reusing an open one takes none of them.
#
# The function connects to MySQL through RDS Proxy, which closes a client connection that is idle for longer
# than its *idle client timeout* (30 minutes by default).
#
# Lambda *freezes* the function between invocations. A frozen function does not run and cannot notice that
# its connection was closed. When the next request arrives, perhaps an hour later, the function thaws, its
# pool hands out the dead connection, and the query fails:
#
#     (pymysql.err.OperationalError) (2013, 'Lost connection to MySQL server during query')
#
# This notebook shows a recorded failure, and at which idle time failures begin.

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

# %% [markdown]
# ## What was measured
#
# The reference campaign runs against a local stand-in for Lambda and RDS Proxy. Its timeout is a few seconds
# instead of half an hour, so that a campaign has many gaps. All gaps below are multiples of that timeout.

# %%
quick = results.campaign("quick")
quick.about()

# %% [markdown]
# ## Three steps
#
# One recorded failure. The first request succeeds: the pool opens a connection to the proxy, the proxy opens
# one to MySQL, and both keep theirs. Then nothing is sent: the proxy's timeout passes and the proxy closes
# its side while the function is frozen. On the second request the pool considers its connection alive, and
# the request fails.
#
# The request after that succeeds, because SQLAlchemy discards the dead connection after the error. The
# failure therefore looks like bad luck: it happens once after each quiet half hour and disappears when
# somebody retries.

# %%
quick.chart("timeline")

# %% [markdown]
# The driver's errors, verbatim. `invalidated` tells whether SQLAlchemy considers the connection dead.

# %%
quick.errors()

# %% [markdown]
# ## The cliff
#
# This is not bad luck. A strategy that hands out a connection without checking it fails no request below the
# timeout and every request above it. In the shaded half the proxy has closed the connection.

# %%
quick.chart("cliff")

# %% [markdown]
# Three strategies avoid the cliff: open a connection for each request and keep none (`nullpool`), replace the
# connection before the proxy closes it (`recycle`), or check each connection with a ping (`pre_ping`).
# `recycle_late` does not avoid it: its number is larger than the proxy's timeout.
#
# The next notebook compares their overhead.
