"""Who comes in comes in with the right password, over TLS where that is required, and all drivers can."""

import contextlib
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pymysql
import pytest

from poolbench.lab import debs
from poolbench.lab.cache import cache_directory
from poolbench.lab.mysql import Server, ServerOptions
from poolbench.lab.mysql.binary import Binary
from poolbench.lab.mysql.instance import Instance
from poolbench.lab.process import ChildFailed
from poolbench.lab.proxy import Backend, ProxySettings, RunningProxy, running_proxy
from tests.lab.proxy.conftest import OTHER_USER, USER, Database, Start, rows, value

METHODS = ["MYSQL_NATIVE_PASSWORD", "MYSQL_CACHING_SHA2_PASSWORD"]


def refused(database: Database, port: int, **options: Any) -> tuple[int, str]:
    with pytest.raises(pymysql.OperationalError) as error:
        database.connect(port, **options)
    return error.value.args[0], error.value.args[1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tls", [False, True])
def test_the_right_password_opens_and_the_wrong_one_is_1045(
    database: Database, start: Start, method: str, tls: bool
) -> None:
    proxy = start(client_password_auth_type=method)
    how: dict[str, Any] = {}
    if tls:
        how = {"ssl_disabled": False, "ssl": ssl.create_default_context(cafile=str(proxy.authority))}
    for user in (USER, OTHER_USER):
        client = database.connect(proxy.port, user=user, **how)
        assert value(client, "SELECT CURRENT_USER()").startswith(user)
        assert refused(database, proxy.port, user=user, password="wrong", **how) == (
            1045,
            f"Access denied for user '{user}' (using password: YES)",
        )
    assert refused(database, proxy.port, password="", **how)[1].endswith("(using password: NO)")
    metrics = proxy.metrics()
    assert metrics["ClientConnectionsSetupFailedAuth"] == 3
    assert metrics["QueryRequestsTLS" if tls else "QueryRequestsNoTLS"] > 0
    assert metrics["QueryRequestsNoTLS" if tls else "QueryRequestsTLS"] == 0


PASSWORD = "not in any cache"
# Those that PyMySQL knows and that need no TLS towards the server.
SERVER_PLUGINS = ("mysql_native_password", "caching_sha2_password", "sha256_password")


def reached_by_plugin(server: Server, plugins: Iterable[str], work_dir: Path) -> None:
    """A user for each plugin comes through the proxy to a server that insists on that plugin."""
    users = {f"proxy_{plugin}": plugin for plugin in plugins}
    by = "VIA {} USING PASSWORD('{}')" if server.flavour == "mariadb" else "WITH {} BY '{}'"
    for user, plugin in users.items():
        server.execute(f"CREATE USER {user}@'%' IDENTIFIED {by.format(plugin, PASSWORD)}")
    with running_proxy(
        ProxySettings(),
        backend=Backend(server.host, server.port, server.user, server.password),
        accounts=dict.fromkeys(users, PASSWORD),
        work_dir=work_dir,
    ) as proxy:
        for user in users:
            client = Database(server, {user: PASSWORD}).connect(proxy.port, user=user, database=None)
            assert value(client, "SELECT CURRENT_USER()") == f"{user}@%"


def test_whatever_plugin_the_server_asks_for_the_client_need_not_know(
    database: Database, tmp_path: Path
) -> None:
    found = database.server.execute(
        "SELECT plugin_name FROM information_schema.plugins"
        f" WHERE plugin_status = 'ACTIVE' AND plugin_name IN {SERVER_PLUGINS}"
    )
    assert found
    reached_by_plugin(database.server, [name for (name,) in found], tmp_path)


@pytest.mark.slow
def test_not_even_ed25519_which_is_in_a_package_of_its_own(tmp_path: Path) -> None:
    try:
        prefix = debs.fetch(
            ["mariadb-server", "mariadb-server-core"],
            into=cache_directory() / "mariadb-server",
            without=["usr/bin", *(f"usr/share/{name}" for name in ("doc", "man", "perl"))],
        )
    except debs.FetchFailed as error:
        pytest.skip(str(error).splitlines()[0])
    with contextlib.closing(Instance(Binary.fetched(prefix, "apt"), tmp_path, ServerOptions())) as running:
        running.server.execute("INSTALL SONAME 'auth_ed25519'")
        reached_by_plugin(running.server, ["ed25519"], tmp_path)


def test_a_database_that_wants_tls_gets_it_and_must_prove_who_it_is(
    database: Database, start: Start, tmp_path: Path
) -> None:
    server = database.server
    if server.tls_ca is None:
        pytest.skip("its certificate is not ours")
    server.execute(
        f"CREATE USER IF NOT EXISTS proxy_careful@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL",
        f"ALTER USER proxy_careful@'%' IDENTIFIED BY '{PASSWORD}'",
    )

    def proxy_trusting(
        authority: Path, host: str = server.host, *, check_hostname: bool = True
    ) -> contextlib.AbstractContextManager[RunningProxy]:
        return running_proxy(
            ProxySettings(),
            backend=Backend(
                host, server.port, server.user, server.password, str(authority), check_hostname=check_hostname
            ),
            accounts={"proxy_careful": PASSWORD},
            work_dir=tmp_path,
        )

    with proxy_trusting(server.tls_ca) as proxy:
        client = database.connect(proxy.port, user="proxy_careful", password=PASSWORD, database=None)
        assert rows(client, "SHOW SESSION STATUS LIKE 'Ssl_version'")[0][1].startswith("TLSv1.")
        size = 8 << 20  # many records, in both directions
        assert value(client, f"SELECT CONCAT('{'x' * size}', 'y')") == "x" * size + "y"
        metrics = proxy.metrics()
        assert metrics["DatabaseConnectionRequestsWithTLS"] == metrics["DatabaseConnectionRequests"] > 0
    strangers = start().authority
    with pytest.raises(ChildFailed, match="CERTIFICATE_VERIFY_FAILED"), proxy_trusting(strangers):
        pass
    with pytest.raises(ChildFailed, match="mismatch"), proxy_trusting(server.tls_ca, "127.1"):
        pass
    with proxy_trusting(server.tls_ca, "127.1", check_hostname=False) as tunnelled:
        client = database.connect(tunnelled.port, user="proxy_careful", password=PASSWORD, database=None)
        assert rows(client, "SHOW SESSION STATUS LIKE 'Ssl_version'")[0][1].startswith("TLSv1.")


def test_a_user_that_the_proxy_does_not_know_is_1045_even_if_the_server_does(
    database: Database, start: Start
) -> None:
    proxy = start()
    server = database.server
    with pytest.raises(pymysql.OperationalError) as error:
        pymysql.connect(
            host=proxy.host, port=proxy.port, user=server.user, password=server.password, ssl_disabled=True
        )
    assert error.value.args[0] == 1045


def test_where_tls_is_required_plain_clients_get_3159(database: Database, start: Start) -> None:
    proxy = start(require_tls=True)
    assert refused(database, proxy.port) == (3159, "This RDS Proxy requires TLS connections")
    context = ssl.create_default_context(cafile=str(proxy.authority))
    client = database.connect(proxy.port, ssl_disabled=False, ssl=context)
    assert rows(client, "SELECT 1") == ((1,),)
    assert [client["tls"] for client in proxy.clients() if client["open"]] == [True]


def test_the_certificate_is_the_authoritys_and_no_other(database: Database, start: Start) -> None:
    proxy = start()
    strangers = ssl.create_default_context()
    code, message = refused(database, proxy.port, ssl_disabled=False, ssl=strangers)
    assert code == 2003
    assert "CERTIFICATE_VERIFY_FAILED" in message


def test_the_client_sees_the_servers_version(database: Database, start: Start) -> None:
    proxy = start()
    through, direct = database.connect(proxy.port), database.connect()
    assert through.get_server_info() == direct.get_server_info()


def test_clients_are_told_apart_by_program_name(database: Database, start: Start) -> None:
    proxy = start()
    clients = [database.connect(proxy.port, program_name=name) for name in ("a", "a", "b")]
    clients.append(database.connect(proxy.port))
    assert proxy.metrics()["ClientConnections"] == {"a": 2, "b": 1, "": 1}
    clients[2].close()
    del clients[2]
    names = proxy.metrics()["ClientConnections"]
    while names["b"]:
        names = proxy.metrics()["ClientConnections"]
    assert names == {"a": 2, "b": 0, "": 1}  # a zero is a point of the series, too
