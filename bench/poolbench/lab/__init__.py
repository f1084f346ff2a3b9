"""The local stand-in: a real MySQL server, a packet-level proxy, a Lambda service.

It knows nothing of the benchmark and could be a package of its own.
"""
