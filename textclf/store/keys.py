"""Keys in files: Ed25519 pairs that sign versions, and keys of 256 bits that seal them."""

import base64
import contextlib
import hashlib
import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from textclf.errors import ExportError, refusal
from textclf.optional import import_optional

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_BYTES = 32
PUBLIC = ".pub"
"""What the name of a public key's file ends in, after that of its private key."""


class Guard(NamedTuple):
    """What a file's mode may not let others do.

    Attributes:
        forbidden: The bits of the mode.
        done: What others can do to the file, as a participle.
        mend: The words of the command that shuts them out, but for the path.
    """

    forbidden: int
    done: str
    mend: tuple[str, ...]


SECRET = Guard(0o077, "read", ("chmod", "600"))
OURS = Guard(0o022, "written", ("chmod", "go-w"))
"""What holds a key that opens or signs; and what says whom to trust, which is no secret."""

_ANYBODYS = Guard(0, "", ())
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
_MOST = 1 << 16
"""Bytes that a file of a key may have; who names a model's weights by mistake gets a message at once."""


def new_signing_key(path: str | Path, passphrase: str | None = None) -> str:
    """Write a new Ed25519 key: `path` for its owner alone (PEM, PKCS #8), `path`.pub for whoever is to trust it.

    Args:
        path: Where the private key goes; neither file may be there.
        passphrase: What the private key is encrypted with; None leaves it as it is.

    Returns:
        The fingerprint of the public key.

    Raises:
        ExportError: One of the files is there already, or cannot be written.
    """
    path = Path(path)
    public_path = _public(path)
    key = _ed25519().Ed25519PrivateKey.generate()
    forms = import_optional("cryptography.hazmat.primitives.serialization", "secure", "Signing")
    protection = forms.BestAvailableEncryption(passphrase.encode()) if passphrase else forms.NoEncryption()
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, protection)
    public = key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    if os.path.lexists(public_path):
        raise _taken(public_path)
    _write_new(path, private, 0o600)
    try:
        _write_new(public_path, public, 0o644)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return fingerprint(key.public_key())


def new_encryption_key(path: str | Path) -> str:
    """Write a new random key of 256 bits, in base64, for its owner alone; return its id.

    Raises:
        ExportError: The file is there already, or cannot be written.

    Example:
        >>> key_id = new_encryption_key("disk.key")
        >>> key_id == key_id_of(read_encryption_key("disk.key")).hex()
        True
    """
    key = os.urandom(KEY_BYTES)
    _write_new(Path(path), base64.b64encode(key) + b"\n", 0o600)
    return key_id_of(key).hex()


def read_signing_key(path: str | Path, ask: Callable[[], str] | None = None) -> "Ed25519PrivateKey":
    """Read a private key.

    Args:
        path: The file that `new_signing_key` wrote.
        ask: What returns the passphrase; called only if there is one.

    Raises:
        ExportError: There is no such key, others than its owner may read the file, or the passphrase is wrong.
    """
    path = Path(path)
    if b"BEGIN PUBLIC KEY" in _read(path, _ANYBODYS):
        there = f" The private one is in '{path.with_suffix('')}'." if path.suffix == PUBLIC else ""
        raise ExportError(f"'{path}' is a public key, and a private one signs.{there}")
    content = _read(path, SECRET)
    if content.startswith(_ENCRYPTED) and ask is None:
        raise ExportError(f"'{path}' is protected by a passphrase, and none was given.")
    passphrase = ask().encode() if content.startswith(_ENCRYPTED) and ask is not None else None
    key = _parsed("load_pem_private_key", content, password=passphrase)
    if isinstance(key, _ed25519().Ed25519PrivateKey):
        return key
    if passphrase is not None:
        raise ExportError(f"The passphrase does not open '{path}'.")
    raise ExportError(f"'{path}' holds no private Ed25519 key. `textclf keys new FILE` makes one.")


def read_public_key(path: str | Path) -> "Ed25519PublicKey":
    """Read a public key.

    Raises:
        ExportError: There is no such key, or others than its owner may write the file.
    """
    path = Path(path)
    content = _read(path, OURS)
    key = _parsed("load_pem_public_key", content)
    if isinstance(key, _ed25519().Ed25519PublicKey):
        return key
    hint = "`textclf keys new FILE` writes one to FILE.pub."
    if b"PRIVATE KEY" in content:
        hint = f"It is the private one; the public one is in '{_public(path)}'."
    raise ExportError(f"'{path}' holds no public Ed25519 key. {hint}")


def read_encryption_key(path: str | Path) -> bytes:
    """Read a key of 256 bits.

    Raises:
        ExportError: There is no such key, or others than its owner may read the file.
    """
    path = Path(path)
    content = _read(path, SECRET)
    with contextlib.suppress(ValueError):
        key = base64.b64decode(content.strip(), validate=True)
        if len(key) == KEY_BYTES:
            return key
    raise ExportError(
        f"'{path}' holds no encryption key: expected {KEY_BYTES} bytes in base64. "
        "`textclf keys new --encryption FILE` makes one."
    )


def key_id_of(key: bytes) -> bytes:
    """Return eight bytes that tell an encryption key from others and nothing else of it."""
    return hashlib.sha256(key).digest()[:8]


def fingerprint(key: "Ed25519PublicKey | bytes") -> str:
    """Return how people name a public key, given or in its 32 raw bytes: 128 bits of its SHA-256.

    Example:
        >>> fingerprint(bytes(32))
        '66687aadf862bd77-6c8fc18b8e9f8e20'
    """
    raw = key if isinstance(key, bytes) else key.public_bytes_raw()
    digits = hashlib.sha256(raw).hexdigest()
    return f"{digits[:16]}-{digits[16:32]}"


def read_guarded(path: Path, guard: Guard, most: int = _MOST) -> bytes:
    """Return all that a small file holds, if its mode keeps others out.

    Args:
        path: The file.
        guard: What its mode may not allow.
        most: Bytes that it may have. A longer one is refused, never cut: what is left out could be whom to let in.

    Raises:
        OSError: It cannot be read.
        ExportError: Its mode lets others in, and the message says how to shut them out; or it is too long.
    """
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if os.name != "nt" and mode & guard.forbidden:  # Windows has no such bits
            command = shlex.join([*guard.mend, str(path)])
            raise ExportError(f"'{path}' can be {guard.done} by others (mode {mode:04o}). Shut them out: {command}")
        content = file.read(most + 1)
    if len(content) > most:
        raise ExportError(f"'{path}' is too long: expected {most:,} bytes at most. Is it the right file?")
    return content


def _read(path: Path, guard: Guard) -> bytes:
    try:
        return read_guarded(path, guard)
    except OSError as error:
        raise ExportError(f"No key can be read from '{path}': {refusal(error)}.") from None


def _parsed(function: str, content: bytes, **options: bytes | None) -> Any:
    """Return the key that PEM holds; None if it is none, or is encrypted otherwise."""
    forms = import_optional("cryptography.hazmat.primitives.serialization", "secure", "Signing")
    problems = import_optional("cryptography.exceptions", "secure", "Signing")
    try:
        return getattr(forms, function)(content, **options)
    except (ValueError, TypeError, problems.UnsupportedAlgorithm):
        return None


def _ed25519() -> Any:
    return import_optional("cryptography.hazmat.primitives.asymmetric.ed25519", "secure", "Signing")


def _public(path: Path) -> Path:
    return path.with_name(path.name + PUBLIC)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that nobody else can open in between, onto the disk: a key that is lost is lost with its data."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        raise ExportError(f"'{path}' cannot be written: {refusal(error)}.") from None


def _taken(path: Path) -> ExportError:
    return ExportError(f"'{path}' is there already. Keys are never overwritten: choose another name.")
