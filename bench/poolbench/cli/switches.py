"""Failures of a campaign that somebody has to bring about, in the lab."""

import math
from collections.abc import Mapping
from dataclasses import replace

from poolbench.campaign import BadCampaign
from poolbench.campaign.failures import MODES, When
from poolbench.campaign.plan import Campaign
from poolbench.lab.mysql import ServerOptions
from poolbench.lab.mysql.server import ConnectionHog
from poolbench.lab.proxy import ProxyFault, ProxySettings
from poolbench.lab.stack import USUAL, Stack

OF_THE_LABS_SERVER = {"server_restart_direct", "too_many_connections"}
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


def check_own_database(campaign: Campaign, url: str, server: str | None) -> None:
    """Refuse to do to somebody's own database what is done to the lab's.

    Raises:
        BadCampaign: see the message.

    """
    if "://" not in url:
        raise BadCampaign("--url is not mysql://user:password@host:port/schema")
    if server:
        raise BadCampaign("--server is for the lab's own database, --url for yours: give one of them")
    if harm := sorted(OF_THE_LABS_SERVER & set(campaign.factors.failures)):
        raise BadCampaign(f"--url: {', '.join(harm)} would stop or fill your database: name other failures")


class Switches:
    """Switches failures on and off; called by the campaign's runner."""

    def __init__(self, stack: Stack) -> None:
        """Of this lab."""
        self._stack = stack
        login = stack.endpoints.application
        self._hog = ConnectionHog(stack.server.server, login.user, login.password)

    def __call__(self, failure: str, there: bool) -> None:
        """Let a failure be there, or not, from now on.

        Raises:
            ServerUnavailable: the server is somebody else's, or did not come back.

        """
        match failure:
            case "server_restart_direct":
                if there:
                    self._stack.server.restart()
            case "too_many_connections":
                (self._hog.take_all if there else self._hog.release)()
            case _:
                self._stack.proxy.fail(ProxyFault(failure if there else USUAL), failure)
