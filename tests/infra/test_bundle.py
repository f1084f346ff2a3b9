"""The deployed bundle: the same bytes each time, complete, lean, and run by the lab as it is."""

import json
import os
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from poolbench.aws import pack
from poolbench.aws.bundle import HERE, Bundle, CannotBundle, Runtime
from poolbench.aws.pack import INFRA, imported_by, make_bundle
from poolbench.campaign import BadCampaign
from poolbench.campaign.file import CampaignFile
from poolbench.cli.bundle import unpacked as unpacked_code
from poolbench.function.strategies import CONTROL
from poolbench.lab.platform import LOOPBACK, answers, free_port
from poolbench.lab.process import Child
from tests.infra.conftest import CHECKS, OWN_ENGINES
from tests.invocations import invocation
from tests.users import User, wait_for

pytestmark = pytest.mark.slow

ISOLATED = """
import sys
sys.path.insert(0, sys.argv[1])
import poolbench.aws.conductor, poolbench.function.handler, poolbench.function.sampler
import boto3, sqlalchemy.orm
from sqlalchemy.util import has_compiled_ext
for service in ("lambda", "rds", "s3", "secretsmanager"):
    boto3.client(service)
sqlalchemy.create_engine("mysql+pymysql://"), sqlalchemy.create_engine("sqlite://").connect()
assert has_compiled_ext()
assert poolbench.function.handler.application.config.tls.context.cert_store_stats()["x509_ca"] > 30
print(poolbench.function.handler.handler.__code__.co_filename)
"""


@pytest.fixture(scope="module")
def unpacked(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("task")
    bundle.unpack(root)
    return root


def test_the_same_inputs_give_the_same_bytes(bundle: Bundle, user: User) -> None:
    (user.folder / "own_engines.py").write_text(OWN_ENGINES)
    code, output = user.run("bundle", "--module", "own_engines")
    assert code == 0, output
    assert f"build/bundle.zip: {bundle.megabytes:.2f} MB, sha256 {bundle.sha256}" in output
    assert f"PythonVersion={HERE.python} Architecture={HERE.architecture}" in output


def test_everything_is_there_with_nothing_but_the_bundle_on_the_path(unpacked: Path, tmp_path: Path) -> None:
    secret = {"username": "u", "password": "p", "dbname": "d"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ISOLATED, unpacked],
        env={
            "AWS_DEFAULT_REGION": "us-east-1",
            "POOLBENCH_SECRET": json.dumps(secret),
            "POOLBENCH_TLS_CA": str(unpacked / "roots.pem"),
            "PATH": os.defpath,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "/var/task/poolbench/function/handler.py"


def test_it_runs_behind_the_runtime_interface_emulator_of_aws(unpacked: Path, tmp_path: Path) -> None:
    """The emulator comes with SAM. The control needs no database; its rows say that the handler is whole."""
    emulator = next((CHECKS / "sam/lib").glob(f"*/site-packages/samcli/local/rapid/*-{HERE.architecture}"))
    emulator.chmod(0o755)
    front, runtime = f"{LOOPBACK}:{free_port()}", f"{LOOPBACK}:{free_port()}"
    secret = json.dumps({"username": "u", "password": "p", "dbname": "d"})
    child = Child(
        [
            *(emulator, "--runtime-interface-emulator-address", front, "--runtime-api-address", runtime),
            *(sys.executable, "-m", "awslambdaric", "poolbench.function.handler.handler"),
        ],
        log=tmp_path / "log",
        env={"PATH": os.defpath, "POOLBENCH_SECRET": secret, "LAMBDA_TASK_ROOT": str(unpacked)},
        cwd=unpacked,
    )
    try:
        wait_for(lambda: answers(LOOPBACK, int(front.rpartition(":")[2])))
        sent = invocation(tmp_path / "store", strategy=CONTROL, label=CONTROL)
        url = f"http://{front}/2015-03-31/functions/function/invocations"
        with urllib.request.urlopen(url, json.dumps(sent.as_dict()).encode()) as response:
            answer = json.load(response)
    finally:
        child.kill()
    assert answer.get("outcomes") == ["ok", "ok"], answer
    lines = (tmp_path / "store" / sent.visit.key).read_text().splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["first_in_environment", "later"]


def test_it_holds_bytecode_of_what_the_functions_import_and_is_small(bundle: Bundle) -> None:
    with zipfile.ZipFile(bundle.path) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert bundle.megabytes <= 7
    assert {(entry.date_time[0], entry.external_attr >> 16) for entry in entries} == {(1980, 0o100644)}
    assert [name for name in names if name.endswith(".py")] == []
    packages = {name.partition("/")[0] for name in names if "/" in name}
    assert not packages & {"moto", "pyarrow", "pandas", "flask", "awslambdaric", "bin"}
    parts = {name.split("/")[1] for name in names if name.startswith("poolbench/")}
    assert parts == {"__init__.pyc", "store.pyc", "typed.pyc", "model", "function", "campaign", "aws"}
    assert {"poolbench/campaign/sync.pyc", "poolbench/aws/pack.pyc"}.isdisjoint(names)


def test_the_function_brings_nothing_of_the_campaign_with_it() -> None:
    files = imported_by(["poolbench.function.handler", "poolbench.function.sampler"])
    assert {file.parent.name for file in files} <= {"poolbench", "function", "model", "strategies"}


def test_it_is_made_for_another_processor(tmp_path: Path) -> None:
    other = "x86_64" if HERE.architecture == "arm64" else "arm64"
    made = make_bundle(tmp_path / "other.zip", Runtime(HERE.python, other))
    with pytest.raises(CannotBundle, match=rf"is for Python {HERE.python} on {other}, and this is"):
        made.unpack(tmp_path)
    machine = {"arm64": "aarch64", "x86_64": "x86_64"}[other]
    with zipfile.ZipFile(made.path) as archive:
        libraries = [name for name in archive.namelist() if name.endswith(".so")]
    assert libraries
    assert all(machine in name for name in libraries)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("3.9", "Lambda runs 3.11, "),
        ("3.14", r"python3.14 is not on PATH, which compiling needs: install it"),
    ],
)
def test_a_python_that_lambda_or_this_machine_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, python: str, message: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotBundle, match=message):
        make_bundle(tmp_path / "bundle.zip", Runtime(python, HERE.architecture))


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain.zip").write_bytes(b"PK")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("lambda_function.py", "")
    for name in ("plain.zip", "other.zip", "none.zip"):
        with pytest.raises(CannotBundle, match=rf"{name} is not a bundle .*`poolbench bundle`"):
            Bundle.open(tmp_path / name)


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotBundle, match="module 'nobodys' is not importable from here"):
        make_bundle(tmp_path / "bundle.zip", modules=["nobodys.engines"])


def test_without_a_checkout_there_is_nothing_to_bundle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pack, "INFRA", tmp_path)
    with pytest.raises(CannotBundle, match=r"there is no .*lambda\.lock: it comes with a checkout"):
        make_bundle(tmp_path / "bundle.zip")


def test_a_library_that_is_not_the_one_that_was_pinned_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lambda.lock").write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(pack, "INFRA", tmp_path)
    with pytest.raises(CannotBundle, match=r"pip could not install infra/lambda.lock: ERROR: .*DO NOT MATCH"):
        make_bundle(tmp_path / "bundle.zip")
    assert not (tmp_path / "bundle.zip").exists()


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # Starfield's
def test_the_roots_are_whole_valid_and_what_their_comments_say() -> None:
    text = (INFRA / "roots.pem").read_text()
    roots = x509.load_pem_x509_certificates(text.encode())
    for root in roots:
        root.verify_directly_issued_by(root)
        assert root.fingerprint(hashes.SHA256()).hex() in text
        assert root.not_valid_after_utc.year >= 2037
        assert root.extensions.get_extension_for_class(x509.BasicConstraints).critical
    names = [root.subject.rfc4514_string() for root in roots]
    assert any("Amazon Root CA 1" in name for name in names)
    assert any("Amazon RDS us-east-1 Root CA RSA2048 G1" in name for name in names)


TINY = """
name = "tiny"
description = "beyond the timeout"
seed = 1
idle_client_timeout_s = 1.0
[factors]
strategies = ["queuepool"]
gaps = [1.5]
[request]
requests = 2
deadline_s = 3
[repetition]
lanes = 4
rounds = 2
gaps_per_round = 1
"""


def test_the_lab_runs_a_campaign_from_the_very_bundle(bundle: Bundle, user: User) -> None:
    """The own engine's module is in the bundle; no path of the functions leads to the current directory."""
    (user.folder / "own_engines.py").write_text(OWN_ENGINES)
    (user.folder / "tiny.toml").write_text(TINY)
    arguments = ("--bundle", str(bundle.path), "--strategy", "own_engines:make")
    code, output = user.run("campaign", "tiny.toml", *arguments)
    assert code == 0, output
    (header,) = (user.folder / "runs").glob("tiny-*/header.json")
    assert json.loads(header.read_text())["target"]["bundle"] == bundle.sha256
    assert {row["outcome"] for row in user.rows(label="own_engines:make")} == {"ok"}
    lost = user.rows(label="queuepool", gap_ratio=1.5, role="measure", request=0)
    assert {row["error_code"] for row in lost} == {2013}


def test_a_campaign_that_chooses_libraries_does_not_run_from_a_bundle(bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text('sqlalchemy = "2.0"\n' + TINY)
    campaign = CampaignFile.load(str(file)).campaign
    with (
        pytest.raises(BadCampaign, match=r"^--bundle: factors.drivers and sqlalchemy choose libraries"),
        unpacked_code(bundle.path, campaign),
    ):
        pass
