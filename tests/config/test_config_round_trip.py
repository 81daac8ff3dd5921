"""Any config, written and read back; and any junk, refused."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.config import Config, dump_config, load_config
from textclf.config.comments import comment_config
from textclf.config.fields import leaf_paths
from textclf.config.files import override
from textclf.config.scores import SCORES
from textclf.errors import ConfigError

counts = st.integers(1, 10**6)
shares = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)
weights = st.floats(0.0, 1e6)
# Lone surrogates stand in no UTF-8 file.
strings = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["1e-3", "1E5", "null", "yes", "12", "1.5", "a: b", "# no", "- a", "a\nb", "\x85", " ", "~", "2020-01-01", "0x1f"]
)
sources = strings | shares

texts = st.fixed_dictionaries(
    {},
    optional={
        "tokens": st.sampled_from(["words", "characters"]),
        "max_tokens": counts,
        "min_count": counts,
        "max_size": st.integers(3, 10**6),
    },
)
data = st.fixed_dictionaries(
    {"train": strings},
    optional={
        "dev": sources,
        "test": sources | st.none(),
        "text_column": strings,
        "label_column": strings,
        "delimiter": st.none() | st.characters(exclude_categories=["Cs"], exclude_characters='"\r\n\0'),
        "header": st.booleans(),
        "encoding": st.sampled_from(["utf-8", "GB18030", "windows-1252", "utf_16"]),
        "folds": strings | st.none(),
        "fold": st.integers(0, 100),
        "bad_rows": st.sampled_from(["stop", "drop"]),
    },
).filter(
    lambda values: (
        values.get("text_column", "text") != values.get("label_column", "label")
        and not (isinstance(values.get("folds"), str) and isinstance(values.get("test"), str))
    )
)
textcnn = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("textcnn"),
        "embedding_dim": counts,
        "filter_sizes": st.lists(st.integers(1, 20), min_size=1, max_size=5),
        "dropout": shares,
        "l2": weights,
        "max_norm": weights,
    },
)
vectors = st.fixed_dictionaries({"vectors": strings, "vectors_mode": st.sampled_from(["static", "multichannel"])})
linear = st.fixed_dictionaries({"name": st.just("linear")}, optional={"max_ngram": st.integers(1, 3)})
bert = st.fixed_dictionaries(
    {"name": st.just("bert")},
    optional={
        "preset": strings | st.none(),
        "pooling": st.sampled_from(["cls", "mean", "cls+mean"]),
        "dropout": shares,
    },
)
training = st.fixed_dictionaries(
    {},
    optional={
        "epochs": counts,
        "learning_rate": st.floats(1e-12, 10.0),
        "monitor": st.sampled_from([*SCORES]),
        "warmup": shares,
    },
)
configs = st.fixed_dictionaries(
    {"data": data},
    optional={
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True) | st.sampled_from(["1e5", "no", "1"]),
        "seed": st.integers(0, 2**32 - 1),
        "text": texts,
        "model": textcnn | vectors | linear | bert | st.sampled_from(["linear", "textcnn", "bert"]),
        "training": training,
    },
).map(Config.make)

names = st.sampled_from(
    ["data", "text", "model", "training", "name", "seed", "train", "dev", "epochs", "filter_sizes", "linear", "textcnn"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | names | st.binary() | st.dates()
junk = st.recursive(
    scalars,
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(names | st.text() | st.integers(), inside, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round_trip") / "config.yaml"


@given(configs)
def test_a_dumped_config_reads_back_equal(file: Path, config: Config) -> None:
    file.write_text(dump_config(config), encoding="utf-8")
    assert load_config(file) == config


@given(configs)
def test_a_commented_config_reads_back_equal(file: Path, config: Config) -> None:
    text = comment_config(config, "A run")
    assert text.startswith("# A run\n")
    assert max(len(line) for line in text.splitlines() if line.lstrip().startswith("# ")) <= 110
    file.write_text(text, encoding="utf-8")
    assert load_config(file) == config


def test_a_commented_config_explains_every_field() -> None:
    config = Config.make({"data": {"train": "x.csv"}, "model": "linear"})
    lines = [line for line in comment_config(config, "A run").splitlines() if line]
    written = {path.rpartition(".")[2] for path in leaf_paths(Config, {"model": "linear"})}
    explained = {
        line.strip().partition(":")[0].lstrip("#")
        for before, line in itertools.pairwise(lines)
        if before.lstrip().startswith("# ") and not line.lstrip().startswith("# ")
    }
    assert explained == written | {"data", "text", "model", "training", "compute", "checkpoints"}
    assert "  # scikit-learn's `C`: larger fits the training texts more closely." in lines


def test_what_nobody_chose_follows_the_model(file: Path) -> None:
    text = comment_config(Config.make({"data": {"train": "x.csv", "text_column": "body"}, "seed": 7}), "A run")
    lines = {line.strip() for line in text.splitlines() if not line.strip().startswith("#")} - {""}
    sections = {"data:", "text:", "model:", "training:", "compute:", "checkpoints:"}
    assert lines == sections | {"name: classifier", "name: textcnn", "seed: 7", "train: x.csv", "text_column: body"}
    file.write_text(text.replace("name: textcnn", "name: bert"), encoding="utf-8")
    expected = Config.make({"data": {"train": "x.csv", "text_column": "body"}, "model": "bert", "seed": 7})
    assert load_config(file) == expected
    assert expected.training.learning_rate != Config.make({"data": {"train": "x"}}).training.learning_rate


@given(st.dictionaries(names | st.text() | st.integers(), junk, max_size=5))
def test_junk_raises_nothing_but_config_errors(values: dict[Any, Any]) -> None:
    try:
        Config.make(values)
    except ConfigError as error:
        assert str(error).startswith("The config has ")


@given(st.dictionaries(names, junk), st.dictionaries(names, junk))
def test_junk_in_sections_raises_nothing_but_config_errors(section: dict[str, Any], model: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Config.make({"data": {"train": "x"} | section, "training": section, "model": model, "zzz": 1})


@given(st.lists(st.text() | st.builds("{}={}".format, names, st.text()), max_size=3), junk)
def test_any_overrides_raise_nothing_but_config_errors(texts: list[str], model: Any) -> None:
    try:
        assert isinstance(override({"model": model}, texts), dict)
    except ConfigError as error:
        assert str(error).startswith("--set")
