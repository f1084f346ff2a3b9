"""A campaign's objects in its store: what they are called, and what they tell of how far it got."""

import json
import re
from dataclasses import dataclass
from typing import Any

from bench.store import Store, StoreError


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
            KeyError: there is none of that name.
            StoreError: it is damaged.

        """
        key = f"{self.campaign}/{name}.json"
        try:
            content = json.loads(self.store.get(key))
        except ValueError as error:
            raise StoreError(f"store {self.store.url}: {key} is damaged: {error}") from error
        if not isinstance(content, dict):
            raise StoreError(f"store {self.store.url}: {key} is damaged: it is no JSON object")
        return content

    def begun(self) -> bool:
        """Whether there is such a campaign; one killed before it wrote its header never was."""
        try:
            self.read("header")
        except KeyError:
            return False
        return True

    def names(self, folder: str) -> list[str]:
        """Names of the objects in a folder, less the folder and the ending."""
        prefix = f"{self.campaign}/{folder}/"
        return [key.removeprefix(prefix).rpartition(".")[0] for key in self.store.list_keys(prefix)]

    def finished_cells(self) -> frozenset[str]:
        """Cells that need not be run again."""
        return frozenset(self.names("cells"))

    def next_session(self) -> str:
        """Name for another run of the campaign; one that was killed left its start or its plans."""
        used = [*self.names("starts"), *self.names("sessions"), *self.names("lanes")]
        return f"{max((int(name.partition('-')[0]) + 1 for name in used), default=0):03d}"

    def sessions(self) -> list[dict[str, Any]]:
        """Every run of the campaign, in order; of one that was killed, or still runs, what it has noted."""
        ended, jumps = self.names("sessions"), self.names("jumps")
        return [
            self.read(f"sessions/{name}")
            if name in ended
            else self.read(f"starts/{name}")
            | {"jumps": [self.read(f"jumps/{jump}") for jump in jumps if jump.startswith(f"{name}-")]}
            for name in sorted({*ended, *self.names("starts")})
        ]

    def next_attempts(self) -> dict[str, int]:
        """For each cell with rows: the number that a new attempt at it gets."""
        attempts: dict[str, int] = {}
        for name in self.names("rows"):
            cell, attempt = name.rpartition("-")[0].split("/")
            attempts[cell] = max(attempts.get(cell, 0), int(attempt) + 1)
        return attempts


def newest(store: Store, name: str) -> str:
    """Id of the newest campaign of that name in the store.

    Raises:
        NoCampaign: there is none.

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
