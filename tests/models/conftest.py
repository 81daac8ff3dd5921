"""What the tests of pretrained weights share: one small BERT, in both layouts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "go", "##ing", "去", "\u2028", "é"]
SIZES = {
    "vocabulary_size": 12,  # more than the vocabulary, as where it is padded to a round number
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
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
PIECES = {
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {token: number for number, token in reversed(list(enumerate(VOCABULARY)))},
    },
}
"""A tokenizer.json; its vocabulary stands out of order."""


@pytest.fixture(scope="session")
def vocabulary() -> list[str]:
    return VOCABULARY


@pytest.fixture(scope="session")
def sizes() -> dict[str, Any]:
    return SIZES


@pytest.fixture(scope="session")
def backbone() -> Any:
    """A small backbone whose every weight is random, biases and normalizations too. Do not change it."""
    keras_hub = pytest.importorskip("keras_hub")
    made = keras_hub.models.BertBackbone(**SIZES)
    random = np.random.default_rng(5)
    made.set_weights([random.normal(0, 0.5, weight.shape) for weight in made.weights])
    return made


@pytest.fixture(scope="session")
def keras_directory(tmp_path_factory: pytest.TempPathFactory, backbone: Any) -> Path:
    """The backbone in keras-hub's layout. Do not write into it."""
    import keras_hub

    directory = tmp_path_factory.mktemp("keras")
    backbone.save_to_preset(str(directory))
    keras_hub.models.BertTokenizer(VOCABULARY, lowercase=True).save_to_preset(str(directory))
    return directory


@pytest.fixture(scope="session")
def hugging_face_tensors(backbone: Any) -> dict[str, np.ndarray]:
    return tensors_of(backbone)


@pytest.fixture
def make_preset(tmp_path: Path, hugging_face_tensors: dict[str, np.ndarray]) -> Callable[..., str]:
    """Write the same backbone in Hugging Face's layout; arguments change its files, None leaves one out.

    `pieces` changes sections of tokenizer.json, which is there only then.
    """
    save_file = pytest.importorskip("safetensors.numpy").save_file

    def make(
        config: dict | None = None,
        tokenizer: dict | None = None,
        pieces: dict[str, dict | None] | None = None,
        prefix: str = "",
        **files: Any,
    ) -> str:
        directory = tmp_path / "hugging_face"
        directory.mkdir()
        contents = {
            "config.json": {**HUGGING_FACE_CONFIG, **(config or {})},
            "tokenizer_config.json": {"do_lower_case": True} if tokenizer is None else tokenizer,
            "tokenizer.json": None if pieces is None else changed(PIECES, pieces),
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


def changed(sections: dict[str, dict], changes: dict[str, dict | None]) -> dict[str, dict | None]:
    """Return sections with changes in them; a section of None is null in the file, a `type` of None is left out."""
    merged: dict[str, dict | None] = dict(sections)
    for name, change in changes.items():
        section = None if change is None else {**sections[name], **change}
        merged[name] = section and {key: value for key, value in section.items() if (key, value) != ("type", None)}
    return merged


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
