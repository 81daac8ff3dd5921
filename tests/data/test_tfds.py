"""TensorFlow Datasets as a source, on a data set that is built here."""

import importlib.resources.abc
import importlib.util
import sys
from pathlib import Path

import numpy
import pytest

from textclf.config import DataConfig
from textclf.data import BadRow, Example, guess, load_corpus, problems, read
from textclf.errors import DataError

ROWS: dict[str, list[tuple[str | bytes, int]]] = {
    "train": [("good", 1), ("bad", 0), ("很好", 1), ("awful", 0)],
    "validation": [("fine", 1), ("poor", 0)],
    "test": [("great", 1), (b"\xff", 0), ("worse", 0), ("ok", 1)],
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tfds = pytest.importorskip("tensorflow_datasets")
    features = {
        "text": tfds.features.Text(),
        "label": tfds.features.ClassLabel(names=["negative", "positive"]),
        "n": numpy.int64,
    }
    rows = {
        split: [(index, {"text": text, "label": label, "n": index}) for index, (text, label) in enumerate(pairs)]
        for split, pairs in ROWS.items()
    }
    folder = tmp_path_factory.mktemp("tfds")
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("importlib_resources") is None:
            # tensorflow-datasets 4.9.10 imports this backport where it looks for a builder's code, but does not
            # require it; reading, which is what is tested, gets along without.
            patch.setitem(sys.modules, "importlib_resources", importlib.resources)
        tfds.dataset_builders.store_as_tfds_dataset(
            name="tiny_reviews",
            version="1.0.0",
            config="plain",
            features=tfds.features.FeaturesDict(features),
            split_datasets=rows,
            data_dir=folder,
            disable_shuffling=True,
        )
    return folder


@pytest.fixture
def source(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    return "tfds:tiny_reviews:plain"


@pytest.mark.slow
def test_rows_of_a_split(source: str) -> None:
    rows = list(read(source, DataConfig(train=source)))
    names = ["negative", "positive"]
    assert rows == [Example(str(t), names[y], source, n) for n, (t, y) in enumerate(ROWS["train"], start=1)]
    as_numbers = list(read(f"{source}@train[:1]", DataConfig(train=source, label_column="n")))
    assert as_numbers == [Example("good", "0", f"{source}@train[:1]", 1)]


@pytest.mark.slow
def test_each_split_is_the_data_sets_own(source: str) -> None:
    corpus = load_corpus(DataConfig(train=source, dev=source, test=source, bad_rows="drop"), seed=1)
    assert corpus.dev.texts == ["fine", "poor"]
    assert corpus.test is not None
    assert corpus.test.texts == ["great", "worse", "ok"]
    assert corpus.bad_rows == [BadRow(f"{source}@test", 2, problems.NOT_UNICODE, "bytes that are not UTF-8")]


@pytest.mark.slow
def test_what_is_missing_is_named(source: str) -> None:
    with pytest.raises(DataError, match=r"no column 'content'; it has .*'text'.*data\.text_column"):
        list(read(source, DataConfig(train=source, text_column="content")))
    with pytest.raises(DataError, match=r"has no split 'unsupervised'; it has 'train', 'validation', 'test'"):
        list(read(f"{source}@unsupervised", DataConfig(train=source)))
    with pytest.raises(DataError, match=r"no such data set or cannot load it.*TFDS_DATA_DIR"):
        list(read("tfds:tiny_revues", DataConfig(train="tfds:tiny_revues")))
    with pytest.raises(DataError, match=r"cannot be read"):
        list(read(f"{source}@train[oops]", DataConfig(train=source)))


@pytest.mark.slow
def test_guess_reads_the_features(source: str) -> None:
    found = guess(source)
    assert (found.format, found.text_column, found.label_column) == ("tfds", "text", "label")
    assert found.labels_found == ["negative", "positive"]


def test_without_tensorflow_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DataError, match=r'pip install "textclf\[tfds\]"'):
        list(read("tfds:tiny_reviews", DataConfig(train="tfds:tiny_reviews")))
