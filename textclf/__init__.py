"""Train, judge, export and serve text classifiers with TensorFlow.

Raw strings in, label names out: the tokenizer, the model and the labels are one graph.

Example:
    >>> import textclf
    >>> config = textclf.init("sample:train", ["model=linear"], name="demo")
    >>> run = textclf.train(config, "runs/demo")
    >>> path = textclf.export("runs/demo")
    >>> textclf.load(path).predict(["Where is my parcel?"])[0].label
    'delivery'

Importing this package does not import TensorFlow; the first name that needs it does.
"""

import importlib
from typing import TYPE_CHECKING, Any

from textclf.startup import import_tensorflow

__version__ = "0.1.0"

if TYPE_CHECKING:
    from textclf.config import Config, load_config
    from textclf.data.init import init
    from textclf.errors import ConfigError, DataError, ExportError, RunError, TextclfError
    from textclf.gate.verify import verify
    from textclf.runs.check import check
    from textclf.runs.directory import Run
    from textclf.runs.train import train
    from textclf.serving.classifier import Classifier, Prediction, load
    from textclf.serving.evaluate import evaluate
    from textclf.serving.export import export
    from textclf.tuning.results import Tuning
    from textclf.tuning.tune import tune

_WHERE = {
    "Classifier": "textclf.serving.classifier",
    "Config": "textclf.config",
    "ConfigError": "textclf.errors",
    "DataError": "textclf.errors",
    "ExportError": "textclf.errors",
    "Prediction": "textclf.serving.classifier",
    "Run": "textclf.runs.directory",
    "RunError": "textclf.errors",
    "TextclfError": "textclf.errors",
    "Tuning": "textclf.tuning.results",
    "check": "textclf.runs.check",
    "evaluate": "textclf.serving.evaluate",
    "export": "textclf.serving.export",
    "init": "textclf.data.init",
    "load": "textclf.serving.classifier",
    "load_config": "textclf.config",
    "train": "textclf.runs.train",
    "tune": "textclf.tuning.tune",
    "verify": "textclf.gate.verify",
}

_WITH_TENSORFLOW = (
    "textclf.gate.",
    "textclf.serving.",
    "textclf.text.",
    "textclf.runs.",
    "textclf.training.",
    "textclf.tuning.",
)

__all__ = [
    "Classifier",
    "Config",
    "ConfigError",
    "DataError",
    "ExportError",
    "Prediction",
    "Run",
    "RunError",
    "TextclfError",
    "Tuning",
    "check",
    "evaluate",
    "export",
    "init",
    "load",
    "load_config",
    "train",
    "tune",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module 'textclf' has no attribute '{name}'")
    if _WHERE[name].startswith(_WITH_TENSORFLOW):
        import_tensorflow()
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return [*__all__, "__version__"]
