"""Where results go: `file://` and `s3://`, create-only, so that nothing measured is ever overwritten."""

import contextlib
import hashlib
import os
import re
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

# A function that waits longer for its store is killed by its timeout, and its rows with it.
ATTEMPTS, CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 4, 2, 3
# Each attempt may time out, and botocore (standard mode) sleeps up to 1, 2 and 4 s before repeating one.
LONGEST_PUT_S = ATTEMPTS * READ_TIMEOUT_S + 7
PARTIAL = ".tmp-"  # prefix of files that are not yet objects; a kill in mid-put leaves one
_ABANDONED_S = 60.0  # since it was written last; putting an object takes far less
_RACE_S = 0.2  # between creates of a key that S3 says is just being created


class StoreError(Exception):
    """A store that cannot be used; the message names it and what to do."""


class BadStore(StoreError):
    """The URL is not a store's."""


class Conflict(StoreError):
    """Another object already lies under this key."""


class Store(Protocol):
    """Objects under keys such as `campaign/rows/cell/0-3.jsonl`; both kinds behave the same."""

    url: str

    def put_new(self, key: str, data: bytes) -> bool:
        """Create an object; False if this very object was there already (our own retry, say).

        Raises:
            Conflict: the key holds other bytes.
            StoreError: the store refused.

        """

    def get(self, key: str) -> bytes:
        """Read a whole object.

        Raises:
            KeyError: the object does not exist.
            StoreError: the store refused.

        """

    def list_keys(self, prefix: str) -> Iterator[str]:
        """Every key that starts with `prefix`, sorted."""

    def list_folders(self) -> list[str]:
        """First parts of all keys that have more than one, sorted."""


def open_store(url: str) -> Store:
    """Open `file:///directory`, a plain path, or `s3://bucket/prefix`.

    Raises:
        BadStore: another scheme, or a user or password, which are found elsewhere; or a profile, region or
            endpoint that is none.

    """
    shown = re.sub("//.*@", "//***@", url)  # it may hold a password
    wrong = BadStore(f"store {shown!r}: use a directory, file:///directory or s3://bucket/prefix")
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets around what is no IPv6 address
        raise wrong from None
    if parts.scheme == "s3" and parts.netloc and "@" not in parts.netloc:
        return S3Store(parts.netloc, parts.path.strip("/"))
    if "%00" in url:  # which no path can have
        raise wrong
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return FileStore(Path(unquote(parts.path)))
    if not parts.scheme and url:
        return FileStore(Path(url).absolute())
    raise wrong


def check_writable(store: Store) -> None:
    """Write and read back a marker object, so that a bad store is found before anything is measured.

    Raises:
        StoreError: it cannot be written or read.

    """
    marker = b"poolbench can write here\n"
    store.put_new("writable", marker)
    if store.get("writable") != marker:
        raise StoreError(f"store {store.url}: what was written is not what is read back")


class FileStore:
    """A directory. An object appears whole or not at all: written aside, then linked under its name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = root.absolute().as_uri()

    def put_new(self, key: str, data: bytes) -> bool:  # noqa: D102
        path = self.root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=PARTIAL, dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                    os.fchmod(file.fileno(), 0o644)
                created = _link(temporary, path)
            finally:
                Path(temporary).unlink(missing_ok=True)
            if not created and path.read_bytes() != data:
                raise Conflict(f"store {self.url}: {key} exists with other content")
            _sync_directory(path.parent)
        except FileExistsError as error:  # where a directory is to be
            raise StoreError(f"store {self.url}: cannot write {key}: {error.filename} is a file") from error
        except OSError as error:
            raise StoreError(f"store {self.url}: cannot write {key}: {error.strerror}") from error
        return created

    def get(self, key: str) -> bytes:  # noqa: D102
        try:
            return (self.root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise KeyError(key) from None
        except OSError as error:
            raise StoreError(f"store {self.url}: cannot read {key}: {error.strerror}") from error

    def list_keys(self, prefix: str) -> Iterator[str]:  # noqa: D102
        folder = self.root / prefix.rpartition("/")[0]
        found = (
            path.relative_to(self.root).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(PARTIAL)
        )
        yield from sorted(key for key in found if key.startswith(prefix))

    def list_folders(self) -> list[str]:  # noqa: D102
        return sorted(path.name for path in self.root.glob("*/"))

    def abandoned(self) -> list[Path]:
        """Files that a put left which was killed before it gave them their name; nothing else is in them."""
        partial, before = self.root.rglob(f"{PARTIAL}*"), time.time() - _ABANDONED_S
        return sorted(path for path in partial if path.is_file() and path.stat().st_mtime < before)


def _link(existing: str, path: Path) -> bool:
    """Give a file its name; unlike a rename, never over another file."""
    try:
        os.link(existing, path)
    except FileExistsError:
        return False
    return True


def _sync_directory(folder: Path) -> None:
    """Make new names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class S3Store:
    """A bucket and prefix. `If-None-Match: *` makes the put a create; the checksum guards both ways."""

    def __init__(self, bucket: str, prefix: str) -> None:
        # Imported here: boto3 costs a function that writes to a directory half of its start-up time.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        config = Config(
            retries={"mode": "standard", "max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
        )
        try:
            self._client: Any = boto3.client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            wrong = "correct AWS_PROFILE, AWS_DEFAULT_REGION or AWS_ENDPOINT_URL"
            raise BadStore(f"store {self.url}: {error}: {wrong}") from None
        self._client_error, self._boto_error = ClientError, BotoCoreError

    @contextlib.contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except self._client_error as error:
            code = error.response["Error"]["Code"]
            if code in ("NoSuchKey", "404"):
                raise KeyError(key) from None
            raise StoreError(f"store {self.url}: cannot {verb} {key}: {code}") from error
        except self._boto_error as error:
            raise StoreError(f"store {self.url}: cannot {verb} {key}: {error}") from error

    def put_new(self, key: str, data: bytes) -> bool:  # noqa: D102
        with self._explained("write", key):
            for _ in range(ATTEMPTS):
                status = self._create(key, data)
                if status == 409:  # somebody is creating it right now: our own lost attempt, say
                    time.sleep(_RACE_S)
                    continue
                if status == 412 and self.get(key) != data:
                    raise Conflict(f"store {self.url}: {key} exists with other content")
                return status == 200
        raise StoreError(f"store {self.url}: cannot write {key}: ConditionalRequestConflict")

    def _create(self, key: str, data: bytes) -> int:
        """Create an object: 200; 412 if it exists, 409 if another put creates it now."""
        checksum = b64encode(hashlib.sha256(data).digest()).decode()
        where = {"Bucket": self._bucket, "Key": self._prefix + key}
        try:
            self._client.put_object(Body=data, IfNoneMatch="*", ChecksumSHA256=checksum, **where)
        except self._client_error as error:
            status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status not in (409, 412):
                raise
            return status
        return 200

    def get(self, key: str) -> bytes:  # noqa: D102
        with self._explained("read", key):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._prefix + key, ChecksumMode="ENABLED"
            )
            body: bytes = answer["Body"].read()
            return body

    def list_keys(self, prefix: str) -> Iterator[str]:  # noqa: D102
        with self._explained("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(self._prefix)

    def list_folders(self) -> list[str]:  # noqa: D102
        with self._explained("list", "its folders"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
            )
            return [
                entry["Prefix"].removeprefix(self._prefix).rstrip("/")
                for page in pages
                for entry in page.get("CommonPrefixes", ())
            ]
