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
# A Lambda function written in Python keeps a pool of database connections between its invocations.
# Keeping a connection is good advice: opening one takes several round trips, using an open one takes none
# of them.
#
# Between the function and MySQL stands a proxy, RDS Proxy. It has an *idle client timeout*, half an hour
# unless it is told otherwise: a client that has sent nothing for so long is disconnected.
#
# Between two invocations Lambda *freezes* the function. It does not run, so it cannot notice that
# anything is disconnected. When the next request comes, an hour later say, the function thaws, its pool
# hands out the old connection, which is dead by now, and the query fails:
#
#     (pymysql.err.OperationalError) (2013, 'Lost connection to MySQL server during query')
#
# This notebook shows that failure as it was recorded, and where exactly it begins.

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

# %% [markdown]
# ## What was measured
#
# The reference campaign runs against a local stand-in for Lambda and RDS Proxy with a timeout of seconds,
# not half an hour, so that there can be many gaps. All gaps below are multiples of that timeout.

# %%
quick = results.campaign("quick")
quick.about()

# %% [markdown]
# ## Three steps
#
# One failure, as it was recorded. First an access that works: the pool opens a connection to the proxy,
# the proxy one to MySQL, and both keep theirs. Then silence: the proxy's timeout passes and it closes its
# side, while the function is frozen. Then the second access: the pool believes in its connection, and the
# request is lost.
#
# The request after that succeeds, because the error made SQLAlchemy throw the dead connection away. So
# the failure looks like bad luck, once every quiet half hour, and nothing to be seen when somebody tries
# it again.

# %%
quick.chart("timeline")

# %% [markdown]
# This is what the driver said, in its own words. `invalidated` is SQLAlchemy's verdict that the
# connection is dead.

# %%
quick.errors()

# %% [markdown]
# ## The cliff
#
# Bad luck it is not. Below the timeout nothing is lost, beyond it everything is, by every strategy that
# hands out a connection without looking. The shaded half is where the proxy has closed the connection.

# %%
quick.chart("cliff")

# %% [markdown]
# Three ways lead around the cliff: open a connection for each request and keep none (`nullpool`), replace
# connections before the proxy does (`recycle`), or ask each connection whether it is alive (`pre_ping`).
# And one leads over it all the same: `recycle_late`, where the number is larger than the proxy's.
#
# What each of them costs is the subject of the next notebook.
