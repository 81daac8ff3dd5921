"""What a run is. Nothing here imports TensorFlow."""

from textclf.config.data import DataConfig
from textclf.config.files import dump_config, load_config
from textclf.config.linear import LinearConfig
from textclf.config.run import Config
from textclf.config.section import Section
from textclf.config.text import TextConfig
from textclf.config.textcnn import TextCNNConfig
from textclf.config.training import TrainingConfig

__all__ = [
    "Config",
    "DataConfig",
    "LinearConfig",
    "Section",
    "TextCNNConfig",
    "TextConfig",
    "TrainingConfig",
    "dump_config",
    "load_config",
]
