import ssl
import stat
from pathlib import Path

import pytest

from poolbench.lab.certificates import Certificate, issue


def handshake(certificate: Certificate, trusted: Path, name: str) -> None:
    """A TLS handshake in memory, as strict as OpenSSL can be."""
    client_context = ssl.create_default_context(cafile=trusted)
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate.certificate, certificate.key)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_clients_that_trust_the_authority_verify_the_name(name: str, tmp_path: Path) -> None:
    certificate = issue(tmp_path)
    handshake(certificate, certificate.authority, name)


def test_another_name_is_refused(tmp_path: Path) -> None:
    certificate = issue(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        handshake(certificate, certificate.authority, "example.org")


def test_each_authority_vouches_for_its_own_server_only(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    certificate, other = issue(tmp_path / "one"), issue(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificate, other.authority, "localhost")


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert stat.S_IMODE(issue(tmp_path).key.stat().st_mode) == 0o600
