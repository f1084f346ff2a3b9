"""The deployed benchmark: what it costs, its campaigns while nobody waits, what CloudWatch saw of them."""
