"""The local stand-in: a real MySQL server, a packet-level proxy, a Lambda service; could be a package of its own."""
