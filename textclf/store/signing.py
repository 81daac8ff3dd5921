"""Ed25519 signatures over a version's manifest, and so over every file of it (RFC 8032)."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.errors import ExportError, listing
from textclf.optional import import_optional
from textclf.savedmodel.files import MANIFEST_FILE, MANIFEST_SIGNATURE_FILE
from textclf.savedmodel.manifest import check_manifest, differences
from textclf.store.contents import entries, folder_files
from textclf.store.keys import fingerprint
from textclf.writing import replacing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM = "ed25519"


def sign_version(directory: str | Path, key: "Ed25519PrivateKey") -> str:
    """Sign a version: `assets.extra/manifest.sig` takes the place of a signature that is there.

    Args:
        directory: The version's folder; its files must be as its manifest says.
        key: As `read_signing_key` returns it.

    Returns:
        The fingerprint of the key.

    Raises:
        ExportError: The version has no manifest, or one that does not fit.
    """
    directory = Path(directory)
    problems = check_manifest(directory)
    if problems:
        raise ExportError(
            f"'{directory}' is not signed: {_said(problems)}. Export the run again with `textclf export`."
        )
    signed = {
        "algorithm": ALGORITHM,
        "public_key": key.public_key().public_bytes_raw().hex(),
        "signature": base64.b64encode(key.sign((directory / MANIFEST_FILE).read_bytes())).decode(),
    }
    # A kill must leave nothing in the folder that the manifest does not list.
    with replacing(directory / MANIFEST_SIGNATURE_FILE, beside=directory) as unfinished:
        unfinished.write_text(json.dumps(signed, indent=1) + "\n", encoding="utf-8", newline="\n")
    return fingerprint(key.public_key())


def check_signature(directory: str | Path, trusted: "Sequence[Ed25519PublicKey]") -> None:
    """Refuse a version that none of the keys has signed, or whose files are not those that were signed.

    What is checked here may be altered before it is read again; `textclf.load` reads once, into memory, and checks
    what it has read.

    Raises:
        ExportError: It is unsigned, signed by another key, or altered; the message says which.
    """
    directory = Path(directory)
    found: dict[str, dict[str, Any]] = {}
    kept: dict[str, bytes] = {}
    for name, file in folder_files(directory):
        if name in (MANIFEST_FILE, MANIFEST_SIGNATURE_FILE):
            kept[name] = file.read()
        else:
            found |= entries([(name, file)])
    check_contents(str(directory), found, kept, trusted)


def check_contents(
    what: str,
    found: Mapping[str, Mapping[str, Any]],
    kept: Mapping[str, bytes],
    trusted: "Sequence[Ed25519PublicKey]",
) -> None:
    """Refuse files that were read as `check_signature` refuses those of a folder.

    Args:
        what: What the messages call the version.
        found: The entry of a manifest for every file but the manifest and its signature, by name.
        kept: What the manifest and its signature hold, by name, if they are there.
        trusted: The keys, of which one must have signed.
    """
    if MANIFEST_SIGNATURE_FILE not in kept:
        raise ExportError(f"'{what}' is not signed, and a signature is asked for. Sign it with `textclf sign`.")
    signer, signature = _parsed(what, kept[MANIFEST_SIGNATURE_FILE])
    key = next((key for key in trusted if key.public_bytes_raw() == signer), None)
    if key is None:
        names = listing(fingerprint(key) for key in trusted)
        raise ExportError(
            f"'{what}' is signed by a key that is not trusted, '{fingerprint(signer)}'. Trusted: {names}."
        )
    manifest = kept.get(MANIFEST_FILE, b"")
    try:
        key.verify(signature, manifest)
    except import_optional("cryptography.exceptions", "secure", "Signing").InvalidSignature:
        raise ExportError(
            f"'{what}' was altered: its signature does not fit its {MANIFEST_FILE}. Fetch the version again."
        ) from None
    problems = differences(manifest, found)
    if problems:
        raise ExportError(f"'{what}' was altered after it was signed: {_said(problems)}. Fetch the version again.")


def _parsed(what: str, content: bytes) -> tuple[bytes, bytes]:
    """Return the raw public key and the signature that a signature's file holds."""
    try:
        values = json.loads(content)
        algorithm, signer = values["algorithm"], bytes.fromhex(values["public_key"])
        signature = base64.b64decode(values["signature"], validate=True)
    except (ValueError, TypeError, KeyError, RecursionError):
        algorithm = None
    if algorithm != ALGORITHM:
        raise ExportError(
            f"'{what}' has a damaged signature: {MANIFEST_SIGNATURE_FILE} is not as `textclf sign` writes it."
        )
    return signer, signature


def _said(problems: Iterable[str], most: int = 3) -> str:
    """Return problems for a message, cut after a few."""
    every = [problem.removesuffix(".") for problem in problems]
    more = f", and {len(every) - most} more" if len(every) > most else ""
    return "; ".join(every[:most]) + more
