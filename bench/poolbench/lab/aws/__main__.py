"""The service's own process: `python -m poolbench.lab.aws CONFIG`; CONFIG is JSON that may hold secrets."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from poolbench.lab.aws.freezer import Freeze, NftablesUnavailable, make_freezer
from poolbench.lab.aws.function import FunctionConfig, python_version
from poolbench.lab.aws.service import AwsService
from poolbench.typed import build


async def serve(path: Path) -> None:
    """Announce where it listens, provision, and serve until SIGTERM."""
    config = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()  # its secrets are no longer needed there
    functions = [build(FunctionConfig, entry) for entry in config["functions"]]
    for function in functions:
        python_version(function.interpreter)  # asked now, remembered: it starts a process
    try:
        freezer = make_freezer(Freeze(config["freeze"]))
    except NftablesUnavailable as error:
        _announce({"error": str(error)})
        return
    endpoint = AwsService(functions, path.parent, freezer)
    try:
        await endpoint.start(config["port"])
    except OSError as error:
        _announce({"error": f"port {config['port']}: {os.strerror(error.errno or 0)}"})
        return
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    _announce({"url": endpoint.url})
    background = [asyncio.create_task(endpoint.provision())]
    background.append(asyncio.create_task(endpoint.reap(config["keep_idle_s"])))
    try:
        await stop.wait()
    finally:
        for task in background:
            task.cancel()
        endpoint.close()


def _announce(content: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the service."""
    asyncio.run(serve(Path(sys.argv[1])))
    # Not through the interpreter's own end: moto's state machines may still sit in threads.
    os._exit(0)


main()
