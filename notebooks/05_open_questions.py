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
# # Open questions
#
# Questions from public threads about pools, proxies and frozen functions, answered from the rows. Each answer
# ends with its limitations: the data come from a local stand-in, and only a campaign on AWS can settle a
# question about AWS.

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
results.campaign("questions").about()

# %% [markdown]
# ## Does recycling work when the function is frozen?

# %%
results.ask("frozen")

# %% [markdown]
# The lab can also drop the packets of a frozen function, which a frozen microVM would not receive. Then a
# pool that only looks at its socket cannot tell that the connection was closed.

# %%
results.campaign("frozen").matrix()

# %% [markdown]
# ## Recycle just below the timeout, or ping?

# %%
results.ask("near")

# %% [markdown]
# ## No pool, or a pool of one?

# %%
results.ask("no_pool")

# %% [markdown]
# ## Both options are on, and it still happens

# %%
results.ask("held")

# %% [markdown]
# ## A ping that hangs

# %%
results.ask("hang")

# %% [markdown]
# ## A recycle longer than the timeout, and a ping

# %%
results.ask("late")

# %% [markdown]
# ## A ping only when idle

# %%
results.ask("when_idle")

# %% [markdown]
# ## The ROLLBACK at each return

# %%
results.ask("rollback")

# %% [markdown]
# ## First in, first out, or last in?

# %%
results.ask("order")
