from pathlib import Path

import pytest

from bench.lab.mysql import ServerOptions, ServerUnavailable, running_server
from bench.lab.mysql.docker import IMAGE, create_command, engine_runs


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
