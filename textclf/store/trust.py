"""Whom a deployment trusts: `trust.yaml` at the base path, which stands outside of what it judges."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from textclf.config import notation
from textclf.errors import ConfigError, did_you_mean, refusal
from textclf.store.keys import OURS, read_guarded, read_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TRUST_FILE = "trust.yaml"
_FIELD = "trusted_keys"


class Demand(NamedTuple):
    """That one of some keys has signed.

    Attributes:
        asker: Who asks, for messages.
        keys: The keys, of which one must have signed.
    """

    asker: str
    keys: "list[Ed25519PublicKey]"


def demands(version: Path, given: Iterable[str | Path] | None = None) -> list[Demand]:
    """Return what is asked of the signature of a version; it must meet every demand, and none if nobody asks.

    A demand more can only be stricter, so nobody who can add a file can weaken what another one asks.

    Args:
        version: The version's folder, or its sealed file, under the path that it was asked for by.
        given: Files of public keys that the caller trusts; None if he asks for no signature.

    Raises:
        ConfigError: `given` is empty or a single string, or a `trust.yaml` cannot be read or is not as expected.
        ExportError: Others can write a `trust.yaml` or a key, or a key cannot be read.
    """
    asked = [_demand_of(path) for path in _trust_files(version)]
    if given is not None:
        if isinstance(given, str | Path):
            raise ConfigError(f"{_FIELD}: expected a list of files with public keys, got the single '{given}'.")
        asked.append(_demand("the caller", list(given)))
    return asked


def _trust_files(version: Path) -> list[Path]:
    """Return the `trust.yaml` beside a version, beside its model and, for one that is retired, one folder further out.

    They are looked for by the path asked for and by where links lead.

    Both, because who can put a link in a version's place must not choose the base path with it.
    """
    paths = (Path(os.path.abspath(version)), version.resolve())  # noqa: PTH100 (`absolute` leaves `..` in)
    folders = dict.fromkeys(folder for path in paths for folder in path.parents[:3])
    return [folder / TRUST_FILE for folder in folders if os.path.lexists(folder / TRUST_FILE)]


def _demand_of(path: Path) -> Demand:
    """Read a `trust.yaml`; the files that it names are relative to its folder."""
    try:
        text = read_guarded(path, OURS).decode("utf-8-sig")
        values = notation.parse(text)
    except (OSError, ValueError) as error:
        reason = refusal(error)
        raise ConfigError(f"'{path}' cannot be read, so nothing under it is loaded: {reason}.") from None
    names = values.get(_FIELD) if isinstance(values, dict) else None
    unknown = sorted(map(str, set(values) - {_FIELD})) if isinstance(values, dict) else []
    if unknown:
        raise ConfigError(f"'{path}': unknown key '{unknown[0]}'.{did_you_mean(unknown[0], [_FIELD])}")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"'{path}': expected a list of files with public keys: `{_FIELD}: [release.key.pub]`.")
    return _demand(f"'{path}'", [path.parent / name for name in names])


def _demand(asker: str, paths: list[str | Path]) -> Demand:
    if not paths:
        raise ConfigError(f"{_FIELD}: {asker} names no key, so that nothing could be loaded. Name one at least.")
    return Demand(asker, [read_public_key(path) for path in paths])
