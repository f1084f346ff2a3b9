"""What a function is, and how its callers may name it."""

import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

REGION, ACCOUNT = "us-east-1", "123456789012"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REFERENCE = re.compile(
    r"(?:(?:arn:aws[\w-]*:lambda:[\w-]+:)?\d{12}:function:|function:)?"
    r"(?P<name>[A-Za-z0-9_-]{1,64})(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]+))?"
)


class BadFunction(ValueError):
    """A function that AWS would not accept either; the message names the setting and its range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfig:
    """A function, its one published version `1`, and an alias on it. Ranges are Lambda's."""

    name: str
    handler: str  # module.function
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold secrets
    timeout_s: float = 3.0
    memory_mb: int = 128
    alias: str = "live"
    provisioned_concurrency: int = 0  # environments kept initialised for the alias
    reserved_concurrency: int | None = None
    code: str | None = None  # directory that a bundle is unpacked in; None: this interpreter's own packages
    python: str = sys.executable

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            BadFunction: see the message.

        """
        if not _NAME.fullmatch(self.name):
            raise BadFunction(f"function name {self.name!r}: 1 to 64 letters, digits, - and _")
        if not 0 < self.timeout_s <= 900:
            raise BadFunction(f"{self.name}: timeout_s is {self.timeout_s}, not above 0 and up to 900")
        if not 128 <= self.memory_mb <= 10240:
            raise BadFunction(f"{self.name}: memory_mb is {self.memory_mb}, not 128 to 10240")
        if self.provisioned_concurrency < 0 or (self.reserved_concurrency or 0) < 0:
            raise BadFunction(f"{self.name}: a concurrency is negative")
        if self.reserved_concurrency is not None and self.provisioned_concurrency > self.reserved_concurrency:
            raise BadFunction(
                f"{self.name}: provisioned_concurrency {self.provisioned_concurrency} exceeds "
                f"reserved_concurrency {self.reserved_concurrency}"
            )

    @property
    def arn(self) -> str:
        """Unqualified ARN."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    def version_of(self, qualifier: str | None) -> str | None:
        """Version that a qualifier stands for; None if there is no such alias or version."""
        return {None: "$LATEST", "$LATEST": "$LATEST", self.alias: "1", "1": "1"}.get(qualifier)

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self) | {"environment": dict(self.environment)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Inverse of `as_dict`."""
        return cls(**data)


def parse_reference(reference: str, qualifier: str | None) -> tuple[str, str | None] | None:
    """Name and qualifier from a name, a partial ARN or an ARN; None where AWS would not take it."""
    found = _REFERENCE.fullmatch(reference)
    if found is None or (qualifier and found["qualifier"] and qualifier != found["qualifier"]):
        return None
    return found["name"], qualifier or found["qualifier"]
