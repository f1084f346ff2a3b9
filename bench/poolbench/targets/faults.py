"""What a campaign's failure modes need of the lab: ports, settings, limits, and an injector."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from poolbench.campaign import BadCampaign
from poolbench.campaign.plan import Campaign
from poolbench.lab.mysql import ServerOptions
from poolbench.lab.mysql.server import ConnectionHog
from poolbench.lab.proxy import ProxyFault, ProxySettings
from poolbench.lab.stack import USUAL, Stack
from poolbench.model.failures import MODES, FailureMode, When

OF_THE_LABS_SERVER = {"server_restart_direct", "too_many_connections"}
HARMS = "would stop or fill your database"
FULL_AT = 151  # MySQL's default; few enough to be filled in no time


def listeners_of(campaign: Campaign) -> Mapping[str, ProxyFault]:
    """Ports that the proxy needs: one for each failure, so that cells do not get in each other's way."""
    through_proxy = [MODES[name] for name in campaign.factors.failures if not MODES[name].direct]
    return {USUAL: ProxyFault(USUAL)} | {
        mode.name: ProxyFault(mode.name if mode.when is When.ALWAYS else USUAL) for mode in through_proxy
    }


def proxy_settings(campaign: Campaign) -> ProxySettings:
    """The proxy's settings, as the campaign asks for them."""
    settings = ProxySettings(
        idle_client_timeout=campaign.idle_client_timeout_s,
        connection_borrow_timeout=campaign.connection_borrow_timeout_s,
    )
    if not campaign.burst:
        return settings
    # Each burst is to find the proxy without database connections, so none is kept for long: as long as
    # RDS Proxy keeps them, on the scale of its idle client timeout.
    scale = campaign.idle_client_timeout_s / ProxySettings().idle_client_timeout
    return replace(
        settings,
        max_connections_percent=campaign.burst.max_connections_percent,
        max_idle_connections_percent=0,
        database_idle_after=max(0.1, scale * ProxySettings().database_idle_after),
    )


def server_options(campaign: Campaign) -> ServerOptions:
    """Limits of the server: those that failures need, else the defaults."""
    failures, usual = campaign.factors.failures, ServerOptions()
    return ServerOptions(
        wait_timeout_s=(
            math.ceil(campaign.idle_client_timeout_s) if "wait_timeout" in failures else usual.wait_timeout_s
        ),
        max_connections=_max_connections(campaign),
    )


def _max_connections(campaign: Campaign) -> int:
    if campaign.burst:
        return campaign.burst.max_connections
    full = "too_many_connections" in campaign.factors.failures
    return FULL_AT if full else ServerOptions().max_connections


class LabFaults:
    """Brings failure modes about in a running lab."""

    def __init__(self, stack: Stack, *, users_database: bool = False) -> None:
        """Of this lab, whose database may be a user's."""
        self._users_database = users_database
        login = stack.endpoints.application
        hog = ConnectionHog(stack.server.server, login.user, login.password)
        self._proxy = stack.proxy
        # Those past the proxy: what begins them, and what ends them.
        self._direct: Mapping[str, tuple[Callable[[], None], Callable[[], None]]] = {
            "server_restart_direct": (stack.server.restart, _nothing),
            "too_many_connections": (hog.take_all, hog.release),
        }

    def refuses(self, mode: FailureMode) -> str | None:
        """Why the lab cannot have it: it would harm a user's database."""
        if self._users_database and mode.name in OF_THE_LABS_SERVER:
            return HARMS
        return None

    def begin(self, failure: str) -> None:
        """Let a failure be there from now on.

        Raises:
            ServerUnavailable: the server did not come back.

        """
        if failure in self._direct:
            self._direct[failure][0]()
        else:
            self._proxy.fail(ProxyFault(failure), failure)

    def end(self, failure: str) -> None:
        """Let it be over."""
        if failure in self._direct:
            self._direct[failure][1]()
        else:
            self._proxy.fail(ProxyFault(USUAL), failure)


def _nothing() -> None:
    """A restart is over when the server has come back."""


def check_users_database(campaign: Campaign, url: str, server: str | None) -> None:
    """Refuse to do to a user's database what is done to the lab's.

    Raises:
        BadCampaign: see the message.

    """
    if "://" not in url:
        raise BadCampaign("--url is not mysql://user:password@host:port/schema")
    if server:
        raise BadCampaign("--server is for the lab's own database, --url for yours: give one of them")
    if harm := sorted(OF_THE_LABS_SERVER & set(campaign.factors.failures)):
        raise BadCampaign(f"--url: {', '.join(harm)} {HARMS}: name other failures")
