"""The service's own process: `python -m bench.lab.aws CONFIG`, where CONFIG is JSON and holds secrets."""

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from bench.lab.aws.endpoint import make_endpoint
from bench.lab.aws.freezer import SignalFreezer
from bench.lab.aws.function import FunctionConfig
from bench.lab.aws.service import Service


def main() -> None:
    """Start, print one JSON line when all provisioned environments are ready, serve until SIGTERM."""
    path = Path(sys.argv[1])
    config = json.loads(path.read_text(encoding="utf-8"))
    functions = [FunctionConfig.from_dict(entry) for entry in config["functions"]]
    service = Service(functions, path.parent, SignalFreezer())
    try:
        server = make_endpoint(service, config["port"])
    except OSError as error:
        _announce({"error": f"port {config['port']}: {error.strerror}"})
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()  # it waits for the loop that we interrupt

    signal.signal(signal.SIGTERM, stop)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()  # before the functions' init, which may want S3 or a secret
    problems = service.provision()
    if problems:
        _announce({"error": "; ".join(problems)})
        server.shutdown()
    else:
        _announce({"url": f"http://{server.host}:{server.port}", "freeze": service.freezer.name})
    serving.join()
    service.close()


def _announce(content: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


main()
