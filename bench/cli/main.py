"""`poolbench`, its verbs and its exit codes."""

import signal
import sys
from types import FrameType

import click

import bench
from bench.analysis.load import CannotLoad
from bench.campaign.header import Different
from bench.campaign.invoker import InvokeFailed
from bench.campaign.journal import NoCampaign
from bench.campaign.runner import CampaignStopped
from bench.campaign.strict import BadCampaign
from bench.cli import campaign, catalogue, doctor, lab, readme
from bench.lab.aws import AwsUnavailable
from bench.lab.mysql import ServerUnavailable
from bench.lab.process import ChildFailed
from bench.lab.proxy import SettingError
from bench.store import StoreError

FAILED, USAGE, INTERRUPTED = 1, 2, 130

WRONG_INPUT = (BadCampaign, SettingError)
EXPECTED = (
    AwsUnavailable,
    CampaignStopped,
    CannotLoad,
    ChildFailed,
    Different,
    InvokeFailed,
    NoCampaign,
    ServerUnavailable,
    StoreError,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(bench.__version__, prog_name="poolbench")
def poolbench() -> None:
    """Measure which SQLAlchemy pool strategy a Lambda behind RDS Proxy should use.

    \b
    poolbench campaign quick      two minutes on this machine, no AWS account: rows, tables, charts
    poolbench plan full           what a campaign would do, and how long it would take
    poolbench strategies          what is compared
    """


for command in (*campaign.COMMANDS, *catalogue.COMMANDS, *lab.COMMANDS, *doctor.COMMANDS, *readme.COMMANDS):
    poolbench.add_command(command)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a campaign the way Ctrl-C does: cleaned up and resumable."""
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exit 0, 1 for a failure, 2 for a usage error, 130 for an interruption."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = poolbench.main(argv, prog_name="poolbench", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except WRONG_INPUT as error:
        _fail(USAGE, str(error))
    except EXPECTED as error:
        _fail(FAILED, str(error))
    except (KeyboardInterrupt, click.Abort):
        _fail(INTERRUPTED, "interrupted")
    sys.exit(code if isinstance(code, int) else 0)


def _fail(code: int, message: str) -> None:
    click.echo(f"poolbench: {message}", err=True)
    sys.exit(code)
