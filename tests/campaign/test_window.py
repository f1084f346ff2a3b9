"""Samples are told apart by the cell and the phase that they fall into."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from poolbench.model.cell import FinishedCell, Window, Windows

_MOMENTS = st.lists(st.integers(0, 1000), min_size=4, max_size=40, unique=True).map(sorted)


@given(_MOMENTS, st.integers(-10, 1010))
def test_a_sample_belongs_to_the_cell_that_was_in_progress(moments: list[int], at: int) -> None:
    windows = {f"c{n}": Window(*moments[n : n + 4]) for n in range(0, len(moments) - 3, 4)}
    gap = FinishedCell(cell="gap", attempt=0, invocations=())
    cells = {cell: replace(gap, cell=cell, window=window) for cell, window in windows.items()} | {"gap": gap}
    cell, phase = Windows(cells).at(at)
    inside = [name for name, window in windows.items() if window.began <= at <= window.after]
    assert ([cell] if cell else []) == inside
    if cell:
        window = windows[cell]
        assert phase == window.phase_at(at)
        assert (phase == "before") == (at < window.start)
        assert (phase == "tail") == (at > window.ended)
    else:
        assert phase is None
