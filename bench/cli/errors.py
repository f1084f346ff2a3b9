"""Errors that are no bugs: their message names the thing and the cure, and a traceback would add nothing."""

from bench.analysis.load import CannotLoad
from bench.aws.account import AwsFailed, BadRequest
from bench.aws.bundle import CannotBundle, NoModule
from bench.aws.cost import TooExpensive
from bench.aws.prices import NoPrice
from bench.campaign.header import Different
from bench.campaign.invoker import InvokeFailed
from bench.campaign.journal import NoCampaign
from bench.campaign.publish import NotFinished
from bench.campaign.runner import CampaignStopped
from bench.campaign.strict import BadCampaign
from bench.cli.places import NoPlace
from bench.lab.aws import AwsUnavailable
from bench.lab.libraries import LibraryUnavailable
from bench.lab.mysql import BadServer, ServerUnavailable
from bench.lab.process import ChildFailed
from bench.lab.proxy import SettingError
from bench.micro.saved import NotARun
from bench.store import BadStore, StoreError

# What the command line names is not there, or no such thing: the same again would fail the same way.
WRONG_INPUT = (
    BadCampaign,
    BadRequest,
    BadServer,
    BadStore,
    NoCampaign,
    NoModule,
    NoPlace,
    NotARun,
    SettingError,
)
EXPECTED = (
    AwsFailed,
    AwsUnavailable,
    CampaignStopped,
    CannotBundle,
    CannotLoad,
    ChildFailed,
    Different,
    InvokeFailed,
    LibraryUnavailable,
    NoPrice,
    NotFinished,
    ServerUnavailable,
    StoreError,
    TooExpensive,
)
