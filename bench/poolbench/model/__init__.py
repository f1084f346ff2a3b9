"""What a campaign writes and reads, each thing spelled once: rows, cells, invocations, headers, series.

The function imports this package, so it needs nothing but the standard library, but for `arrow`, which those
import who read Parquet.
"""
