"""Errors that are not bugs: their message names the thing and the cure; a traceback would add nothing."""

from poolbench.aws.account import AwsFailed, BadRequest
from poolbench.aws.bundle import CannotBundle, NoModule
from poolbench.aws.cost import NoPrice, TooExpensive
from poolbench.campaign.engine import CampaignStopped
from poolbench.campaign.header import Different
from poolbench.campaign.invoker import InvokeFailed
from poolbench.campaign.journal import NoCampaign
from poolbench.campaign.sync import NotFinished
from poolbench.cli.places import NoPlace
from poolbench.lab.aws import AwsUnavailable
from poolbench.lab.libraries import LibraryUnavailable
from poolbench.lab.mysql import BadServer, ServerUnavailable
from poolbench.lab.process import ChildFailed
from poolbench.lab.proxy import SettingError
from poolbench.report.load import CannotLoad
from poolbench.store import BadStore, StoreError
from poolbench.typed import BadValue

# What the command line names is not there, or no such thing: the same again would fail the same way.
WRONG_INPUT = (
    BadValue,  # of a campaign file, or of a saved run of the microbenchmarks
    BadRequest,
    BadServer,
    BadStore,
    NoCampaign,
    NoModule,
    NoPlace,
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
