"""From a campaign file to cells, a schedule and rows; knows the function only through its invocations."""
