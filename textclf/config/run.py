"""What a run is: the whole config, made from YAML and overrides or in Python."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, ValidationError, ValidationInfo, field_validator

from textclf.config.checkpoints import CheckpointsConfig
from textclf.config.compute import ComputeConfig
from textclf.config.data import DataConfig
from textclf.config.models import MODELS, model_config_class, unknown_model
from textclf.config.problems import describe
from textclf.config.section import ModelOptions, Section
from textclf.config.text import TextConfig
from textclf.config.textcnn import TextCNNConfig
from textclf.config.training import TrainingConfig
from textclf.errors import ConfigError, listing

MAY_CHANGE = ("compute", "checkpoints", "calibration")
"""What a training may go on with another of: its weights depend on it for rounding alone."""


def check_name(value: str) -> str:
    """Return a classifier's name; `ValueError` if no folder and no served model can be called so."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError(
            "expected letters (A to Z), digits, '_', '.' and '-', the first a letter or a digit, and no spaces, "
            f"got {value!r}"
        )
    return value


def _pair_column(info: ValidationInfo) -> str | None:
    """Return the column of the second texts; None for single texts, and if the data section was refused."""
    data = info.data.get("data")
    return None if data is None else data.pair_column


class Config(Section):
    """A run: data, tokens, model, training and the seed they share.

    Example:
        >>> config = Config.make({"data": {"train": "messages.csv"}, "model": "linear"})
        >>> config.model.max_ngram
        2
    """

    name: str = "classifier"
    """Name of the classifier, of letters (A to Z), digits, `_`, `.` and `-`: its run directory and its folder under
    saved_models/ are called so."""
    task: Literal["single_label"] = "single_label"
    """What is predicted: single_label gives each text exactly one label."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Seed of everything random: splits, first weights, the order of the texts, dropout."""
    data: DataConfig
    """Where the texts come from."""
    model: SerializeAsAny[ModelOptions] = TextCNNConfig()
    """The model: its name alone, or a mapping with `name` and the model's options."""
    text: TextConfig = Field(default_factory=TextConfig, validate_default=True)
    """How texts become tokens."""
    training: TrainingConfig = Field(default_factory=TrainingConfig, validate_default=True)
    """How the model learns; some of its defaults are the model's."""
    compute: ComputeConfig = ComputeConfig()
    """What a training is computed on, and how."""
    checkpoints: CheckpointsConfig = CheckpointsConfig()
    """When a training is written down, so that it can go on after a kill."""
    calibration: Literal["temperature", "none"] = "temperature"
    """What makes a score of 0.9 right nine times in ten: temperature divides the logits by a number that is fitted on
    dev after the training and changes no decision (Guo et al. 2017), none leaves them as they are."""

    _name_is_a_folders = field_validator("name")(check_name)

    @field_validator("text", "training", mode="before")
    @classmethod
    def _defaults_of_the_model(cls, value: Any, info: ValidationInfo) -> Any:
        """Let the model say what stands where nobody has said anything."""
        model = info.data.get("model")  # missing if it was refused
        value = {} if value is None else value  # a section with nothing under it, as `textclf init` writes one
        if isinstance(value, TextConfig | TrainingConfig):
            value = {name: getattr(value, name) for name in value.model_fields_set}
        if model is None or not isinstance(value, dict):
            return value
        return model.defaults().get(str(info.field_name), {}) | value

    @field_validator("model")
    @classmethod
    def _model_reads_pairs(cls, value: ModelOptions, info: ValidationInfo) -> ModelOptions:
        column = _pair_column(info)
        if column is not None and value.not_of_pairs:
            raise ValueError(
                f"{value.not_of_pairs} and data.pair_column={column} exclude each other: a pair that is too long is "
                "cut at the ends of its texts, which is model.long_texts=head"
            )
        return value

    @field_validator("text")
    @classmethod
    def _pairs_have_room(cls, value: TextConfig, info: ValidationInfo) -> TextConfig:
        column, model = _pair_column(info), info.data.get("model")  # the model is missing if it was refused
        if column is None or model is None:
            return value
        for field, least in {"max_tokens": model.least_of_pairs, "max_size": 4}.items():
            if getattr(value, field) < least:
                raise ValueError(
                    f"expected {field} of at least {least} with data.pair_column={column}, room for two texts and what "
                    f"separates them, got {getattr(value, field)}"
                )
        return value

    @field_validator("compute", "checkpoints", mode="before")
    @classmethod
    def _nothing_is_the_defaults(cls, value: Any) -> Any:
        """Let a section with nothing under it, as `textclf init` writes one, have its defaults."""
        return {} if value is None else value

    @field_validator("compute")
    @classmethod
    def _settings_go_together(cls, value: ComputeConfig, info: ValidationInfo) -> ComputeConfig:
        model, training = info.data.get("model"), info.data.get("training")  # each missing if it was refused
        if value.xla and model is not None and model.not_compilable:
            raise ValueError(
                f"xla and {model.not_compilable} exclude each other: XLA knows no shapes that depend on the texts"
            )
        if value.xla and training is not None and training.lazy_embeddings:
            raise ValueError("xla and training.lazy_embeddings exclude each other: XLA knows dense gradients alone")
        return value

    @field_validator("model", mode="before")
    @classmethod
    def _model_by_name(cls, value: Any) -> Any:
        """Let `model: linear` stand for `model: {name: linear}`, and check options by the model's own class."""
        if isinstance(value, ModelOptions):
            return value
        options = {"name": value} if isinstance(value, str) else {} if value is None else value
        if not isinstance(options, dict) or not isinstance(options.get("name", "textcnn"), str):
            raise ValueError(f"expected a mapping of options or one of the names {listing(MODELS)}, got {value!r}")
        options = {"name": "textcnn"} | options
        if options["name"] not in MODELS:
            raise ValueError(unknown_model(options["name"]))
        return model_config_class(options["name"]).model_validate(options)

    @classmethod
    def make(cls, values: dict[str, Any]) -> "Config":
        """Return a checked config.

        Args:
            values: Nested mapping, as YAML gives it.

        Raises:
            ConfigError: A key is unknown, a type is wrong or a value is out of range; the message
                lists every problem, each with the nearest known name.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(describe(error, cls, values)) from None
