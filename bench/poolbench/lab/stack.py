"""The whole lab as one context manager: server, proxy, Lambda service, from nothing and back to nothing."""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from poolbench.lab.aws import Freeze, FunctionConfig, RunningAws, running_aws
from poolbench.lab.leftovers import work_directory
from poolbench.lab.mysql import (
    BadServer,
    DatabaseUser,
    RunningServer,
    Server,
    ServerOptions,
    create_users,
    running_server,
)
from poolbench.lab.proxy import Backend, Port, ProxyFault, ProxySettings, RunningProxy, Tokens, running_proxy
from poolbench.lab.proxy.launch import running_relay

USUAL = ProxyFault.IDLE_CLOSE.value
# Failures that need nobody to switch them on: each has a port of the proxy to itself.
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
    """A database user, and the schema that it works in."""

    user: str
    password: str = field(repr=False)
    schema: str

    def url(self, at: str) -> str:
        """URL for SQLAlchemy, with the password; `at` is host:port."""
        user, password = quote(self.user, safe=""), quote(self.password, safe="")
        return f"mysql+pymysql://{user}:{password}@{at}/{self.schema}?charset=utf8mb4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where things are."""

    proxies: Mapping[str, str]  # host:port, by the name of the listener
    proxy_control_url: str
    database: str  # host:port
    application: DatabaseLogin  # known to the server and to the proxy
    sampler: DatabaseLogin  # sees everybody's connections, where the server is the lab's
    authorities: Path | None = None  # of the certificates of proxy and server; None: they are not to be used
    database_wants_tls: bool = False  # of everybody
    check_hostname: bool = True  # whether certificates must name the host; not through a tunnel
    token_user: str = ""  # comes in with tokens in place of a password; none on somebody's own database
    tokens: Tokens | None = None


SCHEMA = "bench"
APPLICATION, TOKEN_USER, SAMPLER = "bench", "bench_token", "sampler"
TOKENS_VALID = 0.5  # of the idle client timeout: 15 minutes of 30, as on AWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running lab."""

    server: RunningServer
    proxy: RunningProxy
    settings: ProxySettings
    added_rtt_s: float
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
        """What a reader of results must know of this lab; no secrets."""
        return {
            "kind": "lab",
            "freeze": self.aws.freeze,
            "server_source": self.server.server.source,
            "proxy": self.settings.as_dict(),
            "added_rtt_s": self.added_rtt_s,
            "tls": self.endpoints.authorities is not None,
        }


Functions = Callable[[Endpoints], Sequence[FunctionConfig]]


@contextlib.contextmanager
def running_stack(
    functions: Functions,
    settings: ProxySettings,
    *,
    server: str | None = None,
    user_database: str | None = None,
    options: ServerOptions | None = None,
    listeners: Mapping[str, ProxyFault] = STANDING,
    tls: bool = False,
    freeze: Freeze = Freeze.SIGNAL,
    added_rtt_s: float = 0.0,
    say: Callable[[str], None] = lambda _text: None,
) -> Iterator[Stack]:
    """Everything up for as long as the block runs, and everything gone after it.

    Args:
        functions: makes the functions, once it is known where the database is.
        settings: of the proxy.
        server: which database server, see `running_server`.
        user_database: URL of somebody's own, with the user and schema that functions are to use; neither is
            created there.
        options: limits of a private server.
        listeners: the proxy's ports by name, and how clients die on each; USUAL must be one of them.
        tls: whether functions are told whom to trust, and so speak TLS; a database that wants it makes them.
        freeze: how environments are frozen.
        added_rtt_s: round-trip time to add between functions and proxy; 0 for none.
        say: told what happens, one line at a time.

    Raises:
        ServerUnavailable, ChildFailed, AwsUnavailable: that part did not start.

    """
    with contextlib.ExitStack() as parts:
        work_dir = parts.enter_context(work_directory())
        say("looking for the database" if user_database else "starting a database server")
        running = parts.enter_context(
            running_server(user_database or server, work_dir=work_dir, options=options)
        )
        found = running.server
        logins = _logins_of(user_database) if user_database else _make_logins(found)
        say(f"{found.flavour} {found.version} ({found.source}) on port {found.port}")
        application = logins[APPLICATION]
        tls = tls or found.wants_tls
        backend = Backend(
            host=found.host,
            port=found.port,
            user=application.user,
            password=application.password,
            authority=str(found.tls_ca) if found.wants_tls else None,
            check_hostname=found.check_hostname,
        )
        valid_s = TOKENS_VALID * settings.idle_client_timeout
        tokens = None if user_database else Tokens(secrets.token_urlsafe(18), valid_s)
        proxy = parts.enter_context(
            running_proxy(
                settings,
                backend=backend,
                accounts={login.user: login.password for login in logins.values()},
                tokens={TOKEN_USER: tokens} if tokens else None,
                work_dir=work_dir,
                listeners={name: Port(failure=failure) for name, failure in listeners.items()},
            )
        )
        ways_in = {name: (proxy.host, port) for name, port in proxy.ports.items()}
        if added_rtt_s:
            for name, (host, port) in ways_in.items():
                relay = parts.enter_context(running_relay(host, port, added_rtt_s, work_dir=work_dir))
                ways_in[name] = (relay.host, relay.port)
            say(f"{added_rtt_s * 1000:g} ms of round-trip time added in front of the proxy")
        endpoints = Endpoints(
            proxies={name: f"{host}:{port}" for name, (host, port) in ways_in.items()},
            proxy_control_url=proxy.control_url,
            database=f"{found.host}:{found.port}",
            application=application,
            sampler=logins[SAMPLER],
            token_user=TOKEN_USER if tokens else "",
            tokens=tokens,
            authorities=_authorities(work_dir, proxy.authority, found.tls_ca) if tls else None,
            database_wants_tls=found.wants_tls,
            check_hostname=found.check_hostname,
        )
        configs = functions(endpoints)
        environments = sum(config.provisioned_concurrency for config in configs)
        ports = ", ".join(map(str, proxy.ports.values()))
        say(f"proxy on ports {ports}, idle client timeout {settings.idle_client_timeout:g} s")
        say(f"initialising {environments} execution environments")
        aws = parts.enter_context(running_aws(configs, work_dir=work_dir, freeze=freeze))
        yield Stack(
            server=running,
            proxy=proxy,
            settings=settings,
            added_rtt_s=added_rtt_s,
            aws=aws,
            endpoints=endpoints,
        )


def _make_logins(server: Server) -> Mapping[str, DatabaseLogin]:
    """Create the schema and its users."""
    logins = {
        name: DatabaseLogin(user=name, password=secrets.token_urlsafe(18), schema=SCHEMA)
        for name in (APPLICATION, TOKEN_USER, SAMPLER)
    }
    accounts = [
        DatabaseUser(name=login.user, password=login.password, sees_everything=name == SAMPLER)
        for name, login in logins.items()
    ]
    create_users(server, SCHEMA, accounts)
    return logins


def _logins_of(url: str) -> Mapping[str, DatabaseLogin]:
    """Take the user and the schema that somebody's own URL names, for everything."""
    parts = urlsplit(url)
    schema = parts.path.strip("/")
    if not schema:
        raise BadServer("the database's URL names no schema: mysql://user:password@host:port/schema")
    login = DatabaseLogin(
        user=unquote(parts.username or ""), password=unquote(parts.password or ""), schema=schema
    )
    return {APPLICATION: login, SAMPLER: login}


def _authorities(folder: Path, *files: Path | None) -> Path:
    """One file of them all."""
    bundle = folder / "authorities.pem"
    bundle.write_text("".join(file.read_text() for file in files if file))
    return bundle
