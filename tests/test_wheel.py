"""What people install: the package, and nothing that would collide with their own folders."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_the_package_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"poolbench"}
    assert "poolbench/campaign/files/quick.toml" in names
    assert "poolbench/report/page.html.j2" in names


def test_what_needs_a_checkout_says_so_where_the_wheel_is_installed(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "saved.json").write_text("{}")
    # Without this checkout on the path, whose editable install would bring the microbenchmarks along.
    start = f"import sys; sys.path[:] = [p for p in sys.path if p != {str(ROOT / 'bench')!r}]; "
    start += (
        f"sys.path.insert(0, {str(tmp_path / 'site')!r}); from poolbench.cli import main; main(sys.argv[1:])"
    )

    def said(*arguments: str) -> str:
        command = [sys.executable, "-c", start, *arguments]
        done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
        return f"{done.returncode}: {done.stdout}{done.stderr}"

    assert said("report", "nowhere").startswith("2: poolbench: ")
    needs = "this needs a checkout of poolbench: the microbenchmarks in bench/micro are not installed"
    assert said("report", "saved.json") == f"1: poolbench: {needs}\n"
