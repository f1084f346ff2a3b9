"""The sampler Lambda: connection counts as a time series, on its own user and its own connection.

Of the lab's proxy it also fetches what happened when; RDS Proxy tells nobody.

It also prepares the schema and describes the server, because it is what reaches the database directly.
"""

import functools
import importlib.metadata
import json
import os
import platform
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from poolbench.function.config import Config, Secret, address_of
from poolbench.function.drivers import versions
from poolbench.function.workload import seed
from poolbench.model.series import ConnectionSample
from poolbench.store import Store, open_store

ADMINISTRATOR = (
    "POOLBENCH_ADMINISTRATOR_SECRET"  # a user who may create users; not set: the sampler creates none
)
# Clients log in to the proxy as this user with a token; the proxy logs in to the database with this password.
TOKEN_USER = "POOLBENCH_TOKEN_USER_SECRET"  # noqa: S105 (a variable's name)


def create_account(administrator: Engine, secret: Secret, *, sees_everything: bool = False) -> None:
    """Create a user who may do everything in its schema, or give an existing one its password.

    Args:
        administrator: who may create users.
        secret: the user's.
        sees_everything: everybody's connections, too.

    """
    who = {"user": secret.username, "password": secret.password}
    with administrator.connect() as connection:
        schema = connection.dialect.identifier_preparer.quote_identifier(secret.dbname)
        connection.execute(text("CREATE USER IF NOT EXISTS :user@'%' IDENTIFIED BY :password"), who)
        connection.execute(text("ALTER USER :user@'%' IDENTIFIED BY :password"), who)
        connection.execute(text(f"GRANT ALL PRIVILEGES ON {schema}.* TO :user@'%'"), who)
        if sees_everything:
            connection.execute(text("GRANT PROCESS ON *.* TO :user@'%'"), who)


STATUS = (
    "Uptime",
    "Threads_connected",
    "Connections",
    "Aborted_clients",
    "Aborted_connects",
    "Com_rollback",
    "Com_set_option",
    "Com_admin_commands",
    "Questions",
)
VARIABLES = (
    "version",
    "version_comment",
    "max_connections",
    "wait_timeout",
    "interactive_timeout",
    "character_set_server",
    "collation_server",
    "autocommit",
    "transaction_isolation",
    "tx_isolation",
    "thread_handling",
    "innodb_flush_log_at_trx_commit",
    "performance_schema",
    "require_secure_transport",
)
_LIBRARIES = ("sqlalchemy", "pymysql", "boto3", "awslambdaric")

Sample = dict[str, Any]  # wall_ns, source, metric, group, value


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Lambda's entry point; `action` is `prepare`, `describe` or `sample`.

    Raises:
        ValueError: another action.

    """
    match event.get("action"):
        case "prepare":
            if any(name in os.environ for name in (ADMINISTRATOR, f"{ADMINISTRATOR}_ARN")):
                administrator = _engine_of(Secret.load(ADMINISTRATOR))
                create_account(administrator, _config().secret, sees_everything=True)
                create_account(administrator, Secret.load(TOKEN_USER))
            if ":" not in event.get("workload", ""):  # somebody's own works on tables of their own
                seed(_engine())
            return {}
        case "describe":
            return describe(event.get("drivers", []))
        case "sample":
            return sample(event)
        case other:
            raise ValueError(f"unknown action {other!r}: prepare, describe or sample")


@functools.cache
def _config() -> Config:
    return Config.load()


@functools.cache
def _engine() -> Engine:
    """Keeps its connection: when the server is full, which is worth seeing, it would get none."""
    return _engine_of(_config().secret)


def _engine_of(secret: Secret) -> Engine:
    config = _config()
    tls: dict[str, Any] = {"ssl": config.tls.context} if config.tls else {"ssl_disabled": True}
    url = replace(config, secret=secret).url(address_of("database"))
    return create_engine(url, isolation_level="AUTOCOMMIT", connect_args=tls)


def describe(drivers: Sequence[str] = ()) -> dict[str, Any]:
    """Versions of everything the function runs on, and the server's settings that matter to a pool."""
    with _engine().connect() as connection:
        names = ", ".join(f"'{name}'" for name in VARIABLES)
        variables = dict(_pairs(connection, f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})"))
    flavour = "mariadb" if "mariadb" in variables["version"].lower() else "mysql"
    return {
        "server": {"flavour": flavour, "version": variables["version"], "variables": variables},
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _LIBRARIES if _installed(name)},
        },
        "drivers": versions(drivers),
    }


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _pairs(connection: Connection, statement: str) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in connection.execute(text(statement))]


def sample(event: dict[str, Any]) -> dict[str, Any]:
    """Sample every `interval_s` for `duration_s`, then write the slice under `key` into `store`.

    A sample that fails (the server is down, say) is a gap in the series and counted, not an end to it. The
    proxy's events from number `events_from` on go under `events_key`; the answer's `next_event` is where the
    next slice goes on, and `events_forgotten` how many the proxy no longer knew.
    """
    interval_s, end = float(event["interval_s"]), time.monotonic() + float(event["duration_s"])
    engine, samples, missed, late = _engine(), list[Sample](), 0, 0
    due = time.monotonic()
    while due < end:
        try:
            with engine.connect() as connection:
                samples += _server(connection)
            samples += _proxy()
        except (OSError, SQLAlchemyError) as error:
            missed += 1
            engine.dispose()
            print(f"sample missed: {error}")  # noqa: T201 (a Lambda's log)
        due += interval_s
        late += time.monotonic() > due
        time.sleep(max(0.0, due - time.monotonic()))
    data = "".join(json.dumps(entry) + "\n" for entry in samples).encode()
    store = open_store(event["store"])
    store.put_new(event["key"], data)
    counts = {"samples": len(samples), "missed": missed, "late": late}
    return counts | _events(store, event["events_key"], event["events_from"])


def _events(store: Store, key: str, since: int) -> dict[str, int]:
    try:
        answer = _ask_proxy(f"events?since={since}")
    except OSError as error:
        print(f"events missed: {error}")  # noqa: T201 (a Lambda's log)
        answer = None
    if answer is None:
        return {"events": 0, "events_forgotten": 0, "next_event": since}
    events = answer["events"]
    if events:
        store.put_new(key, "".join(json.dumps(entry) + "\n" for entry in events).encode())
    forgotten = answer["next"] - since - len(events)
    return {"events": len(events), "events_forgotten": forgotten, "next_event": answer["next"]}


def _server(connection: Connection) -> list[Sample]:
    """Status counters, and connections by user, less this one."""
    names = ", ".join(f"'{name}'" for name in STATUS)
    now_ns = time.time_ns()
    found = [
        _sample(now_ns, "server", name, "", float(value))
        for name, value in _pairs(connection, f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")
    ]
    counts: dict[str, int] = {}
    for process in connection.execute(text("SHOW PROCESSLIST")).mappings():
        counts[process["User"]] = counts.get(process["User"], 0) + 1
    counts[_config().secret.username] -= 1
    found += [_sample(now_ns, "server", "connections", user, count) for user, count in counts.items()]
    return found


def _proxy() -> list[Sample]:
    """Counters of the lab's proxy; on AWS, where CloudWatch has them, nothing."""
    metrics = _ask_proxy("metrics") or {}
    now_ns = time.time_ns()
    return [
        _sample(now_ns, "proxy", name, group, value)
        for name, groups in metrics.items()
        for group, value in (groups.items() if isinstance(groups, dict) else [("", groups)])
    ]


def _ask_proxy(path: str) -> Any:
    """Ask the control API of the lab's proxy; None outside of the lab."""
    url = os.environ.get("POOLBENCH_PROXY_CONTROL")
    if not url:
        return None
    with urllib.request.urlopen(f"{url}/{path}", timeout=2) as answer:  # noqa: S310 (ours, from the lab)
        return json.load(answer)


def _sample(wall_ns: int, source: str, metric: str, group: str, value: float) -> Sample:
    made = ConnectionSample(wall_ns=wall_ns, source=source, metric=metric, group=group, value=value)
    return {name: each for name, each in asdict(made).items() if each is not None}
