import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from poolbench.lab.mysql import ServerOptions, ServerUnavailable, running_server
from poolbench.lab.mysql.docker import IMAGE, abandoned, create_command, engine_runs, remove
from tests.users import run_poolbench

# A program in the place of docker's client, with an engine that only keeps books. It knows the options that
# the lab uses, and refuses any other, as docker does.
ENGINE = """#!{python}
import argparse, json, pathlib, re, sys
books = pathlib.Path("{books}")
kept = json.loads(books.read_text()) if books.exists() else {{}}
verb, arguments = sys.argv[1], sys.argv[2:]
parser = argparse.ArgumentParser(prog="docker", allow_abbrev=False)
for option in dict(
    version="--format", ps="--all! --filter --format", rm="--force! --volumes! name",
    create="--rm! --name --label+ --publish --env image",
)[verb].split():
    action = {{"!": "store_true", "+": "append"}}.get(option[-1], "store")
    parser.add_argument(option.rstrip("!+"), action=action)
given, settings = parser.parse_known_args(arguments)
if verb == "version":
    print("28.0.0")
elif verb == "create":
    kept[given.name] = dict(label.split("=", 1) for label in given.label)
elif verb == "ps":
    assert given.all, "what was created and never started is to be found, too"
    for name, labels in kept.items():
        if given.filter.removeprefix("label=") in labels:
            line = given.format.replace("{{{{.Names}}}}", name)
            print(re.sub(r'{{{{.Label "([^"]+)"}}}}', lambda found: labels.get(found[1], ""), line))
elif kept.pop(given.name, None) is None or not given.volumes:
    sys.exit(f"Error response from daemon: No such container: {{given.name}}")
books.write_text(json.dumps(kept))
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An engine; called, it is asked for a container as a lab does, by a process that is then no more."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(ENGINE.format(python=sys.executable, books=tmp_path / "books.json"))
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent), prepend=":")

    def create(name: str, machine: str = "") -> None:
        there = f"import platform; platform.node = lambda: {machine!r}; " if machine else ""
        asked = (
            "import subprocess; from poolbench.lab.mysql.docker import *; "
            f"subprocess.run(create_command({name!r}, 12345, ServerOptions()), check=True)"
        )
        subprocess.run([sys.executable, "-c", there + asked], check=True)

    return create


def test_a_container_whose_lab_has_gone_is_found_and_removed_and_no_other(
    engine: Callable[..., None], tmp_path: Path
) -> None:
    subprocess.run(create_command("in-use", 12345, ServerOptions()), check=True)
    engine("elsewhere", machine="another-machine-of-this-engine")
    engine("left")
    assert abandoned() == ["left"]
    code, output = run_poolbench(tmp_path, "doctor", TMPDIR=str(tmp_path))
    assert (code, "left over: Docker container left\n" in output) == (1, True), output
    code, output = run_poolbench(tmp_path, "doctor", "--clean", TMPDIR=str(tmp_path))
    assert (code, output.count("removed")) == (0, 1), output
    assert abandoned() == []
    for name in ("in-use", "elsewhere"):
        remove(name)
    with pytest.raises(ServerUnavailable, match="docker rm failed: Error response from daemon: No such"):
        remove("left")


def test_a_client_without_an_engine_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    assert not engine_runs()
    with (
        pytest.raises(ServerUnavailable, match="docker: no Docker engine answers"),
        running_server("docker", work_dir=tmp_path),
    ):
        pass


def test_no_client_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not engine_runs()


def test_the_container_is_reached_from_this_machine_alone_and_removes_itself() -> None:
    command = create_command("some-name", 12345, ServerOptions())
    assert "--rm" in command
    assert command[command.index("--publish") + 1] == "127.0.0.1:12345:3306"
    assert command[command.index("--name") + 1] == "some-name"
    assert command[command.index("--label") + 1] == "poolbench-lab=some-name"


def test_the_password_is_not_in_the_command() -> None:
    command = create_command("some-name", 12345, ServerOptions())
    assert command[command.index("--env") + 1] == "MYSQL_ROOT_PASSWORD"


def test_settings_go_to_the_server_and_not_to_docker() -> None:
    command = create_command("some-name", 12345, ServerOptions(max_connections=77, wait_timeout_s=5))
    settings = command[command.index(IMAGE) + 1 :]
    assert {"--max-connections=77", "--wait-timeout=5", "--interactive-timeout=5"} <= set(settings)
    assert all(setting.startswith("--") for setting in settings)
