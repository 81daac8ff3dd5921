"""API keys: who may ask which models. The file holds no key, only what tells whether one is right."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from textclf.config import notation
from textclf.config.section import Section
from textclf.engine.errors import Code, RequestError
from textclf.errors import ConfigError, refusal
from textclf.server.calls import Caller
from textclf.store.keys import OURS, read_guarded
from textclf.store.lock import locked
from textclf.writing import replacing

ALL = "*"
"""What stands for all models, those of tomorrow too."""

_KEY_BYTES = 32
_MOST_BYTES = 1 << 20
"""Of the file: some seven thousand keys, each of which is compared with what a request shows."""
_HEAD = (
    "# Who may ask which models of `textclf serve --access`. `textclf keys api NAME` adds a key; to take one back,\n"
)
_HEAD += "# remove its lines and start the server anew. A key is known by its SHA-256: it cannot be read from here.\n"


class _Key(Section):
    name: str
    sha256: str
    models: list[str]
    may_reload: bool = False


class _AccessFile(Section):
    keys: list[_Key]


class Access:
    """Tells who asks by the key that is shown.

    A key is 256 random bits, so its plain SHA-256 is enough: the slow, salted hashes that passwords need only make
    guessing dear, and nobody guesses 256 bits. One that took 50 ms a request would itself be a way to stop the server.
    """

    def __init__(self, callers: dict[bytes, Caller] | None = None) -> None:
        """Know these callers by the SHA-256 of their keys; None for a server that asks nobody for a key."""
        self._callers = callers

    @classmethod
    def read(cls, path: str | Path) -> "Access":
        """Read a file as `add_key` writes it.

        Raises:
            ConfigError: It cannot be read, is not as expected, or holds a name or a key twice.
            ExportError: Others than its owner can write it, or it is too long.
        """
        path = Path(path)
        callers: dict[bytes, Caller] = {}
        for key in _read(path).keys:
            models = None if ALL in key.models else frozenset(key.models)
            callers[bytes.fromhex(key.sha256)] = Caller(key.name, models, key.may_reload)
        return cls(callers)

    def caller(self, authorization: str | None) -> Caller:
        """Return who sent `Authorization: Bearer KEY`.

        Args:
            authorization: The header's value; None if there is none.

        Raises:
            RequestError: UNAUTHENTICATED, without a key or with one that is not known.
        """
        if self._callers is None:
            return Caller()
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise RequestError(Code.UNAUTHENTICATED, "An API key is needed: Authorization: Bearer KEY")
        shown = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, caller in self._callers.items():  # all of them, so that the time says nothing
            if hmac.compare_digest(shown, known):
                found = caller
        if found is None:
            raise RequestError(Code.UNAUTHENTICATED, "The API key is not known.")
        return found


def add_key(path: str | Path, name: str, models: Iterable[str], may_reload: bool = False) -> str:
    """Add a new key to a file, made if there is none, and return it: it stands nowhere else.

    Args:
        path: The file that `textclf serve --access` reads.
        name: What messages and the audit log call who has the key.
        models: The models that may be asked; `*` is all of them.
        may_reload: Whether the key may change what is served (`HandleReloadConfigRequest`).

    Raises:
        ConfigError: The file cannot be read or written, the name is taken, or the file has no room for another key.
        ExportError: Others than its owner can write the file, or it is too long to be read whole.

    Example:
        >>> key = add_key("access.yaml", "shop", ["messages"])
        >>> caller = Access.read("access.yaml").caller(f"Bearer {key}")
        >>> caller.name, caller.sees("messages"), caller.sees("other")
        ('shop', True, False)
    """
    path = Path(path)
    key = secrets.token_urlsafe(_KEY_BYTES)
    new = _Key(name=name, sha256=hashlib.sha256(key.encode()).hexdigest(), models=list(models), may_reload=may_reload)
    try:
        with locked(path.parent / f".{path.name}"):
            there = _read(path).keys if path.exists() else []
            if name in {other.name for other in there}:
                raise ConfigError(f"'{path}' has a key '{name}' already. Choose another name, or remove it first.")
            _write(path, _AccessFile(keys=[*there, new]))
    except OSError as error:
        raise ConfigError(f"'{path}' cannot be written: {refusal(error)}.") from None
    return key


def _write(path: Path, file: _AccessFile) -> None:
    content = (_HEAD + notation.dump(file.model_dump())).encode()
    if len(content) > _MOST_BYTES:  # which nobody could read again
        raise ConfigError(f"'{path}' would be over {_MOST_BYTES:,} bytes. Remove keys that nobody needs any more.")
    with replacing(path) as unfinished:
        unfinished.chmod(0o600)
        unfinished.write_bytes(content)


def _read(path: Path) -> _AccessFile:
    expected = "`keys:` with a list of `name`, `sha256` and `models`, as `textclf keys api NAME` writes it"
    try:
        content = read_guarded(path, OURS, _MOST_BYTES)
        said = notation.parse(content.decode("utf-8-sig"))
        if not isinstance(said, dict):
            raise ConfigError(f"'{path}': expected {expected}, got {'nothing' if said is None else repr(said)[:60]}.")
        file = _AccessFile.model_validate(said)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise ConfigError(f"'{path}': expected {expected}; {where}: {problem['msg']}.") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"'{path}' cannot be read, so nobody could be let in: {refusal(error)}.") from None
    for key in file.keys:
        if len(key.sha256) != 64 or not set(key.sha256) <= set("0123456789abcdef"):
            raise ConfigError(f"'{path}': the sha256 of '{key.name}' should have 64 digits of 0-9 and a-f.")
    for kind in ("name", "sha256"):
        values = [getattr(key, kind) for key in file.keys]
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ConfigError(f"'{path}' holds the {kind} '{twice[0]}' more than once. Remove all but one.")
    return file
