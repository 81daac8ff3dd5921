"""What a run is. Nothing here imports TensorFlow."""

from textclf.config.bert import BertConfig
from textclf.config.checkpoints import CheckpointsConfig
from textclf.config.compute import ComputeConfig
from textclf.config.data import DataConfig
from textclf.config.files import dump_config, load_config
from textclf.config.linear import LinearConfig
from textclf.config.run import Config
from textclf.config.section import ModelOptions, Section
from textclf.config.text import TextConfig
from textclf.config.textcnn import TextCNNConfig
from textclf.config.training import TrainingConfig

__all__ = [
    "BertConfig",
    "CheckpointsConfig",
    "ComputeConfig",
    "Config",
    "DataConfig",
    "LinearConfig",
    "ModelOptions",
    "Section",
    "TextCNNConfig",
    "TextConfig",
    "TrainingConfig",
    "dump_config",
    "load_config",
]
