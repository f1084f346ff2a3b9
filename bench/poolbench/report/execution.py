"""Executes the notebooks: turns percent scripts into .ipynb files, the same bytes for the same results."""

import asyncio
import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

PLACE = "POOLBENCH_RESULTS"  # the variable that tells a notebook where campaigns are
_TIMEOUT_S = 300  # of a cell
_IMAGES = ("image/png", "image/svg+xml")


class NotebookFailed(Exception):
    """A cell raised or did not finish; the message names the notebook and the error."""


def execute(source: Path, results: Path) -> nbformat.NotebookNode:
    """Run a percent script on the campaigns in `results`.

    Raises:
        NotebookFailed: a cell raised.

    """
    notebook: nbformat.NotebookNode = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"{source.stem}-{number:02d}"  # nbformat's are random
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["jupytext"] = {"formats": "ipynb,py:percent"}
    client = NotebookClient(
        notebook,
        timeout=_TIMEOUT_S,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # else it warns of TCP, which stays on this machine
        resources={"metadata": {"path": str(source.parent)}},
    )
    try:
        _run(client, {**os.environ, PLACE: str(results.absolute())})
    except CellExecutionError as error:
        raise NotebookFailed(f"{source}: {error.ename}: {error.evalue}") from error
    except CellTimeoutError as error:
        raise NotebookFailed(f"{source}: a cell took longer than {_TIMEOUT_S} s") from error
    except DeadKernelError as error:
        raise NotebookFailed(f"{source}: its kernel died: killed, or out of memory?") from error
    notebook.metadata.pop("language_info", None)  # the Python that happened to run it
    return notebook


def _run(client: NotebookClient, variables: dict[str, str]) -> None:
    """Execute on a separate thread: on the main one nbclient handles signals, and fails to."""
    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as pool:
        loop = runner.get_loop()
        work = loop.create_task(client.async_execute(env=variables, stderr=subprocess.DEVNULL))
        running = pool.submit(loop.run_until_complete, work)
        try:
            running.result()
        except KeyboardInterrupt:  # the kernel ends before this block does
            loop.call_soon_threadsafe(work.cancel)
            raise


def write(source: Path, results: Path, out: Path) -> Path:
    """Execute a percent script into `out`, under its own name.

    Raises:
        NotebookFailed: a cell raised.

    """
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{source.stem}.ipynb"
    target.write_text(nbformat.writes(execute(source, results)) + "\n", encoding="utf-8")
    return target


def differences(source: Path, results: Path) -> Iterator[str]:
    """How the .ipynb beside a percent script differs from a new run, without comparing pictures.

    Raises:
        NotebookFailed: a cell raised.

    """
    committed = source.with_suffix(".ipynb")
    if not committed.exists():
        yield f"{committed} is missing"
        return
    was, now = (_said(one) for one in (nbformat.read(committed, 4), execute(source, results)))
    if len(was) != len(now):
        yield f"{committed} has {len(was)} cells, {source} {len(now)}"
    for before, after in zip(was, now, strict=False):
        if before != after:
            yield f"{committed}, cell {after[0]}: does not match the results"


def _said(notebook: nbformat.NotebookNode) -> Sequence[Any]:
    """Id, source and outputs of each cell, without pixels."""
    return [
        (cell["id"], cell["source"], [_without_pixels(output) for output in cell.get("outputs", ())])
        for cell in notebook.cells
    ]


def _without_pixels(output: Any) -> Any:
    data = {kind: None if kind in _IMAGES else content for kind, content in output.get("data", {}).items()}
    return {**output, "data": data}
