"""`python -m poolbench` is `poolbench`."""

from poolbench.cli import main

main()
