"""A checkout of the project with its bundle and SAM, as far as `poolbench deploy` looks at them."""

import json
import zipfile
from pathlib import Path

from poolbench.aws.pack import INFRA


def make_bundle(folder: Path) -> None:
    """What `poolbench bundle` leaves, without the code."""
    (folder / "build").mkdir()
    with zipfile.ZipFile(folder / "build" / "bundle.zip", "w") as archive:
        archive.writestr("bundle.json", json.dumps({"python": "3.13", "architecture": "arm64"}))


def make_checkout(folder: Path, sam: str = "#!/bin/false\n") -> None:
    """Everything that `deploy` needs, with this program in the place of SAM."""
    make_bundle(folder)
    program = folder / "build" / "checks" / "sam" / "bin" / "sam"
    program.parent.mkdir(parents=True)
    program.write_text(sam)
    program.chmod(0o755)
    (folder / "infra").mkdir()
    for name in ("template.yaml", "deployer.yaml"):
        (folder / "infra" / name).write_bytes((INFRA / name).read_bytes())
