"""The control API tells what happened, and takes no nonsense."""

import itertools
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import pymysql
import pytest

from poolbench.lab.process import ChildFailed
from poolbench.lab.proxy import Backend, ControlFailed, ProxyFault, ProxySettings, RunningProxy, running_proxy
from poolbench.lab.proxy.monitoring import CAPACITY, ConnectionEvent, EventKind, EventLog
from tests.lab.proxy.conftest import USER, Database, Start, eventually, rows, value

pytestmark = pytest.mark.any_server


def test_events_tell_the_life_of_a_connection_in_order(database: Database, start: Start) -> None:
    proxy = start(idle_client_timeout=1)
    began_ns = time.time_ns()
    client = database.connect(proxy.port, program_name="timeline")
    client.begin()
    client.commit()
    eventually(lambda: not any(each["open"] for each in proxy.clients()))
    log = proxy.events()
    assert [event["kind"] for event in log["events"] if event["client"] == client.thread_id()] == [
        "accept",
        *("borrow", "release"),  # to see that it works
        "login",
        *("borrow", "release"),  # SET NAMES
        *("borrow", "release"),  # the transaction
        "idle_close",
        "close",
    ]
    times = [event["wall_ns"] for event in log["events"] if event["client"]]
    assert times == sorted(times)
    assert began_ns <= times[0]
    assert times[-1] <= time.time_ns()
    assert log["forgotten"] == 0


def test_events_can_be_had_for_a_time_a_client_or_from_a_number_on(database: Database, start: Start) -> None:
    proxy = start()
    first, second = database.connect(proxy.port), database.connect(proxy.port)
    everything = proxy.events()["events"]
    assert {event["client"] for event in everything} == {None, first.thread_id(), second.thread_id()}
    of_second = [event for event in everything if event["client"] == second.thread_id()]
    assert proxy.events(client=second.thread_id())["events"] == of_second
    began, ended = of_second[0]["wall_ns"], of_second[-1]["wall_ns"]
    assert proxy.events(from_ns=began, to_ns=ended)["events"] == of_second[:-1]
    assert proxy.events(to_ns=began)["events"] + proxy.events(from_ns=began)["events"] == everything
    number = everything[3]["number"]
    assert proxy.events(since=number)["events"] == everything[3:]
    assert proxy.events(since=proxy.events()["next"])["events"] == []


@pytest.mark.parametrize("end", ["leave", "die_in_a_transaction", "lose_the_database"])
def test_what_was_borrowed_is_released_however_it_ends(database: Database, start: Start, end: str) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    client.begin()
    match end:
        case "leave":
            client.close()
        case "die_in_a_transaction":
            client._execute_command(3, "SELECT SLEEP(20)")
            client._force_close()
        case "lose_the_database":
            database.server.execute(f"KILL {value(client, 'SELECT CONNECTION_ID()')}")
    eventually(lambda: not any(each["open"] for each in proxy.clients()))
    kinds = [event["kind"] for event in proxy.events()["events"] if event["client"]]
    assert kinds.count("borrow") == kinds.count("release") == 3
    assert kinds[-2:] == ["release", "close"]


def test_load_does_not_push_out_how_a_connection_began_and_the_log_stays_bounded() -> None:
    log = EventLog()
    log.add(EventKind.ACCEPT, 7)
    for _ in range(2 * CAPACITY):
        log.add(EventKind.BORROW, 7, 1)
        log.add(EventKind.RELEASE, 7, 1)
    answer = log.select()
    events = [ConnectionEvent._make(event) for event in answer.events]
    assert events[0].kind == EventKind.ACCEPT
    assert len(events) == CAPACITY + 1
    assert answer.forgotten == 3 * CAPACITY
    assert log.select(since=answer.next - 10).forgotten == 0
    assert [event.number for event in events[-2:]] == [answer.next - 2, answer.next - 1]


def test_what_a_sampler_has_seen_already_is_not_looked_at_again() -> None:
    """Clients wait meanwhile: of a full log the few new events must not cost what all of them do."""
    log = EventLog()
    for _ in range(CAPACITY):
        log.add(EventKind.BORROW, 7, 1)
        log.add(EventKind.ACCEPT, 7)

    def cost(since: int) -> float:
        began = time.perf_counter()
        log.select(since=since)
        return time.perf_counter() - began

    assert min(cost(2 * CAPACITY - 10) for _ in range(5)) < min(cost(0) for _ in range(5)) / 20


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


CLOUDWATCH = {
    "AvailabilityPercentage",
    "ClientConnections",
    "ClientConnectionsClosed",
    "ClientConnectionsNoTLS",
    "ClientConnectionsReceived",
    "ClientConnectionsSetupFailedAuth",
    "ClientConnectionsSetupSucceeded",
    "ClientConnectionsTLS",
    "DatabaseConnectionRequests",
    "DatabaseConnectionRequestsWithTLS",
    "DatabaseConnections",
    "DatabaseConnectionsBorrowLatency",
    "DatabaseConnectionsCurrentlyBorrowed",
    "DatabaseConnectionsCurrentlyInTransaction",
    "DatabaseConnectionsCurrentlySessionPinned",
    "DatabaseConnectionsSetupFailed",
    "DatabaseConnectionsSetupSucceeded",
    "MaxDatabaseConnectionsAllowed",
    "QueryDatabaseResponseLatency",
    "QueryRequests",
    "QueryRequestsNoTLS",
    "QueryRequestsTLS",
    "QueryResponseLatency",
}


def test_metrics_are_those_that_cloudwatch_has_of_an_rds_proxy(proxy: RunningProxy) -> None:
    assert set(proxy.metrics()) == CLOUDWATCH | {"ClientCommands", "SessionPins"}


def test_the_borrow_latency_is_what_clients_wait_for_a_database_connection(
    database: Database, start: Start
) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    before = proxy.metrics()["DatabaseConnectionsBorrowLatency"]
    proxy.fail(ProxyFault.BORROW_EXHAUSTION)
    thread = threading.Thread(target=lambda: rows(client, "SELECT 1"))
    thread.start()
    eventually(lambda: proxy.clients()[0]["commands"]["COM_QUERY"] == 2)
    time.sleep(0.2)
    proxy.fail(ProxyFault.IDLE_CLOSE)
    thread.join()
    after = proxy.metrics()["DatabaseConnectionsBorrowLatency"]
    assert after["count"] - before["count"] == 1
    assert after["sum"] - before["sum"] > 200_000  # microseconds


def test_the_database_is_available_until_it_does_not_answer(database: Database, start: Start) -> None:
    proxy = start(connection_borrow_timeout=0.5)
    client = database.connect(proxy.port)
    assert proxy.metrics()["AvailabilityPercentage"] == 100
    proxy.fail(ProxyFault.SERVER_RESTART)
    with pytest.raises(pymysql.OperationalError, match="9501"):
        rows(client, "SELECT 1")
    assert proxy.metrics()["AvailabilityPercentage"] == 0
    proxy.fail(ProxyFault.IDLE_CLOSE)
    assert rows(client, "SELECT 1") == ((1,),)
    assert proxy.metrics()["AvailabilityPercentage"] == 100


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
    assert 0.5e9 < min(steps) < 2e9  # on a busy machine some are late
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
    ("request_", "says"),
    [
        (
            b"GET /colour HTTP/1.1\r\nHost: x\r\n\r\n",
            b"404 unknown GET /colour: use GET /, GET /metrics, ",
        ),
        (b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"404 unknown DELETE /metrics: use "),
        (b"GET /events?client=x HTTP/1.1\r\nHost: x\r\n\r\n", b"400 client: 'x' is not a whole number"),
        (b"GET /events?to=1 HTTP/1.1\r\nHost: x\r\n\r\n", b"400 parameter: unknown 'to': "),
        (b"PUT /settings HTTP/1.1\r\nHost: x\r\n\r\n", b"400 the body is not JSON: "),
        (
            b"PUT /settings HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
            b"400 the body must be a JSON object",
        ),
        (b"PUT /settings HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{", b"400 the body is not JSON: "),
        (b"PUT /listeners/side HTTP/1.1\r\nHost: x\r\n\r\n", b"400 listener: unknown 'side': there are main"),
    ],
)
def test_bad_requests_are_told_why(proxy: RunningProxy, request_: bytes, says: bytes) -> None:
    head, _, body = ask(proxy, request_).partition(b"\r\n\r\n")
    assert (head.split()[1] + b" " + json.loads(body)["error"].encode()).startswith(says)


@pytest.mark.parametrize("request_", [b"GET /metr", b"noise\r\n\r\n", b"\x16\x03\x01" * 1000])
def test_what_is_no_request_harms_nobody(proxy: RunningProxy, request_: bytes) -> None:
    assert ask(proxy, request_).split()[1] == b"400"
    assert proxy.metrics()


def test_the_root_tells_what_there_is(proxy: RunningProxy) -> None:
    answer = ask(proxy, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").decode()
    assert "text/plain" in answer
    for method, name in [
        ("GET", "metrics"),
        ("GET", "events"),
        ("PUT", "settings"),
        ("PUT", "listeners/NAME"),
    ]:
        assert f"{method} /{name} " in answer


def test_a_proxy_without_its_database_does_not_start_and_says_why(tmp_path: object) -> None:
    backend = Backend("127.0.0.1", 1, "root", "")
    with (
        pytest.raises(ChildFailed, match=r"proxy: 127\.0\.0\.1:1 as root: .*refused"),
        running_proxy(ProxySettings(), backend=backend, accounts={}, work_dir=tmp_path),  # type: ignore[arg-type]
    ):
        pass
    assert [path.name for path in (tmp_path / "proxy").glob("*.json")] == []  # type: ignore[operator]
