"""AWS as moto knows it, on a loopback port and in this process: a test can look into it and bend it."""

import contextlib
import io
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from moto.backends import get_backend
from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

ACCOUNT, REGION = "123456789012", "us-east-1"
ORDERABLE = ("us-east-1e", "us-east-1d", "us-east-1b")  # the first is use1-az3, as moto numbers them
QUOTA = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}


@dataclass
class MotoServer:
    """Its address, and what moto cannot answer: a quota, and the zones that have an instance class."""

    url: str = ""
    quota: dict[str, int] = field(default_factory=lambda: dict(QUOTA))
    orderable: Sequence[str] = ORDERABLE

    def environment(self) -> dict[str, str]:
        """Variables that point boto3 here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def reset(self) -> None:
        """An empty account again."""
        for service in ("cloudformation", "cloudwatch", "rds", "s3", "sqs", "stepfunctions"):
            get_backend(service).reset()
        self.quota = dict(QUOTA)
        self.orderable = ORDERABLE

    def answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/2016-08-19/account-settings"):
            start("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"AccountLimit": self.quota}).encode()]
        if "/rds/" in environ.get("HTTP_AUTHORIZATION", ""):
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            if b"Action=DescribeOrderableDBInstanceOptions" in body:
                start("200 OK", [("Content-Type", "text/xml")])
                return [self._orderable().encode()]
            environ["wsgi.input"] = io.BytesIO(body)
        application: Any = self._application
        answered: Iterable[bytes] = application(environ, start)
        return answered

    def _orderable(self) -> str:
        zones = "".join(
            f"<AvailabilityZone><Name>{name}</Name></AvailabilityZone>" for name in self.orderable
        )
        option = "<EngineVersion>8.4.6</EngineVersion><StorageType>gp3</StorageType>"
        option += f"<AvailabilityZones>{zones}</AvailabilityZones>"
        action = "DescribeOrderableDBInstanceOptions"
        options = f"<OrderableDBInstanceOptions><OrderableDBInstanceOption>{option}"
        options += "</OrderableDBInstanceOption></OrderableDBInstanceOptions>"
        return f"<{action}Response><{action}Result>{options}</{action}Result></{action}Response>"

    def __post_init__(self) -> None:
        self._application = DomainDispatcherApplication(create_backend_app)


@contextlib.contextmanager
def moto_server() -> Iterator[MotoServer]:
    """Run one for as long as the block lasts."""
    moto = MotoServer()
    server = make_server("127.0.0.1", 0, moto.answer, threaded=True)
    moto.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    before = default_user_config["stepfunctions"]["execute_state_machine"]
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    try:
        yield moto
    finally:
        default_user_config["stepfunctions"]["execute_state_machine"] = before
        server.shutdown()
        thread.join()
        server.server_close()
