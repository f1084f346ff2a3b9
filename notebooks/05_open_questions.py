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
# What public threads ask about pools, proxies and frozen functions, and what the rows say. Each answer
# ends with what these data cannot tell; they come from a local stand-in, and the word that settles a
# question about AWS is a campaign on AWS.

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
results.campaign("questions").about()

# %% [markdown]
# ## Does recycling work when the function is frozen?

# %%
results.ask("frozen")

# %% [markdown]
# The lab can also drop the packets of a frozen function, which a microVM's kernel would never see: then
# no end of a connection arrives, and a pool that only looked at its socket would see nothing wrong with
# it.

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
# ## Both are on, and it still happens

# %%
results.ask("held")

# %% [markdown]
# ## A ping that hangs

# %%
results.ask("hang")

# %% [markdown]
# ## A recycle beyond the timeout, and a ping

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
