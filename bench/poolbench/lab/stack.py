"""The whole lab as one context manager: server, proxy, Lambda service, from nothing and back to nothing."""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from poolbench.lab.aws import Freeze, FunctionConfig, RunningAws, running_aws
from poolbench.lab.leftovers import work_directory
from poolbench.lab.mysql import (
    BadServer,
    RunningServer,
    Server,
    ServerOptions,
    create_users,
    running_server,
)
from poolbench.lab.proxy import Backend, Port, ProxyFault, ProxySettings, RunningProxy, Tokens, running_proxy

USUAL = ProxyFault.IDLE_CLOSE.value
# Failures that are always on: each has its own port of the proxy.
STANDING: Mapping[str, ProxyFault] = MappingProxyType(
    {
        failure.value: failure
        for failure in (
            ProxyFault.IDLE_CLOSE,
            ProxyFault.IDLE_ERROR,
            ProxyFault.IDLE_RESET,
            ProxyFault.BLACK_HOLE,
        )
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseLogin:
    """A database user, and its schema."""

    user: str
    password: str = field(repr=False)
    schema: str

    def url(self, at: str) -> str:
        """URL for SQLAlchemy, with the password; `at` is host:port."""
        user, password = quote(self.user, safe=""), quote(self.password, safe="")
        return f"mysql+pymysql://{user}:{password}@{at}/{self.schema}?charset=utf8mb4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses of the lab's parts, and the users for them."""

    proxies: Mapping[str, str]  # host:port, by the name of the listener
    proxy_control_url: str
    database: str  # host:port
    application: DatabaseLogin  # known to the server and to the proxy
    sampler: DatabaseLogin  # sees the connections of all users, if the server is the lab's
    authorities: Path | None = None  # of the certificates of proxy and server; None: TLS is not used
    database_wants_tls: bool = False  # requires it of all clients
    check_hostname: bool = True  # whether certificates must name the host; not through a tunnel
    token_user: str = ""  # logs in with tokens, not a password; empty on a user-supplied database
    tokens: Tokens | None = None


SCHEMA = "bench"
APPLICATION, TOKEN_USER, SAMPLER = "bench", "bench_token", "sampler"
TOKENS_VALID = 0.5  # of the idle client timeout: 15 minutes of 30, as on AWS


Functions = Callable[[Endpoints], Sequence[FunctionConfig]]  # makes them once the addresses are known


@dataclass(frozen=True, slots=True)
class LabSpec:
    """Options of a lab.

    Attributes:
        settings: of the proxy.
        server: which database server, see `running_server`.
        user_database: URL of a user-supplied database, with the user and schema for the functions; the lab
            creates neither there.
        options: limits of a private server.
        listeners: the proxy's ports by name, and how clients die on each; USUAL must be one of them.
        tls: whether functions are told whom to trust, and so use TLS; a database that wants TLS implies it.
        freeze: how environments are frozen.
        added_rtt_s: round-trip time to add between functions and proxy; 0 for none.

    """

    settings: ProxySettings
    server: str | None = None
    user_database: str | None = None
    options: ServerOptions | None = None
    listeners: Mapping[str, ProxyFault] = field(default_factory=lambda: STANDING)
    tls: bool = False
    freeze: Freeze = Freeze.SIGNAL
    added_rtt_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running lab."""

    spec: LabSpec
    server: RunningServer
    proxy: RunningProxy
    aws: RunningAws
    endpoints: Endpoints

    def environment(self) -> dict[str, str]:
        """Variables by which boto3 and the AWS CLI reach the lab, and clients its database and proxy."""
        endpoints = self.endpoints
        trust = f"&ssl_ca={quote(str(endpoints.authorities))}" if endpoints.database_wants_tls else ""
        trust += "" if endpoints.check_hostname else "&ssl_check_hostname=false"
        return {
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_ACCESS_KEY_ID": "lab",
            "AWS_SECRET_ACCESS_KEY": "lab",
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1,localhost",  # boto3 would go through a web proxy even to loopback
            "POOLBENCH_PROXY_CONTROL": endpoints.proxy_control_url,
            "POOLBENCH_PROXY_URL": endpoints.application.url(endpoints.proxies[USUAL]),
            "POOLBENCH_DATABASE_URL": endpoints.application.url(endpoints.database) + trust,
        }

    def describe(self) -> dict[str, Any]:
        """Properties of this lab that belong in the results; no secrets."""
        return {
            "kind": "lab",
            "freeze": self.spec.freeze,
            "server_source": self.server.server.source,
            "proxy": self.spec.settings.as_dict(),
            "added_rtt_s": self.spec.added_rtt_s,
            "tls": self.endpoints.authorities is not None,
        }


@contextlib.contextmanager
def running_stack(
    functions: Functions, spec: LabSpec, *, say: Callable[[str], None] = lambda _text: None
) -> Iterator[Stack]:
    """Run the whole lab for as long as the block runs.

    `say` is told what happens, one line at a time.

    Raises:
        ServerUnavailable, ChildFailed, AwsUnavailable: that part did not start.

    """
    with contextlib.ExitStack() as parts:
        work_dir = parts.enter_context(work_directory())
        say("looking for the database" if spec.user_database else "starting a database server")
        choice = spec.user_database or spec.server
        running = parts.enter_context(running_server(choice, work_dir=work_dir, options=spec.options))
        server = running.server
        logins = _logins_of(spec.user_database) if spec.user_database else _make_logins(server)
        say(f"{server.flavour} {server.version} ({server.source}) on port {server.port}")
        tokens = None
        if not spec.user_database:
            tokens = Tokens(secrets.token_urlsafe(18), TOKENS_VALID * spec.settings.idle_client_timeout)
        proxy = parts.enter_context(_running_proxy(spec, server, logins, tokens, work_dir))
        if spec.added_rtt_s:
            say(f"{spec.added_rtt_s * 1000:g} ms of round-trip time added in front of the proxy")
        ports = ", ".join(map(str, proxy.ports.values()))
        say(f"proxy on ports {ports}, idle client timeout {spec.settings.idle_client_timeout:g} s")
        trusted = _authorities(work_dir, proxy.authority, server.tls_ca)
        tls = spec.tls or server.wants_tls
        endpoints = _endpoints(server, proxy, logins, tokens, trusted if tls else None)
        configs = functions(endpoints)
        say(f"initialising {sum(each.provisioned_concurrency for each in configs)} execution environments")
        aws = parts.enter_context(running_aws(configs, work_dir=work_dir, freeze=spec.freeze))
        yield Stack(spec=spec, server=running, proxy=proxy, aws=aws, endpoints=endpoints)


def _running_proxy(
    spec: LabSpec,
    server: Server,
    logins: Mapping[str, DatabaseLogin],
    tokens: Tokens | None,
    work_dir: Path,
) -> AbstractContextManager[RunningProxy]:
    application = logins[APPLICATION]
    return running_proxy(
        spec.settings,
        backend=Backend(
            host=server.host,
            port=server.port,
            user=application.user,
            password=application.password,
            authority=str(server.tls_ca) if server.wants_tls else None,
            check_hostname=server.check_hostname,
        ),
        accounts={login.user: login.password for login in logins.values()},
        tokens={TOKEN_USER: tokens} if tokens else None,
        work_dir=work_dir,
        listeners={name: Port(failure=failure) for name, failure in spec.listeners.items()},
        rtt_s=spec.added_rtt_s,
    )


def _endpoints(
    server: Server,
    proxy: RunningProxy,
    logins: Mapping[str, DatabaseLogin],
    tokens: Tokens | None,
    authorities: Path | None,
) -> Endpoints:
    return Endpoints(
        proxies={name: f"{proxy.host}:{port}" for name, port in proxy.ports.items()},
        proxy_control_url=proxy.control_url,
        database=f"{server.host}:{server.port}",
        application=logins[APPLICATION],
        sampler=logins[SAMPLER],
        token_user=TOKEN_USER if tokens else "",
        tokens=tokens,
        authorities=authorities,
        database_wants_tls=server.wants_tls,
        check_hostname=server.check_hostname,
    )


def _make_logins(server: Server) -> Mapping[str, DatabaseLogin]:
    """Create the schema and its users."""
    logins = {
        name: DatabaseLogin(user=name, password=secrets.token_urlsafe(18), schema=SCHEMA)
        for name in (APPLICATION, TOKEN_USER, SAMPLER)
    }
    accounts = {login.user: login.password for login in logins.values()}
    create_users(server, SCHEMA, accounts, observers={SAMPLER})
    return logins


def _logins_of(url: str) -> Mapping[str, DatabaseLogin]:
    """Use the user and the schema of a user-supplied URL for everything."""
    parts = urlsplit(url)
    schema = parts.path.strip("/")
    if not schema:
        raise BadServer("the database's URL names no schema: mysql://user:password@host:port/schema")
    login = DatabaseLogin(
        user=unquote(parts.username or ""), password=unquote(parts.password or ""), schema=schema
    )
    return {APPLICATION: login, SAMPLER: login}


def _authorities(folder: Path, *files: Path | None) -> Path:
    """Write all of them into one file."""
    bundle = folder / "authorities.pem"
    bundle.write_text("".join(file.read_text() for file in files if file))
    return bundle
