"""`python -m bench` is `poolbench`."""

from bench.cli import main

main()
