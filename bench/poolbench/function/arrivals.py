"""Wire commands as the lab's proxy counts them: for drivers that cannot be looked into."""

import json
import os
from collections.abc import Callable

from poolbench.function.drivers import DEFAULT


def arrivals(driver: str, endpoint: str) -> Callable[[], int] | None:
    """How to ask how many commands have arrived, logins not among them; None: PyMySQL, or no lab's proxy.

    Measured requests never overlap, so all that arrives during one is its own. A command on a connection
    that the proxy has closed never arrives: the probe adds it, as it counts PyMySQL's when they are sent.
    """
    control = os.environ.get("POOLBENCH_PROXY_CONTROL")
    if driver == DEFAULT or not control or not endpoint.startswith("proxy"):
        return None

    import urllib.request  # noqa: PLC0415 (only where it is needed: it is slow to import)

    def ask() -> int:
        with urllib.request.urlopen(f"{control}/metrics", timeout=5) as answer:  # noqa: S310 (ours, from the lab)
            commands: int = json.load(answer)["ClientCommands"]
        return commands

    return ask
