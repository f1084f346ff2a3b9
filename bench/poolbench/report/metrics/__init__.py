"""All numbers of a report: pure functions from checked rows to frozen results."""
