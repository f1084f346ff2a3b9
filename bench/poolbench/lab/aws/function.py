"""What a function is, within Lambda's limits, and how its callers may name it."""

import functools
import importlib.util
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

REGION, ACCOUNT = "us-east-1", "123456789012"  # moto's account
LATEST, PUBLISHED = "$LATEST", "1"

# Lambda refuses to have these overridden (developer guide, "Defined runtime environment variables").
RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HANDLER = re.compile(r"[\w/-]+(\.[\w/-]+)*\.\w+")
_ALIAS = re.compile(r"(?!\d+$)[A-Za-z0-9_-]{1,128}")
_VARIABLE = re.compile(r"[A-Za-z]\w+", re.ASCII)
_REFERENCE = re.compile(
    r"(?:(?:arn:aws[\w-]*:lambda:(?P<region>[\w-]+):)?(?:(?P<account>\d{12}):)?function:)?"
    r"(?P<name>[A-Za-z0-9_-]{1,64})(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)


class BadFunction(ValueError):
    """A function that AWS would not accept either; the message names the setting and its range."""


class BadReference(ValueError):
    """A malformed function name; the message is Lambda's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfig:
    """A function: `$LATEST`, one published version `1`, and aliases on that version. Ranges are Lambda's."""

    name: str
    handler: str  # module.function
    code: Path | None = None  # directory, first on the path; None: where the handler's package is
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold secrets
    timeout_s: float = 3.0
    memory_mb: int = 128  # reported, not enforced
    reserved_concurrency: int | None = None  # None: bounded by the account's limit alone
    provisioned_concurrency: int = 0  # environments of version 1 that are initialised before they are called
    aliases: tuple[str, ...] = ("live",)
    python: Path | None = None  # with awslambdaric installed; None: this interpreter

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            BadFunction: see the message.

        """
        if not _NAME.fullmatch(self.name):
            raise BadFunction(f"function name {self.name!r}: use 1 to 64 letters, digits, - and _")
        for problem in self._problems():
            raise BadFunction(f"function {self.name}: {problem}")

    def _problems(self) -> list[str]:
        reserved, provisioned = self.reserved_concurrency, self.provisioned_concurrency
        bad_aliases = [alias for alias in self.aliases if not _ALIAS.fullmatch(alias)]
        bad_variables = [name for name in self.environment if not _VARIABLE.fullmatch(name)]
        taken = sorted(RESERVED_VARIABLES & self.environment.keys())
        checks = [
            (not _HANDLER.fullmatch(self.handler), f"handler {self.handler!r}: use module.function"),
            (not 0 < self.timeout_s <= 900, f"timeout_s is {self.timeout_s:g}: use more than 0, up to 900"),
            (not 128 <= self.memory_mb <= 10240, f"memory_mb is {self.memory_mb}: use 128 to 10240"),
            (provisioned < 0, f"provisioned_concurrency is {provisioned}: use 0 or more"),
            (reserved is not None and reserved < 0, f"reserved_concurrency is {reserved}: use 0 or more"),
            (
                reserved is not None and 0 <= reserved < provisioned,
                f"provisioned_concurrency {provisioned} exceeds reserved_concurrency {reserved}",
            ),
            (bool(bad_aliases), f"alias {', '.join(map(repr, bad_aliases))}: use letters, digits, - and _"),
            (
                provisioned > 0 and not self.aliases,
                "provisioned_concurrency needs an alias to call it by: add aliases=('live',)",
            ),
            (bool(bad_variables), f"environment variable {', '.join(map(repr, bad_variables))}: not a name"),
            (bool(taken), f"environment variable {', '.join(taken)} is set by Lambda: leave it out"),
            (
                self.code is not None and not self.code.is_dir(),
                f"code directory {self.code} does not exist",
            ),
        ]
        return [message for failed, message in checks if failed]

    @property
    def interpreter(self) -> Path:
        """Interpreter that runs it."""
        return self.python or Path(sys.executable)

    @property
    def arn(self) -> str:
        """Unqualified ARN."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    def version_of(self, qualifier: str | None) -> str | None:
        """Version that a qualifier stands for; None if it is neither an alias nor a version."""
        if qualifier in (None, LATEST):
            return LATEST
        return PUBLISHED if qualifier == PUBLISHED or qualifier in self.aliases else None

    def task_root(self) -> Path:
        """Directory that the handler is imported from.

        Raises:
            BadFunction: `code` is not set, and the handler's package cannot be imported here.

        """
        if self.code is not None:
            return self.code.resolve()
        package = self.handler.replace("/", ".").split(".")[0]
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise BadFunction(
                f"function {self.name}: package {package!r} of handler {self.handler!r} is not installed: "
                "install it, or name its directory with code="
            )
        if spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations))).resolve().parent
        return Path(spec.origin or ".").resolve().parent

    def as_dict(self) -> dict[str, Any]:
        """JSON types, with the defaults of this interpreter filled in."""
        return asdict(self) | {"code": str(self.task_root()), "python": str(self.interpreter)}


def parse_reference(reference: str, qualifier: str | None) -> tuple[str, str | None]:
    """Name and qualifier from a name, a partial ARN or an ARN, each with or without a qualifier of its own.

    Raises:
        BadReference: Lambda would not take it.

    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise BadReference(
            f"1 validation error detected: Value '{reference}' at 'functionName' failed to satisfy "
            f"constraint: Member must satisfy regular expression pattern: {_REFERENCE.pattern}"
        )
    if qualifier and found["qualifier"] and qualifier != found["qualifier"]:
        raise BadReference(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return found["name"], qualifier or found["qualifier"]


@functools.cache
def python_version(python: Path) -> str:
    """Major and minor version of an interpreter that has the runtime client.

    Raises:
        BadFunction: it is not an interpreter, or lacks `awslambdaric`.

    """
    if python == Path(sys.executable):
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    script = "import awslambdaric, sys; print('%d.%d' % sys.version_info[:2])"
    try:
        asked = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip().splitlines()[-1:] or [f"exit status {error.returncode}"]
        raise BadFunction(f"python {python}: {why[0]}: install awslambdaric there") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadFunction(f"python {python}: {error}") from error
    return asked.stdout.strip()
