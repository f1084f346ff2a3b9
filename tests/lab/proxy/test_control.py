"""The control API tells what happened, and takes no nonsense."""

import itertools
import socket
import time
from urllib.parse import urlsplit

import pytest

from bench.lab.process import ChildFailed
from bench.lab.proxy import Backend, ControlFailed, ProxySettings, RunningProxy, running_proxy
from tests.lab.proxy.conftest import USER, Database, Start, eventually, rows


def test_events_tell_the_life_of_a_connection_in_order(database: Database, start: Start) -> None:
    proxy = start(idle_client_timeout=1)
    began_ns = time.time_ns()
    client = database.connect(proxy.port, program_name="timeline")
    client.begin()
    client.commit()
    eventually(lambda: not any(each["open"] for each in proxy.clients()))
    log = proxy.events()
    kinds = [event["kind"] for event in log["events"] if event["client"] == client.thread_id()]
    assert kinds == [
        "accept",
        "login",
        *("borrow", "release") * 1,  # SET NAMES
        "borrow",
        "release",
        "idle_close",
        "close",
    ]
    times = [event["wall_ns"] for event in log["events"]]
    assert times == sorted(times)
    assert began_ns - 1e9 < times[0]
    assert times[-1] < time.time_ns() + 1e9
    assert proxy.events(log["next"])["events"] == []


def test_pins_are_events_with_their_reason(database: Database, start: Start) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    rows(client, "SET @x = 1")
    (pin,) = [event for event in proxy.events()["events"] if event["kind"] == "pin"]
    assert pin["detail"] == "user variable"
    assert pin["database"] == rows(client, "SELECT CONNECTION_ID()")[0][0]


def test_commands_are_counted_by_connection_and_kept_after_its_end(database: Database, start: Start) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    for _ in range(3):
        client.ping(reconnect=False)
    rows(client, "SELECT 1")
    number = client.thread_id()
    client.close()
    eventually(lambda: not any(each["open"] for each in proxy.clients()))
    (seen,) = [each for each in proxy.clients() if each["id"] == number]
    assert seen["commands"] == {"COM_QUERY": 2, "COM_PING": 3, "COM_QUIT": 1}  # one query is SET NAMES
    assert (seen["user"], seen["ended_because"]) == (USER, "client left")


def test_counters_add_up(database: Database, start: Start) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    before = proxy.metrics()
    for _ in range(5):
        rows(client, "SELECT SLEEP(0.01)")
    after = proxy.metrics()
    assert after["QueryRequests"] - before["QueryRequests"] == 5
    for name in ("QueryResponseLatency", "QueryDatabaseResponseLatency"):
        assert after[name]["count"] - before[name]["count"] == 5
        assert after[name]["sum"] - before[name]["sum"] > 5 * 10_000  # microseconds
    assert after["QueryResponseLatency"]["sum"] >= after["QueryDatabaseResponseLatency"]["sum"]
    assert after["DatabaseConnectionRequests"] == after["DatabaseConnectionsSetupSucceeded"] == 1


def test_the_series_has_a_sample_a_second_of_every_metric(database: Database, start: Start) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    eventually(lambda: len(proxy.series()["samples"]) >= 3)
    series = proxy.series()
    assert set(series["names"]) == set(proxy.metrics())
    column = series["names"].index("ClientConnections") + 1
    assert [sample[column] for sample in series["samples"]][-1] == 1
    steps = [after[0] - before[0] for before, after in itertools.pairwise(series["samples"])]
    assert all(0.5e9 < step < 2e9 for step in steps)
    client.close()


@pytest.mark.parametrize("setting", [{"IdleClientTimeout": 0}, {"Colour": "red"}, {"InitQuery": 1}])
def test_a_bad_setting_changes_nothing(start: Start, setting: dict[str, object]) -> None:
    proxy = start()
    with pytest.raises(ControlFailed, match=next(iter(setting))):
        proxy.change(**setting)
    proxy.change()


def ask(proxy: RunningProxy, request: bytes) -> bytes:
    url = urlsplit(proxy.control_url)
    with socket.create_connection((url.hostname, url.port), timeout=5) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /colour HTTP/1.1\r\n\r\n", b"404"),
        (b"DELETE /metrics HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /events/x HTTP/1.1\r\n\r\n", b"400"),
        (b"PUT /settings HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", b"400"),
        (b"PUT /settings HTTP/1.1\r\nContent-Length: 1\r\n\r\n{", b"400"),
        (b"PUT /settings HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"400"),
        (b"PUT /settings HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"noise\r\n\r\n", b"404"),
    ],
)
def test_bad_requests_are_told_so(proxy: RunningProxy, request_: bytes, status: bytes) -> None:
    assert ask(proxy, request_).split()[1] == status
    assert proxy.metrics()


def test_half_a_request_is_dropped(proxy: RunningProxy) -> None:
    assert ask(proxy, b"GET /metr") == b""
    assert proxy.metrics()


def test_a_proxy_without_its_database_does_not_start_and_says_why(tmp_path: object) -> None:
    backend = Backend("127.0.0.1", 1, "root", "")
    with (
        pytest.raises(ChildFailed, match=r"proxy: 127\.0\.0\.1:1 as root: .*refused"),
        running_proxy(ProxySettings(), backend=backend, accounts={}, work_dir=tmp_path),  # type: ignore[arg-type]
    ):
        pass
    assert [path.name for path in (tmp_path / "proxy").glob("*.json")] == []  # type: ignore[operator]
