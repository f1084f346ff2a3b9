"""Where a campaign lies: a directory that a sync wrote, or a store that is synced first."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from poolbench.campaign.journal import Journal, NoCampaign
from poolbench.campaign.sync import sync
from poolbench.store import StoreError, open_store

RUNS = Path("runs")  # below the current directory, like everything that a campaign writes


class NoPlace(Exception):
    """Neither a directory nor a store; the message names it."""


@contextlib.contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Let errors name a place: those of a full disk, which come late, name no file.

    Raises:
        OSError: what is inside raised one.

    """
    try:
        yield
    except OSError as error:
        if error.filename:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(directory)) from error


def fetch(place: str, campaign: str | None = None, out: Path | None = None) -> Path:
    """Directory of a synced campaign, or of several: `place`, or where the campaign at that place is put.

    Args:
        place: such a directory; or a directory, file:// or s3:// URL of a store, or of one campaign in it.
        campaign: which of the store's; needed if it holds several.
        out: where to sync it; by default `runs/` and the campaign's id.

    Raises:
        NoPlace: there is nothing there, or no campaign.
        NoCampaign: the campaign does not exist, or the store has several and none was named.
        StoreError: the store refused.

    """
    directory = Path(place)
    if "://" not in place:
        if not directory.is_dir():
            raise NoPlace(f"directory {place!r} does not exist, and it is not a file:// or s3:// URL")
        if not _is_store(directory):
            if campaign is not None:
                raise NoPlace(f"{place!r} is not a store with campaigns to choose from: leave --campaign out")
            if not (any(directory.glob("header.json")) or any(directory.glob("*/header.json"))):
                raise NoPlace(f"{place} holds no synced campaign: see `poolbench sync`")
            return directory
    journal = find(place, campaign)
    target = out or RUNS / journal.campaign
    with writing(target):
        sync(journal, target)
    return target


def _is_store(directory: Path) -> bool:
    """Whether it holds objects as they are written during a campaign; a sync makes no such folders."""
    return any((directory / "rows").glob("*/")) or any(directory.glob("*/rows/"))


def find(url: str, campaign: str | None) -> Journal:
    """Find a campaign in the store at `url`, or the campaign that `url` ends with.

    Raises:
        NoCampaign, StoreError: see `fetch`.

    """
    store = open_store(url)
    if campaign is None and (itself := _named_by(store.url)):
        return itself
    begun = [folder for folder in store.list_folders() if Journal(store, folder).begun()]
    if not begun:
        raise NoCampaign(f"store {store.url} holds no campaign")
    if campaign is None and len(begun) != 1:
        raise NoCampaign(f"store {store.url}: say which campaign with --campaign; {_held(begun)}")
    chosen = campaign or begun[0]
    if chosen not in begun:
        raise NoCampaign(f"store {store.url}: no campaign {chosen!r}; {_held(begun)}")
    return Journal(store, chosen)


def _held(campaigns: Sequence[str]) -> str:
    return f"it holds {', '.join(campaigns)}"


def _named_by(url: str) -> Journal | None:
    above, _, last = url.rpartition("/")
    try:
        journal = Journal(open_store(above), last)
        synced = any(journal.store.list_keys(f"{last}/rows.parquet"))  # it has a header, too, but no objects
        return journal if journal.begun() and not synced else None
    except StoreError:  # `url` is that of a bucket, with nothing above it
        return None
