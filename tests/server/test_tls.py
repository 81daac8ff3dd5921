"""Certificates and keys that are not as they should be."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from textclf.errors import ConfigError, ExportError
from textclf.server.tls import Tls


def write_key(path: Path, passphrase: bytes | None = None) -> Path:
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))
    return path


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"server\.crt' cannot be read: No such file or directory"):
        Tls(tmp_path / "server.crt", write_key(tmp_path / "server.key"))


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    key = write_key(tmp_path / "server.key")
    key.chmod(0o644)
    (tmp_path / "server.crt").write_text("a certificate", encoding="utf-8")
    with pytest.raises(ExportError, match="can be read by others"):
        Tls(tmp_path / "server.crt", key)
    with pytest.raises(ConfigError, match=r"key': expected a certificate, got a private key\. Are the two swapped"):
        Tls(key, tmp_path / "server.crt")


@pytest.mark.parametrize("passphrase", [None, b"secret"])
def test_what_is_no_pair_is_refused(tmp_path: Path, passphrase: bytes | None) -> None:
    key = write_key(tmp_path / "server.key", passphrase)
    (tmp_path / "server.crt").write_text("no certificate", encoding="utf-8")
    with pytest.raises(ConfigError, match="expected PEM, of the same pair, the key without a passphrase"):
        Tls(tmp_path / "server.crt", key)
