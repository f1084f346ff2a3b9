"""Settings hold to AWS's names and ranges, and say so."""

import json

import pytest

from poolbench.lab.certificates import Certificate
from poolbench.lab.proxy.config import ConfigError, Port, ProxyConfig, ProxySettings, SettingError
from poolbench.lab.proxy.database import Backend
from poolbench.lab.proxy.faults import ProxyFault

BACKEND = {"host": "127.0.0.1", "port": 3306, "user": "root", "password": "x"}


@pytest.mark.parametrize(
    ("name", "bad", "says"),
    [
        ("IdleClientTimeout", 0, "0 is out of range, 1 to 28800 s"),
        ("IdleClientTimeout", 28_801, "1 to 28800 s"),
        ("IdleClientTimeout", "60", "'60' is out of range"),
        ("MaxConnectionsPercent", 0, "1 to 100 %"),
        ("MaxConnectionsPercent", 101, "1 to 100 %"),
        ("MaxConnectionsPercent", 12.5, "12.5 is out of range, 1 to 100 %"),
        ("MaxIdleConnectionsPercent", -1, "0 to 100 %"),
        ("ConnectionBorrowTimeout", 301, "0 to 300 s"),
        ("ConnectionBorrowTimeout", True, "True is out of range"),
        ("SessionPinningFilters", ["EXCLUDE_ALL"], "'EXCLUDE_ALL' is not EXCLUDE_VARIABLE_SETS"),
        ("SessionPinningFilters", "EXCLUDE_VARIABLE_SETS", "'EXCLUDE_VARIABLE_SETS' is not a list"),
        ("ClientPasswordAuthType", "IAM", "MYSQL_NATIVE_PASSWORD, MYSQL_CACHING_SHA2_PASSWORD"),
        ("IdleTimeout", 1, "unknown 'IdleTimeout': did you mean 'IdleClientTimeout'"),
        ("RequireTLS", "yes", "'yes' is neither true nor false"),
        ("InitQuery", 1, "1 is not text"),
    ],
)
def test_out_of_range_is_refused_with_the_range(name: str, bad: object, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        ProxySettings().changed({name: bad})


def test_idle_percent_is_half_of_the_maximum_and_not_above_it() -> None:
    assert ProxySettings(max_connections_percent=60).idle_percent == 30
    with pytest.raises(
        SettingError, match="MaxIdleConnectionsPercent: 61 is more than MaxConnectionsPercent, 60"
    ):
        ProxySettings(max_connections_percent=60, max_idle_connections_percent=61)


def test_settings_survive_json() -> None:
    settings = ProxySettings(idle_client_timeout=2.5, session_pinning_filters=("EXCLUDE_VARIABLE_SETS",))
    assert ProxySettings().changed(json.loads(json.dumps(settings.as_dict()))) == settings


def test_a_configuration_survives_its_file_and_hides_its_passwords(tmp_path: object) -> None:
    config = ProxyConfig(
        backend=Backend("127.0.0.1", 3306, "root", "hidden"),
        accounts={"app": "hidden"},
        settings=ProxySettings(require_tls=True),
        tls=Certificate.in_folder(tmp_path),  # type: ignore[arg-type]
        host="0.0.0.0",  # noqa: S104 (nobody listens)
        listeners={"one": Port(1, ProxyFault.IDLE_RESET), "two": Port()},
    )
    assert ProxyConfig.parse(config.dump()) == config
    assert "hidden" not in repr(config)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"host": "10.0.0.1"}, "10.0.0.1 is not loopback; set RequireTLS"),
        ({"host": "everywhere"}, "'everywhere' is not an IP address"),
        ({"settings": {"RequireTLS": True}}, "RequireTLS needs a certificate: set tls"),
        ({"listeners": {}}, "listeners is empty"),
        (
            {"listeners": {"a": {"failure": "explode"}}},
            "listeners.a.failure: unknown 'explode': there are idle_close, ",
        ),
        ({"listeners": {"a": {"prt": 1}}}, "listeners.a: unknown 'prt': did you mean 'port'"),
        ({"listeners": {"a": {"port": 65_536}}}, "listeners.a.port: 65536 is out of range, 0 to 65535"),
        ({"listeners": {"a": {"port": True}}}, "listeners.a.port is True, not int"),
        ({"colour": "red"}, "unknown 'colour'"),
        ({"backend": {}}, "backend.host is missing"),
        ({"backend": BACKEND | {"password": 7}}, "backend.password is int, not str"),
        ({"backend": BACKEND | {"check_hostname": 0}}, "backend.check_hostname is 0, not bool"),
        ({"accounts": []}, "accounts is list, not a table"),
        ({"tls": {"authority": "a", "certificate": "b"}}, "tls.key is missing"),
        ({"tokens": {"u": {"key": "k"}}}, "tokens: u needs a password for the database, in accounts"),
        ({"tokens": {"u": {"key": "k", "valid_s": "1"}}}, "tokens.u.valid_s is '1', not float"),
    ],
)
def test_a_bad_configuration_names_what_is_wrong(change: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        ProxyConfig.parse(json.dumps({"backend": BACKEND, "accounts": {}} | change))


def test_a_missing_part_and_other_text_are_told_apart() -> None:
    with pytest.raises(ConfigError, match="accounts is missing"):
        ProxyConfig.parse(json.dumps({"backend": BACKEND}))
    with pytest.raises(ConfigError, match="not JSON"):
        ProxyConfig.parse("{")
    with pytest.raises(ConfigError, match="top level is list, not a table"):
        ProxyConfig.parse("[]")
