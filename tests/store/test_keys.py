"""Keys in files: whole, for their owner alone, never overwritten, and told apart when they are mixed up."""

import base64
import re
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from textclf.errors import ExportError
from textclf.store.keys import (
    fingerprint,
    key_id_of,
    new_encryption_key,
    new_signing_key,
    read_encryption_key,
    read_public_key,
    read_signing_key,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_pair_signs_and_verifies(tmp_path: Path) -> None:
    said = new_signing_key(tmp_path / "a.key")
    private, public = read_signing_key(tmp_path / "a.key"), read_public_key(tmp_path / "a.key.pub")
    public.verify(private.sign(b"text"), b"text")
    assert fingerprint(public) == fingerprint(public.public_bytes_raw()) == said
    assert (mode(tmp_path / "a.key"), mode(tmp_path / "a.key.pub")) == (0o600, 0o644)
    assert (tmp_path / "a.key").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_a_passphrase_is_asked_for_only_if_there_is_one(tmp_path: Path) -> None:
    def ask() -> str:
        raise AssertionError("nobody should be asked")

    new_signing_key(tmp_path / "plain.key")
    assert read_signing_key(tmp_path / "plain.key", ask)
    new_signing_key(tmp_path / "a.key", "correct horse 登录")
    assert b"ENCRYPTED" in (tmp_path / "a.key").read_bytes()
    private = read_signing_key(tmp_path / "a.key", lambda: "correct horse 登录")
    assert private.public_key() == read_public_key(tmp_path / "a.key.pub")
    with pytest.raises(ExportError, match=r"^The passphrase does not open '.*a\.key'\.$") as caught:
        read_signing_key(tmp_path / "a.key", lambda: "wrong battery")
    assert "battery" not in str(caught.value)
    with pytest.raises(ExportError, match="is protected by a passphrase, and none was given"):
        read_signing_key(tmp_path / "a.key")


def test_an_encryption_key_is_random_and_base64(tmp_path: Path) -> None:
    ids = {new_encryption_key(tmp_path / name) for name in "ab"}
    keys = [read_encryption_key(tmp_path / name) for name in "ab"]
    assert ids == {key_id_of(key).hex() for key in keys}
    assert len(ids) == 2
    assert base64.b64decode((tmp_path / "a").read_bytes()) == keys[0]
    assert mode(tmp_path / "a") == 0o600


@pytest.mark.parametrize("taken", ["a.key", "a.key.pub"])
def test_keys_are_never_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("somebody's", encoding="utf-8")
    message = rf"{re.escape(taken)}' is there already\. Keys are never overwritten: choose another name\.$"
    with pytest.raises(ExportError, match=message):
        new_signing_key(tmp_path / "a.key")
    with pytest.raises(ExportError, match=message):
        new_encryption_key(tmp_path / taken)
    assert {path.name for path in tmp_path.iterdir()} == {taken}
    assert (tmp_path / taken).read_text(encoding="utf-8") == "somebody's"


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o622])
def test_a_secret_that_others_can_open_is_refused(tmp_path: Path, bits: int) -> None:
    new_signing_key(tmp_path / "my a.key")
    new_encryption_key(tmp_path / "my b.key")
    for name, read in (("my a.key", read_signing_key), ("my b.key", read_encryption_key)):
        (tmp_path / name).chmod(bits)
        with pytest.raises(ExportError, match=rf"can be read by others \(mode 0{bits:o}\)\.") as caught:
            read(tmp_path / name)
        assert str(caught.value).endswith(f"Shut them out: chmod 600 '{tmp_path / name}'")


def test_a_public_key_that_others_can_write_is_refused(tmp_path: Path) -> None:
    new_signing_key(tmp_path / "a.key")
    (tmp_path / "a.key.pub").chmod(0o664)
    with pytest.raises(ExportError, match=r"can be written by others \(mode 0664\)\. Shut them out: chmod go-w /"):
        read_public_key(tmp_path / "a.key.pub")


def test_keys_that_are_mixed_up(tmp_path: Path) -> None:
    new_signing_key(tmp_path / "a.key")
    new_encryption_key(tmp_path / "b.key")
    (tmp_path / "a.key.pub").chmod(0o600)
    with pytest.raises(ExportError, match=r"no public Ed25519 key\. It is the private one; .* in '.*a\.key\.pub'\.$"):
        read_public_key(tmp_path / "a.key")
    with pytest.raises(ExportError, match=r"holds no public Ed25519 key\. `textclf keys new FILE` writes one"):
        read_public_key(tmp_path / "b.key")
    with pytest.raises(ExportError, match="holds no private Ed25519 key"):
        read_signing_key(tmp_path / "b.key")
    for bits in (0o600, 0o644):
        (tmp_path / "a.key.pub").chmod(bits)
        with pytest.raises(ExportError, match=r"is a public key, and a private one signs\. The .* in '.*/a\.key'\.$"):
            read_signing_key(tmp_path / "a.key.pub")
    (tmp_path / "a.key.pub").chmod(0o600)
    for name in ("a.key", "a.key.pub"):
        with pytest.raises(ExportError, match="holds no encryption key: expected 32 bytes in base64"):
            read_encryption_key(tmp_path / name)


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    path = tmp_path / "x.key"
    path.touch(mode=0o600)
    path.write_bytes(X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ExportError, match="holds no private Ed25519 key"):
        read_signing_key(path)


@pytest.mark.parametrize(
    "content", [b"", b"AAAA", b"\xff\xfe", base64.b64encode(bytes(31)), base64.b64encode(bytes(33))]
)
def test_what_is_no_encryption_key_is_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"^'.*key' holds no encryption key: expected 32 bytes in base64\. `textclf"):
        read_encryption_key(path)


def test_what_is_too_long_for_a_key_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    key = base64.b64encode(bytes(32))
    path.write_bytes(key + b" " * (65_536 - len(key)))
    assert read_encryption_key(path) == bytes(32)
    path.write_bytes(key + b" " * 65_536 + b"x")
    for read in (read_signing_key, read_public_key, read_encryption_key):
        with pytest.raises(
            ExportError, match=r"key' is too long: expected 65,536 bytes at most\. Is it the right file"
        ):
            read(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    for read in (read_signing_key, read_public_key, read_encryption_key):
        with pytest.raises(ExportError, match=r"No key can be read from '.*nowhere': No such file or directory\."):
            read(tmp_path / "nowhere")
    with pytest.raises(ExportError, match="cannot be written: No such file or directory"):
        new_encryption_key(tmp_path / "no folder/key")


def test_raw_keys_have_the_fingerprint_of_their_files(pair: Path) -> None:
    private = read_signing_key(pair)
    assert isinstance(private, Ed25519PrivateKey)
    assert fingerprint(private.public_key()) == fingerprint(read_public_key(f"{pair}.pub"))
