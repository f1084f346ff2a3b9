"""What a checkout costs, by pytest-benchmark, against any MySQL server.

Conventions: a group is a question, a parameter one of its answers; `extra_info` says with which strategy,
driver and server, and how many wire commands. Every benchmark runs beside a reference, round by round,
because machines drift: the ratio of neighbours is what is compared. See `paired.PairedBenchmark`.
"""
