"""Configuration of a proxy, and its settings under the names and within the ranges that AWS gives them."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from poolbench.lab.certificates import Certificate
from poolbench.lab.platform import LOOPBACK
from poolbench.lab.proxy.database import Backend
from poolbench.lab.proxy.faults import ProxyFault
from poolbench.lab.proxy.handshake import METHODS, Tokens
from poolbench.lab.proxy.statements import VARIABLE_SETS
from poolbench.typed import BadValue, build, unknown

EXCLUDE_VARIABLE_SETS = "EXCLUDE_VARIABLE_SETS"


class SettingError(ValueError):
    """A setting that does not exist or is out of range; the message names the range."""


def _setting(
    name: str, default: Any, does: str, bounds: tuple[float, float] | None = None, unit: str = "s"
) -> Any:
    about = {"name": name, "does": does} | ({"range": bounds, "unit": unit} if bounds else {})
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """What an RDS Proxy and its target group let you set, and below that what only the lab does.

    Names, ranges and defaults are those of `CreateDBProxy` and `ConnectionPoolConfiguration` (API version
    2014-10-31). Durations are seconds; unlike AWS the lab takes fractions of them.
    """

    idle_client_timeout: float = _setting(
        "IdleClientTimeout", 1800, "after it an idle client is disconnected", (1, 28_800)
    )
    max_connections_percent: int = _setting(
        "MaxConnectionsPercent", 100, "of max_connections may be opened", (1, 100), "%"
    )
    max_idle_connections_percent: int | None = _setting(
        "MaxIdleConnectionsPercent", None, "may be idle; null: half of the above", (0, 100), "%"
    )
    connection_borrow_timeout: float = _setting(
        "ConnectionBorrowTimeout", 120, "clients wait so long for a database connection", (0, 300)
    )
    init_query: str = _setting("InitQuery", "", "run on each new database connection, such as SET ...")
    session_pinning_filters: tuple[str, ...] = _setting(
        "SessionPinningFilters", (), f'["{EXCLUDE_VARIABLE_SETS}"]: SET does not pin'
    )
    require_tls: bool = _setting("RequireTLS", False, "refuse clients without it; needs tls, see above")
    client_password_auth_type: str = _setting(
        "ClientPasswordAuthType",
        "MYSQL_CACHING_SHA2_PASSWORD",
        "or MYSQL_NATIVE_PASSWORD: how clients log in",
    )

    # RDS Proxy ends a client connection after 24 hours, whatever it does, calls a database connection idle
    # after 5 minutes, and closes it some time after 24 hours, when it is not in use; none can be set there.
    client_lifetime: float = _setting(
        "ClientLifetime", 86_400, "after it a client is disconnected, however busy", (1, 86_400)
    )
    database_idle_after: float = _setting(
        "DatabaseIdleAfter", 300, "after it a database connection counts as idle", (0.1, 300)
    )
    database_lifetime: float = _setting(
        "DatabaseLifetime", 86_400, "after it a free database connection is closed", (1, 86_400)
    )
    # Whether RDS Proxy answers COM_PING alone or asks the database is not documented. False: as long as the
    # client has no database connection, the proxy answers alone.
    ping_database: bool = _setting("PingDatabase", False, "have the database answer COM_PING, not the proxy")

    def __post_init__(self) -> None:
        for entry in fields(self):
            name, value = entry.metadata["name"], getattr(self, entry.name)
            if "range" in entry.metadata and value is not None:
                _check_range(name, value, entry.metadata["range"], entry.metadata["unit"])
            if isinstance(entry.default, bool) and not isinstance(value, bool):
                raise SettingError(f"{name}: {value!r} is neither true nor false")
            if isinstance(entry.default, str) and not isinstance(value, str):
                raise SettingError(f"{name}: {value!r} is not text")
        for pinning_filter in self.session_pinning_filters:
            if pinning_filter != EXCLUDE_VARIABLE_SETS:
                raise SettingError(
                    f"SessionPinningFilters: {pinning_filter!r} is not {EXCLUDE_VARIABLE_SETS}, the only one"
                )
        if self.client_password_auth_type not in METHODS:
            raise SettingError(f"ClientPasswordAuthType: {unknown(self.client_password_auth_type, METHODS)}")
        if self.idle_percent > self.max_connections_percent:
            raise SettingError(
                f"MaxIdleConnectionsPercent: {self.idle_percent} is more than MaxConnectionsPercent, "
                f"{self.max_connections_percent}"
            )

    @property
    def idle_percent(self) -> int:
        """MaxIdleConnectionsPercent, or its default: half of MaxConnectionsPercent."""
        if self.max_idle_connections_percent is None:
            return self.max_connections_percent // 2
        return self.max_idle_connections_percent

    @property
    def tolerated_pins(self) -> frozenset[str]:
        """Reasons that would pin a session and, with these settings, do not."""
        return VARIABLE_SETS if self.session_pinning_filters else frozenset()

    def as_dict(self) -> dict[str, Any]:
        """Return the settings under their AWS names."""
        values = asdict(self)
        return {entry.metadata["name"]: values[entry.name] for entry in fields(self)}

    def changed(self, named: Mapping[str, Any]) -> Self:
        """Return a copy with some settings, under their AWS names, replaced.

        Raises:
            SettingError: no such setting, of another type, or out of range.

        """
        if not isinstance(named, Mapping):
            raise SettingError(f"settings: {named!r} is not an object of names and values")
        attributes = {entry.metadata["name"]: entry.name for entry in fields(self)}
        values = asdict(self)
        for name, value in named.items():
            if name not in attributes:
                raise SettingError(f"setting: {unknown(name, attributes)}")
            if isinstance(values[attributes[name]], tuple):
                if not isinstance(value, (list, tuple)):
                    raise SettingError(f"{name}: {value!r} is not a list")
                value = tuple(value)  # noqa: PLW2901 (as JSON has no tuples)
            values[attributes[name]] = value
        return type(self)(**values)


def _check_range(name: str, value: Any, bounds: tuple[float, float], unit: str) -> None:
    low, high = bounds
    kind = int if unit == "%" else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        raise SettingError(f"{name}: {value!r} is out of range, {low} to {high} {unit}")


MAIN = "main"
MAX_PORT = 65_535


class ConfigError(ValueError):
    """The configuration cannot be used; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port to listen on, 0 for any free one, and the failure that rules there."""

    port: int = 0
    failure: ProxyFault = ProxyFault.IDLE_CLOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """The database, the users that the proxy knows, its settings, and where it listens.

    Away from loopback, TLS is required of every client: passwords and data would be there for all to read.
    """

    backend: Backend
    accounts: Mapping[str, str] = field(repr=False)
    tokens: Mapping[str, Tokens] = field(default_factory=dict)  # users who come with a token, not a password
    settings: ProxySettings
    tls: Certificate | None = None
    host: str = LOOPBACK
    listeners: Mapping[str, Port] = field(default_factory=lambda: {MAIN: Port()})
    control_port: int = 0  # of the control API; 0 for any free one

    def __post_init__(self) -> None:
        try:
            is_loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            raise ConfigError(f"host: {self.host!r} is not an IP address") from None
        if self.settings.require_tls and self.tls is None:
            raise ConfigError("RequireTLS needs a certificate: set tls")
        if not (is_loopback or self.settings.require_tls):
            raise ConfigError(f"host: {self.host} is not loopback; set RequireTLS")
        if strangers := sorted(self.tokens.keys() - self.accounts.keys()):
            raise ConfigError(f"tokens: {strangers[0]} needs a password for the database, in accounts")
        if not self.listeners:
            raise ConfigError("listeners is empty: name at least one")
        ports = {f"listeners.{name}.port": listener.port for name, listener in self.listeners.items()}
        ports |= {"control_port": self.control_port, "backend.port": self.backend.port}
        for name, port in ports.items():
            if not 0 <= port <= MAX_PORT:
                raise ConfigError(f"{name}: {port} is out of range, 0 to {MAX_PORT}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `dump` wrote, or a file written by hand.

        Raises:
            ConfigError: it is not JSON, or a part is missing, unknown or wrong.
            SettingError: a setting is wrong.

        """
        try:
            data = json.loads(text)
            named = data.pop("settings", {}) if isinstance(data, dict) else {}
            return build(cls, data, settings=ProxySettings().changed(named))
        except json.JSONDecodeError as error:
            raise ConfigError(f"not JSON: {error}") from None
        except BadValue as error:
            raise ConfigError(str(error)) from None

    def dump(self) -> str:
        """Return JSON, with the passwords."""
        return json.dumps(asdict(self) | {"settings": self.settings.as_dict()}, default=str)
