"""BASE/models.config: what TensorFlow Serving's `--model_config_file` names, with the labels of versions.

All models of a base path stand in the one file. Of it, textclf keeps the labels of its models and which versions they
need loaded; all else is the user's and stays.

A server puts a label only on a version that it has loaded, and reads the labels of a changed file before it loads
what the file asks for: with a policy that lists versions, a label moved to one that is not loaded yet would have the
whole file refused, for ever. So a model with labels asks for all its live versions, which the server finds without
the file, and a label takes effect as soon as its version is up. Whoever wants fewer in memory retires the others.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.errors import ExportError, listing, refusal
from textclf.store.lock import locked
from textclf.store.versions import find_model, models, no_models, versions
from textclf.writing import replacing

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

logger = logging.getLogger(__name__)

MODELS_CONFIG = "models.config"
_HEAD = "# The models of this folder, for tensorflow_model_server --model_config_file; textclf keeps the labels.\n"


def read_labels(base: str | Path, name: str) -> dict[str, int]:
    """Return the version that each label of a model points at, by label in order; none if the model has none.

    Raises:
        ExportError: The file cannot be read.
    """
    entry = _find(_read(Path(base)), name)
    return dict(sorted(entry.version_labels.items())) if entry is not None else {}


def refresh(base: str | Path, name: str, served_from: str | None = None) -> list[str]:
    """Make a model's entry right for the versions that stand there; whoever calls holds the model's lock.

    Args:
        base: Folder of the served models.
        name: The model.
        served_from: Where the server sees `base`, if it is not where we do, such as `/models` in a container. Then the
            other entries go there too that name a folder of `base`, or stand where this one stood. If None, an entry
            keeps its `base_path`, and a new one goes by the others of the file.

    Returns:
        Labels that are gone, because their versions are.

    Raises:
        ExportError: The file cannot be read or written.
    """
    live, entry = versions(Path(base) / name), _find(_read(Path(base)), name)
    labels = dict(entry.version_labels) if entry is not None else {}
    if served_from is not None or _is_due(entry, live):  # or else who may not write it goes on
        write_labels(base, name, labels, live, served_from)
    return sorted(label for label, version in labels.items() if version not in live)


def check(base: str | Path, name: str, served_from: str | None = None) -> None:
    """Refuse now what `refresh` will refuse, for who has minutes of work before it.

    Raises:
        ExportError: The file cannot be read or, if it has to change, written.
    """
    base = Path(base)
    check_place(served_from)
    is_due = served_from is not None or _is_due(_find(_read(base), name), versions(base / name))
    if is_due and base.exists() and not os.access(base, os.W_OK):
        raise ExportError(f"'{base / MODELS_CONFIG}' cannot be written: '{base}' is not yours to write.")


def _is_due(entry: "ModelConfig | None", live: Sequence[int]) -> bool:
    """Return whether an entry lacks, or asks for a version that is not live."""
    if entry is None:
        return True
    return not {*entry.version_labels.values(), *entry.model_version_policy.specific.versions} <= {*live}


def write_labels(
    base: str | Path, name: str, labels: Mapping[str, int], live: Sequence[int], served_from: str | None = None
) -> None:
    """Let a model have these labels, as far as their versions are live, and no others; the caller holds its lock.

    Args:
        base: As for `refresh`.
        name: As for `refresh`.
        labels: The version of each label.
        live: The versions that the server may ask for.
        served_from: As for `refresh`.

    Raises:
        ExportError: The file cannot be read or written.
    """
    kept = {label: version for label, version in labels.items() if version in live}
    _change_entry(base, name, lambda entry, _: _set_labels(entry, kept, live), served_from)


def served_config(base: str | Path, names: Sequence[str] = (), served_from: str | None = None) -> "ModelServerConfig":
    """Return what a server of some models of a base path is told: their entries here, or plain ones.

    Args:
        base: As for `refresh`.
        names: The models; none for all that are there, and those that only the file knows.
        served_from: Where the server sees `base`, if it is not where we do; a model under `base` is always served from
            there, whatever its entry says.

    Raises:
        ExportError: The file cannot be read, or there is no such model.
    """
    config, base = _read(Path(base)), Path(base)
    served, parent = type(config)(), served_from or str(base.resolve())
    known = {entry.name: entry for entry in config.model_config_list.config}
    there = models(base)
    for name in names or sorted({*there, *known}):
        if name not in known:
            find_model(base, name)
        entry = served.model_config_list.config.add(name=name)
        if name in known:
            entry.CopyFrom(known[name])
        if name in there:
            entry.base_path = _below(parent, name)
        entry.model_platform = "tensorflow"
    if not served.model_config_list.config:
        raise no_models(base)
    return served


def config_text(config: "ModelServerConfig") -> str:
    """Return a config as a server reads it from a file."""
    return _to_text(config)


def entry_text(base: str | Path, name: str) -> str:
    """Return a models.config of a model's entry alone; without an entry if there is none."""
    config = _read(Path(base))
    entry = _find(config, name)
    alone = type(config)()
    if entry is not None:
        alone.model_config_list.config.append(entry)
    return _to_text(alone)


def merge_entry(
    base: str | Path, name: str, text: str, former_base: str, served_from: str | None = None
) -> dict[str, int]:
    """Give a model what it lacks of an entry that `entry_text` gave; whoever calls holds the model's lock.

    Args:
        base: As for `refresh`.
        name: As for `refresh`.
        text: The entry, alone in a models.config.
        former_base: Where the models stood then; an entry that names a folder there goes along to `base`.
        served_from: As for `refresh`.

    Returns:
        The labels that the model has got: those that it lacked, and whose versions are live.
    """
    stored, live = _find(_parse(text, f"The {MODELS_CONFIG} of the backup"), name), versions(Path(base) / name)
    there = {label: version for label, version in read_labels(base, name).items() if version in live}
    labels = {} if stored is None else dict(sorted(stored.version_labels.items()))
    lacking = {label: version for label, version in labels.items() if label not in there and version in live}

    def change(entry: "ModelConfig", is_new: bool) -> None:
        if is_new and stored is not None:
            follows = served_from is not None or stored.base_path == _below(former_base, name)
            base_path = entry.base_path if follows else stored.base_path
            entry.CopyFrom(stored)
            entry.base_path = base_path
        _set_labels(entry, there | lacking, live)

    _change_entry(base, name, change, served_from)
    return lacking


def _change_entry(
    base: str | Path, name: str, change: Callable[["ModelConfig", bool], None], served_from: str | None = None
) -> None:
    """Change a model's entry, made if there is none, and write the file if that makes a difference."""
    base = Path(base)
    check_place(served_from)
    here, moved, warned = str(base.resolve()), [], False
    with _writing(base) as config:
        entry = _find(config, name)
        is_new = entry is None
        if served_from is not None:
            moved = _move(config, {here, _parent(entry)}, served_from)
        if entry is None:
            others = _parent_of_others(config)
            entry = config.model_config_list.config.add(name=name)
            entry.base_path = _below(served_from or others or here, name)
            entry.model_platform = "tensorflow"
            warned = served_from is None and others is None and len(config.model_config_list.config) > 1
        elif served_from is not None:
            entry.base_path = _below(served_from, name)
        change(entry, is_new)
    if moved:
        logger.warning("%s: base_path is now %s for %s.", MODELS_CONFIG, _below(served_from or "", "…"), listing(moved))
    if warned and _parent(entry) == here:
        logger.warning(
            "%s: its models are not in one place, and '%s' got '%s'. A server waits until it sees every one; if it "
            "sees this folder elsewhere, say so with `textclf label … --served-from PATH`.",
            MODELS_CONFIG,
            name,
            entry.base_path,
        )


def check_place(served_from: str | None) -> None:
    """Refuse what cannot be where a server sees the models; None is nothing said."""
    if served_from is not None and not served_from.startswith("/") and "://" not in served_from:
        raise ExportError(f"Expected where the server sees the models as an absolute path, got '{served_from}'.")


def _move(config: "ModelServerConfig", former: "set[str | None]", served_from: str) -> list[str]:
    """Let entries that stand at one of the former places stand where the server sees them; return their names."""
    moved = []
    for entry in config.model_config_list.config:
        path = _below(served_from, entry.name)
        if _parent(entry) in former - {None} and entry.base_path != path:
            entry.base_path = path
            moved.append(entry.name)
    return moved


def _parent(entry: "ModelConfig | None") -> str | None:
    """Return where an entry sees the base path; None if its folder is not called as the model."""
    parent, _, last = entry.base_path.rstrip("/").rpartition("/") if entry is not None else ("", "", "")
    return parent if entry is not None and last == entry.name else None


def _set_labels(entry: "ModelConfig", labels: Mapping[str, int], live: Sequence[int]) -> None:
    """Set the labels, and a policy that has their versions loaded and asks for none that is gone."""
    policy, had_labels = entry.model_version_policy, bool(entry.version_labels)
    entry.version_labels.clear()
    entry.version_labels.update(labels)
    if policy.WhichOneof("policy_choice") == "specific":  # somebody has written it, and knows why
        kept = {version for version in policy.specific.versions if version in live}
        policy.specific.versions[:] = sorted(kept | set(labels.values()))
        if not policy.specific.versions:
            entry.ClearField("model_version_policy")
    elif labels:
        policy.all.SetInParent()
    elif had_labels:
        entry.ClearField("model_version_policy")


def _parent_of_others(config: "ModelServerConfig") -> str | None:
    """Return where the server sees the base path, as far as all the entries there are agree on it."""
    parents = {_parent(entry) for entry in config.model_config_list.config}
    return parents.pop() if len(parents) == 1 else None


def _below(parent: str, name: str) -> str:
    return f"{parent.rstrip('/')}/{name}"


def _find(config: "ModelServerConfig", name: str) -> "ModelConfig | None":
    return next((entry for entry in config.model_config_list.config if entry.name == name), None)


@contextmanager
def _writing(base: Path) -> Iterator["ModelServerConfig"]:
    """Give the file to change, and write it whole when the block ends well, with the comments at its head."""
    path = base / MODELS_CONFIG
    with locked(base.resolve() / f".{MODELS_CONFIG}"):
        config = _read(base)
        before = config.SerializeToString(deterministic=True)
        yield config
        if config.SerializeToString(deterministic=True) == before:
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else [_HEAD]
        comments = "".join(takewhile(lambda line: line.startswith("#"), lines))
        try:
            with replacing(path) as unfinished:
                unfinished.write_text(comments + _to_text(config), encoding="utf-8", newline="\n")
        except OSError as error:
            raise ExportError(f"'{path}' cannot be written: {refusal(error)}. It stays as it was.") from None


def _read(base: Path) -> "ModelServerConfig":
    path = base / MODELS_CONFIG
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"'{path}' cannot be read: {refusal(error)}.") from None
    return _parse(text, f"'{path}'")


def _parse(text: str, what: str) -> "ModelServerConfig":
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    expected = "Expected a ModelServerConfig of TensorFlow Serving as protobuf's text format"
    try:
        config = text_format.Parse(text, ModelServerConfig())
    except text_format.ParseError as error:
        raise ExportError(
            f"{what} cannot be read: {str(error).rstrip('.')}. {expected}. Mend it, or move it away."
        ) from None
    if config.WhichOneof("config") == "custom_model_config":
        raise ExportError(f"{what} holds a custom_model_config. {expected} with a model_config_list.")
    names = [entry.name for entry in config.model_config_list.config]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ExportError(f"{what} holds '{twice[0]}' more than once, which no server takes. Remove all but one.")
    return config


def _to_text(config: "ModelServerConfig") -> str:
    from google.protobuf import text_format

    text: Any = text_format.MessageToString(config, as_utf8=True)
    return str(text)
