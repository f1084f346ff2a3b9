"""What a checkout costs, by pytest-benchmark, against any MySQL server.

Conventions: a group is a question, a parameter one of its answers; `extra_info` says with which strategy,
driver and server, and how many wire commands. Every benchmark that has a `paired` reference runs it once
right before each of its own rounds, because machines drift: the ratio of neighbours is what is compared.
"""
