"""What the instrument costs on each request and at the function's start, and how large its bundle is."""

import contextlib
import gc
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, Engine

from perf.figure import Figure
from poolbench.aws.pack import make_bundle
from poolbench.function import probe
from poolbench.function.client import Client
from poolbench.function.measure import measure
from poolbench.function.strategies import REFERENCE, Setting, build_engine, get
from poolbench.function.workload import point_select, seed
from poolbench.lab.mysql import create_users, running_server
from poolbench.lab.proxy import Backend, ProxySettings, running_proxy

PAIRS = 3000
USER = "perf"
STARTS = 15


def instrument_overhead() -> Iterator[Figure]:
    """Median latency that rows report for warm requests over that of the same loop with two clock reads.

    Through the lab's proxy, as campaigns go, pair by pair and in alternating order.
    """
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as lab:
        folder = Path(name)
        server = lab.enter_context(running_server(None, work_dir=folder)).server
        password = secrets.token_urlsafe(12)
        create_users(server, USER, {USER: password})
        backend = Backend(host=server.host, port=server.port, user=USER, password=password)
        proxy = lab.enter_context(
            running_proxy(ProxySettings(), backend=backend, accounts={USER: password}, work_dir=folder)
        )
        url = URL.create("mysql+pymysql", USER, password, proxy.host, proxy.port, USER)
        times = _alternate(Setting(url=url, idle_client_timeout_s=1e6, label=USER))
    ratio = statistics.median(times["instrumented"]) / statistics.median(times["bare"])
    yield Figure("instrument_overhead", ratio, "<= 1.05")


def _alternate(setting: Setting) -> dict[str, list[float]]:
    bare, instrumented = build_engine(get(REFERENCE), setting), Client(get(REFERENCE), setting)
    seed(bare)
    times: dict[str, list[float]] = {"bare": [], "instrumented": []}
    gc.disable()
    for pair in range(PAIRS):
        for kind in ("bare", "instrumented") if pair % 2 else ("instrumented", "bare"):
            # Counting commands hooks the driver for the whole process, so it is undone for the bare loop.
            probe.count_commands(on=kind == "instrumented")
            if kind == "bare":
                began = time.perf_counter()
                _bare_request(bare)
                times[kind].append(time.perf_counter() - began)
            else:
                times[kind].append(measure(instrumented, point_select, 5.0).latency_s)
    gc.enable()
    bare.dispose()
    instrumented.engine.dispose()
    return times


def _bare_request(engine: Engine) -> None:
    with engine.connect() as connection:
        point_select(connection)


def function_init_ratio() -> Iterator[Figure]:
    """Time to import the handler over that to import SQLAlchemy and the driver, in fresh interpreters."""
    where = {
        "POOLBENCH_SECRET": json.dumps({"username": "u", "password": "p", "dbname": "d"}),
        "PATH": os.defpath,
    }
    statements = {"handler": "import poolbench.function.handler", "libraries": "import sqlalchemy, pymysql"}
    times: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(STARTS):
        for name, statement in statements.items():
            timed = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
            done = subprocess.run(
                [sys.executable, "-c", timed], env=where, check=True, capture_output=True, text=True
            )
            times[name].append(float(done.stdout))
    ratio = statistics.median(times["handler"]) / statistics.median(times["libraries"])
    yield Figure("function_init_ratio", ratio, "<= 1.2")


def bundle_size() -> Iterator[Figure]:
    """Size of the zip in 10^6 bytes, for this Python and machine: Lambda loads it at each cold start."""
    with tempfile.TemporaryDirectory() as name:
        yield Figure("bundle_mb", make_bundle(Path(name) / "bundle.zip").megabytes, "<= 7")
