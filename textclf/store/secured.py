"""Signing, sealing and unsealing as changes of a model: under its lock, with models.config right, and in the log."""

from pathlib import Path
from typing import TYPE_CHECKING

from textclf.errors import ExportError, listing
from textclf.store import log, models_config
from textclf.store.lock import locked
from textclf.store.sealing import seal
from textclf.store.sealing import unseal as decrypt
from textclf.store.signing import sign_version
from textclf.store.versions import RETIRED, SEALED, find_model, find_version, version_number

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def sign(directory: str | Path, key: "Ed25519PrivateKey") -> str:
    """Sign a published version as `sign_version` does, say so in the model's log, and return the key's fingerprint."""
    directory = Path(directory).resolve()
    model_path = directory.parent.parent if directory.parent.name == RETIRED else directory.parent
    with locked(model_path):
        fingerprint = sign_version(directory, key)
        version = version_number(directory.name)
        if version is not None and (model_path / log.LOG_FILE).exists():  # and not in a backup, or somewhere else
            log.append(model_path, "signed", version=version, key=fingerprint)
    return fingerprint


def seal_live(base: str | Path, name: str, version: int, key: bytes, *, remove: bool = False) -> Path:
    """Encrypt a live version into a file beside it, and return that.

    Args:
        base: Folder of the served models.
        name: The model.
        version: The version.
        key: 32 bytes, as `read_encryption_key` returns them.
        remove: Whether its folder goes, so that no server sees the version any more.

    Raises:
        ExportError: The model or the version is unknown, a label points at what is to go, or `seal` refuses it.
    """
    model_path = find_model(base, name)
    with locked(model_path):
        directory = find_version(model_path, version, "live", "Only what stands there in the clear can be sealed.")
        its = [label for label, where in models_config.read_labels(base, name).items() if where == version]
        if remove and its:
            raise ExportError(
                f"Version {version} of '{name}' is labelled {listing(its)}, and a server loads no sealed version. Move "
                "the label first, with `textclf label`, or leave --remove out."
            )
        sealed = seal(directory, key, remove=remove)
        if remove:
            models_config.refresh(base, name)
        log.append(model_path, "sealed", version=version, folder_removed=remove)
    return sealed


def unseal_live(base: str | Path, name: str, version: int, key: bytes) -> Path:
    """Give a sealed version its folder back, which a server then sees, and return that; it raises as `unseal` does."""
    model_path = find_model(base, name)
    with locked(model_path):
        directory = decrypt(model_path / f"{version}{SEALED}", key)
        models_config.refresh(base, name)
        log.append(model_path, "unsealed", version=version)
    return directory
