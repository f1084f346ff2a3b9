"""Notebooks are prose and calls; they run on anybody's campaign, and twice to the same bytes."""

import ast
import json
import sys
from pathlib import Path

import pytest

from poolbench.report.execution import NotebookFailed, differences, write
from poolbench.report.notebook import Results
from poolbench.report.questions import QUESTIONS
from tests.report.edit import small_campaign, spoiled_campaign
from tests.users import User, run_poolbench, wait_for

FOLDER = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(FOLDER.glob("*.py"))
TINY = "# %%\nimport os\n\nprint(os.environ['POOLBENCH_RESULTS'][:1])\n\n# %%\n1 + 1\n"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    source = tmp_path / "tiny.py"
    source.write_text(TINY)
    return source


def outputs(notebook: Path) -> str:
    cells = json.loads(notebook.read_text())["cells"]
    return json.dumps([cell.get("outputs", []) for cell in cells])


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_sources_are_prose_and_calls_without_logic(source: Path) -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    body = ast.parse(source.read_text()).body
    assert [node.lineno for node in body if not isinstance(node, allowed)] == []
    assert not [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Lambda)]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_every_source_has_its_executed_pair(source: Path) -> None:
    cells = json.loads(source.with_suffix(".ipynb").read_text())["cells"]
    ran = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in ran)
    assert not any(output["output_type"] == "error" for cell in ran for output in cell["outputs"])


def test_text_from_the_campaign_cannot_become_markup(tmp_path: Path) -> None:
    spoiled_campaign(tmp_path)
    view = Results(tmp_path).campaign("any")
    parts = [view.about(), view.overheads(), view.comparisons(), view.errors(), view.recommendation()]
    shown = "".join(part.data for part in (*parts, view.limitations()))
    assert all(f"alert({number})" in shown for number in (1, 2, 3))
    assert "<script" not in shown
    assert "<img" not in shown


def test_every_open_question_is_asked_in_a_notebook() -> None:
    said = "".join(source.read_text() for source in SOURCES)
    assert [question.name for question in QUESTIONS if f'ask("{question.name}")' not in said] == []


def test_a_notebook_is_told_where_the_results_are_and_compared_with_what_it_said(tiny: Path) -> None:
    written = write(tiny, tiny.parent, tiny.parent)
    assert written == tiny.with_suffix(".ipynb")
    assert list(differences(tiny, tiny.parent)) == []
    written.write_text(written.read_text().replace('"2"', '"3"'))
    (found,) = differences(tiny, tiny.parent)
    assert found == f"{written}, cell tiny-01: does not match the results"


def test_a_notebook_that_was_never_run_is_missed(tiny: Path) -> None:
    assert list(differences(tiny, tiny.parent)) == [f"{tiny.with_suffix('.ipynb')} is missing"]


def test_a_cell_that_fails_is_named_with_its_error(tiny: Path) -> None:
    tiny.write_text("# %%\n1 / 0\n")
    with pytest.raises(NotebookFailed, match=r"tiny\.py: ZeroDivisionError: division by zero"):
        write(tiny, tiny.parent, tiny.parent)


@pytest.mark.slow
def test_the_same_results_make_the_same_bytes(tmp_path: Path) -> None:
    campaign = small_campaign(tmp_path / "campaign")
    once, again = (write(SOURCES[0], campaign, tmp_path / name).read_bytes() for name in ("once", "again"))
    assert once == again


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_an_interrupted_notebook_leaves_neither_kernel_nor_traceback(user: User) -> None:
    small_campaign(user.folder / "campaign")
    process = user.start("notebooks", "campaign")
    wait_for(lambda: any("ipykernel" in command for command in user.left_over().values()))
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.strip()) == (130, "poolbench: interrupted")
    assert user.left_over() == {}


@pytest.mark.slow
def test_all_run_on_a_campaign_of_ones_own_straight_from_its_store(smoke: User, tmp_path: Path) -> None:
    code, output = run_poolbench(tmp_path, "notebooks", (smoke.folder / "runs" / "store").as_uri())
    assert code == 0, output
    made = sorted((tmp_path / "runs").glob("smoke-*/notebooks/*.ipynb"))
    assert [path.stem for path in made] == [source.stem for source in SOURCES]
    first, *_, last = made
    assert "smoke-" in outputs(first)
    assert "image/png" in outputs(first)
    assert "This campaign cannot tell: it did not measure" in outputs(last)
