"""A campaign's objects in its store: what they are called, and what they tell of how far it got."""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from poolbench.model.cell import FinishedCell
from poolbench.model.header import BadHeader, Header, Jump, Session
from poolbench.store import Store, StoreError
from poolbench.typed import build

_ROWS = re.compile(r"(?P<cell>[^/]+)/(?P<attempt>\d+)-\d+")  # name of what an invocation brought
_SESSION = re.compile(r"\d+")  # what names of all that belongs to one begin with


class NoCampaign(Exception):
    """The store holds no such campaign; the message names what it does hold."""


@dataclass(frozen=True, slots=True)
class Journal:
    """Reads and writes the objects of one campaign.

    <campaign>/header.json                 provenance, settings and cells; written before anything is measured
    <campaign>/rows/<cell>/<attempt>-<sequence>.jsonl   one invocation's rows, by the function
    <campaign>/cells/<cell>.json           a finished cell, with its invocations as the client saw them
    <campaign>/connections/<session>-<slice>.jsonl      the sampler's series
    <campaign>/events/<session>-<slice>.jsonl           what happened at the lab's proxy; none on AWS
    <campaign>/starts/<session>.json       that one run of the campaign command began
    <campaign>/jumps/<session>-<n>.json    when time jumped in it, noted at once
    <campaign>/sessions/<session>.json     how it ended, with all of that; none if it was killed
    <campaign>/lanes/<session>-<lane>.json              what a lane is to do, where a state machine waits
    <campaign>/invocations/<cell>/<attempt>-<sequence>.json    what becomes part of the cell then
    """

    store: Store
    campaign: str

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Create one of the JSON objects."""
        data = json.dumps(content, ensure_ascii=False, indent=1).encode()
        self.store.put_new(f"{self.campaign}/{name}.json", data)

    def read(self, name: str) -> dict[str, Any]:
        """Read one of the JSON objects.

        Raises:
            KeyError: the object does not exist.
            StoreError: it is damaged.

        """
        key = f"{self.campaign}/{name}.json"
        data = self.store.get(key)
        with self.judging(key):
            content = json.loads(data)
            if not isinstance(content, dict):
                raise ValueError("it is no JSON object")
        return content

    @contextlib.contextmanager
    def judging(self, key: str) -> Iterator[None]:
        """Name the object whose content turns out to be none of ours.

        Raises:
            StoreError: the block raised what wrong types and missing keys raise.

        """
        try:
            yield
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            why = f"it lacks {error}" if isinstance(error, KeyError) else error
            cure = "" if key.endswith("header.json") else "; move it away, and the rest is used without it"
            raise StoreError(f"store {self.store.url}: {key} is damaged: {why}{cure}") from error

    def header(self) -> Header:
        """Read the header, of any version up to the current one.

        Raises:
            KeyError: the campaign has none.
            StoreError: it is damaged, or from a newer version.

        """
        key = f"{self.campaign}/header.json"
        try:
            return Header.from_dict(self.read("header"), key)
        except BadHeader as error:
            raise StoreError(f"store {self.store.url}: {error}") from None

    def finished(self, cell: str) -> FinishedCell:
        """Read a finished cell.

        Raises:
            KeyError: it is not finished.
            StoreError: its object is damaged.

        """
        content = self.read(f"cells/{cell}")
        with self.judging(f"{self.campaign}/cells/{cell}.json"):
            return FinishedCell.from_dict(content)

    def file(self, cell: FinishedCell) -> None:
        """Write the object that makes a cell finished."""
        self.write(f"cells/{cell.cell}", cell.as_dict())

    def begun(self) -> bool:
        """Whether there is such a campaign; one killed before it wrote its header never was."""
        try:
            self.read("header")
        except KeyError:
            return False
        return True

    def keys(self, folder: str) -> Iterator[str]:
        """Keys of the objects in a folder; what else lies there, an editor or a desktop has left."""
        found = self.store.list_keys(f"{self.campaign}/{folder}/")
        return (key for key in found if key.endswith((".json", ".jsonl")))

    def names(self, folder: str) -> list[str]:
        """Names of the objects in a folder, less the folder and the ending."""
        prefix = f"{self.campaign}/{folder}/"
        return [key.removeprefix(prefix).rpartition(".")[0] for key in self.keys(folder)]

    def finished_cells(self) -> frozenset[str]:
        """Cells that need not be run again."""
        return frozenset(self.names("cells"))

    def next_session(self) -> str:
        """Name for another run of the campaign; one that was killed left its start or its plans."""
        used = [*self.names("starts"), *self.names("sessions"), *self.names("lanes")]
        numbers = (int(found[0]) for name in used if (found := _SESSION.match(name)))
        return f"{max(numbers, default=-1) + 1:03d}"

    def sessions(self) -> tuple[Session, ...]:
        """Every run of the campaign, in order; of one that was killed, or still runs, what it has noted."""
        ended, jumps = self.names("sessions"), self.names("jumps")
        found = []
        for name in sorted(filter(_SESSION.fullmatch, {*ended, *self.names("starts")})):
            folder = "sessions" if name in ended else "starts"
            content = self.read(f"{folder}/{name}")
            if name not in ended:
                content["jumps"] = [self._jump(jump) for jump in jumps if jump.startswith(f"{name}-")]
            with self.judging(f"{self.campaign}/{folder}/{name}.json"):
                found.append(Session.from_dict(content))
        return tuple(found)

    def _jump(self, name: str) -> dict[str, Any]:
        content = self.read(f"jumps/{name}")
        with self.judging(f"{self.campaign}/jumps/{name}.json"):
            return asdict(build(Jump, content))

    def next_attempts(self) -> dict[str, int]:
        """For each cell with rows: the number that a new attempt at it gets."""
        attempts: dict[str, int] = {}
        for found in filter(None, map(_ROWS.fullmatch, self.names("rows"))):
            attempts[found["cell"]] = max(attempts.get(found["cell"], 0), int(found["attempt"]) + 1)
        return attempts


def newest(store: Store, name: str) -> str:
    """Id of the newest campaign of that name in the store.

    Raises:
        NoCampaign: the store has none of that name.

    """
    found = store.list_folders()
    named = re.compile(rf"{re.escape(name)}-\d{{8}}T\d{{6}}Z-\w+")
    of_name = sorted(filter(named.fullmatch, found), reverse=True)  # the time is part of the id
    for folder in of_name:
        if Journal(store, folder).begun():
            return folder
    raise no_campaign(store, name)


def no_campaign(store: Store, name: str) -> NoCampaign:
    """Say that a campaign is not there, and which are."""
    begun = [folder for folder in store.list_folders() if Journal(store, folder).begun()]
    held = f"it holds {', '.join(begun)}" if begun else "it is empty"
    return NoCampaign(f"store {store.url}: no campaign {name!r}; {held}")
