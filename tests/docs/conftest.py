"""The folder that the pages' commands run in: small files under the names that the pages use."""

import csv
import itertools
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import textclf
from textclf.config import Config, DataConfig
from textclf.config.models import MODELS
from textclf.data import Example, read

ROOT = Path(__file__).resolve().parents[2]
ROWS_OF_A_CLASS = 15


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with messages.csv, train.csv, dev.csv, test.csv, new.csv, new.txt, folds.txt and vectors.txt."""
    folder = tmp_path_factory.mktemp("pages")
    rows = _rows_of_each_class()
    for name in ("messages", "train", "dev", "test", "new"):
        part = rows if name in ("messages", "train") else rows[::2]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *part])
    (folder / "new.txt").write_text("".join(f"{text}\n" for text, _ in rows[:5]), encoding="utf-8")
    (folder / "folds.txt").write_text("".join(f"{number % 3}\n" for number in range(len(rows))), encoding="utf-8")
    (folder / "vectors.txt").write_text("parcel 0.1 -0.2 0.3\n我 0.5 0.1 -0.1\nthe 0.2 0.2 0.2\n", encoding="utf-8")
    return folder


def _rows_of_each_class() -> list[tuple[str, str]]:
    taken: dict[str, list[tuple[str, str]]] = {}
    for row in read("sample:train", DataConfig(train="sample:train")):
        if isinstance(row, Example):
            taken.setdefault(row.label, []).append((" ".join(row.text.split()), row.label))
    return list(itertools.chain.from_iterable(zip(*(rows[:ROWS_OF_A_CLASS] for rows in taken.values()), strict=True)))


@pytest.fixture
def workspace(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the small data, to work in; models are tiny, trained for one epoch and searched in two
    trials, whatever the page says."""
    folder = shutil.copytree(small_data, tmp_path / "work")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(Config, "make", classmethod(_tiny(Config.make.__func__)))
    monkeypatch.setattr("textclf.runs.train.write_report", lambda *_: None)  # seconds, and tested elsewhere
    monkeypatch.setattr("textclf.serving.export._verify", lambda *_: None)  # the same
    tune = textclf.tune
    monkeypatch.setattr("textclf.tuning.tune.tune", lambda *args, **options: tune(*args, **options | {"trials": 2}))
    models, modules = dict(MODELS), set(sys.modules)
    yield folder
    MODELS.clear()
    MODELS.update(models)
    for name in set(sys.modules) - modules:  # a page's own, such as mean.py
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


def _tiny(make: Callable[[type[Config], dict[str, Any]], Config]) -> Callable[[type[Config], dict[str, Any]], Config]:
    def tiny_make(config_class: type[Config], values: dict[str, Any]) -> Config:
        model = values.get("model") or "textcnn"
        model = {"name": model} if isinstance(model, str) else dict(model)
        if model.get("name", "textcnn") == "textcnn":
            model |= {"embedding_dim": 8, "num_filters": 4}
        return make(config_class, values | {"model": model, "training": (values.get("training") or {}) | {"epochs": 1}})

    return tiny_make
