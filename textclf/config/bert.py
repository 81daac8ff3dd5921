"""The options of the BERT."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from textclf.config.domains import Choices, Range, SearchSpace
from textclf.config.presets import local_directory
from textclf.config.section import ModelOptions, NonNegativeInt, Portion, PositiveInt

_FINE_TUNING, _LOW_RANK, _FROM_NOTHING = 1e-4, 1e-3, 5e-4
_TOO_HIGH = 5e-4
_FREEZING = ("freeze_embeddings", "freeze_layers", "lora_rank")
_OF_TRAINING = (*_FREEZING, "layer_decay", "dropout", "encoder_dropout")
_OF_NEW_ENCODERS = ("num_layers", "hidden_dim", "num_heads", "intermediate_dim", "vocabulary_size", "lowercase")


class BertConfig(ModelOptions):
    """Devlin et al. (2019), "BERT: Pre-training of Deep Bidirectional Transformers", https://arxiv.org/abs/1810.04805."""

    name: Literal["bert"] = "bert"
    """The model."""
    preset: str | None = None
    """Pretrained weights with their vocabulary: `minilm`, a local folder in keras-hub's or Hugging Face's layout, or a
    keras-hub handle (`bert_base_en_uncased`, `bert_base_zh`, `kaggle://…`, `hf://…`); null learns both from the
    training texts."""
    pooling: Literal["cls", "mean", "cls+mean"] = "mean"
    """What the classes are told by: the last state of [CLS], the mean of all tokens' last states, or both."""
    dropout: Portion = 0.1
    """Share of the pooled features that is dropped while training (0 to 1)."""
    encoder_dropout: Portion = 0.1
    """The same inside the encoder, its attention weights included."""
    long_texts: Literal["head", "head+tail", "windows"] = "head"
    """What becomes of texts that are too long: their beginning stays up to `text.max_tokens`, their beginning and end,
    or they are read up to `text.max_tokens` (then 512 by default) in windows that overlap."""
    window: Annotated[int, Field(ge=8)] = 128
    """Length of a window, in tokens with [CLS] and [SEP]; counts only with windows."""
    stride: PositiveInt = 96
    """Tokens from the beginning of a window to that of the next; counts only with windows."""
    window_pooling: Literal["mean", "max"] = "mean"
    """How the windows' scores before the softmax become one; counts only with windows."""
    encoder: Literal["trained", "frozen"] = "trained"
    """Whether the encoder is trained on, or stays as it is: then features are computed once and logistic regression on
    them is the head, in seconds."""
    inverse_regularization: Annotated[float, Field(gt=0.0)] = 0.1
    """scikit-learn's `C` of that regression: larger fits the training texts more closely; counts only with frozen."""
    max_iterations: PositiveInt = 1000
    """Most steps of its solver (L-BFGS); counts only with frozen."""
    freeze_embeddings: bool = False
    """Whether the embeddings stay as they are: less memory and faster steps, often for the same scores."""
    freeze_layers: NonNegativeInt = 0
    """Layers, from the first, that stay as they are; the embeddings then do so too."""
    lora_rank: NonNegativeInt = 0
    """Rank of the low-rank updates of the attention's queries and values that are trained in place of the encoder
    (LoRA, Hu et al. 2021, https://arxiv.org/abs/2106.09685); 0 turns it off."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Factor from a layer's learning rate to that of the layer below (Howard & Ruder 2018); 1 turns it off."""
    num_layers: PositiveInt = 4
    """Layers; this and what follows counts only without a preset."""
    hidden_dim: PositiveInt = 256
    """Width of a token's state."""
    num_heads: PositiveInt = 4
    """Attention heads; they share the width evenly."""
    intermediate_dim: PositiveInt = 1024
    """Width of the feed-forward layers inside."""
    vocabulary_size: Annotated[int, Field(ge=100)] = 8000
    """Word pieces to learn from the training texts, at most."""
    lowercase: bool = True
    """Whether case and accents are folded before word pieces are learnt and looked up."""

    length_fields: ClassVar[str] = "text.max_tokens and model.long_texts"
    least_of_pairs: ClassVar[int] = 5

    @property
    def weights(self) -> str:
        """Where the weights come from and what licence they have, a sentence for a model card."""
        if self.preset is None:
            return super().weights
        if self.preset == "minilm":
            return (
                "The encoder begins as sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0, Wang et al. 2020, "
                "https://arxiv.org/abs/2002.10957)."
            )
        return f"The encoder begins as the preset '{self.preset}'; its own page says which licence it has."

    @property
    def learns_in_steps(self) -> bool:
        """Whether the encoder is trained; if not, its features are computed once, and a regression is the head."""
        return self.encoder == "trained"

    @property
    def not_compilable(self) -> str | None:
        """The choice of windows, if steps are taken with it: how many there are depends on the texts."""
        return "model.long_texts=windows" if self.long_texts == "windows" and self.learns_in_steps else None

    @property
    def not_of_pairs(self) -> str | None:
        """The choice of windows, or of beginning and end, which are of one text."""
        return f"model.long_texts={self.long_texts}" if self.long_texts != "head" else None

    def idle(self) -> set[str]:
        """Return the options that count nothing, such as the sizes of an encoder that a preset brings."""
        return {name for counts, _, names in self._conditions() if not counts for name in names}

    def check_files(self) -> None:
        """Refuse a preset that can only be a folder and is none; `ConfigError` names the hub that was perhaps meant."""
        if self.preset is not None:
            local_directory(self.preset)

    def defaults(self) -> dict[str, dict[str, Any]]:
        """Return a fine-tuning recipe, or one that starts from nothing; windows are for texts that are long."""
        windows = self.long_texts == "windows"
        if not self.learns_in_steps:
            return {"text": {"max_tokens": 512} if windows else {}}
        training: dict[str, Any] = {"batch_size": 16 if windows else 32, "warmup": 0.1, "weight_decay": 0.01}
        if self.preset is None:
            training |= {"epochs": 15, "learning_rate": _FROM_NOTHING}
        else:
            rate = _LOW_RANK if self.lora_rank else _FINE_TUNING
            training |= {"epochs": 4, "learning_rate": rate, "patience": 0}
        return {"training": training, "text": {"max_tokens": 512} if windows else {}}

    def search_space(self) -> SearchSpace:
        """Return a frozen encoder's regularization, or what fine-tuning, low ranks or a new encoder depend on."""
        if not self.learns_in_steps:
            return {"model.inverse_regularization": Range(1e-3, 10.0, log=True)}
        space: dict[str, Range | Choices] = {
            "training.batch_size": Choices((16, 32)),
            "training.warmup": Range(0.0, 0.2),
            "training.label_smoothing": Range(0.0, 0.2),
            "model.dropout": Range(0.0, 0.5),
        }
        if self.preset is None:
            return space | {
                "training.learning_rate": Range(1e-4, 2e-3, log=True),
                "model.encoder_dropout": Range(0.0, 0.3),
                "model.num_layers": Range(2, 4),
            }
        space["training.epochs"] = Range(2, 6)
        if self.lora_rank:
            return space | {
                "training.learning_rate": Range(2e-4, 5e-3, log=True),
                "model.lora_rank": Choices((4, 8, 16)),
            }
        return space | {
            "training.learning_rate": Range(1e-5, 3e-4, log=True),
            "model.layer_decay": Choices((0.8, 0.9, 1.0)),
        }

    def unused_fields(self) -> dict[str, str]:
        """Return also what words are made by: the word pieces are the preset's, or learnt by `model`'s own options."""
        of_words = ("text.tokens", "text.min_count", "text.max_size")
        return super().unused_fields() | dict.fromkeys(of_words, "BERT has word pieces of its own")

    def doubts(self, config: Any) -> list[str]:
        """Return also a warning if the learning rate would shake the pretrained weights out."""
        found, rate = super().doubts(config), config.training.learning_rate
        if self.learns_in_steps and self.preset is not None and not self.lora_rank and rate >= _TOO_HIGH:
            fields = self.defaults()["training"].items()
            found.append(
                f"training.learning_rate is {rate}, with which pretrained weights are mostly forgotten. If the config "
                "was written for another model, take what belongs to that out of its training section; this model's "
                f"defaults are: {' '.join(f'--set training.{name}={value}' for name, value in fields)}"
            )
        return found

    @model_validator(mode="after")
    def _parts_fit(self) -> "BertConfig":
        if self.preset is None and self.hidden_dim % self.num_heads:
            raise ValueError(
                f"expected hidden_dim to be a multiple of num_heads, got hidden_dim={self.hidden_dim}, "
                f"num_heads={self.num_heads}"
            )
        least, most = self.window // 4, self.window - 2
        if self.long_texts == "windows" and not least <= self.stride <= most:
            raise ValueError(
                f"expected a stride from window / 4, so that no token is read more than four times, to window - 2, so "
                f"that none falls between two windows; got stride={self.stride}, window={self.window}"
            )
        return self

    @model_validator(mode="after")
    def _choices_go_together(self) -> "BertConfig":
        if self.encoder == "frozen" and self.preset is None:
            raise ValueError("encoder=frozen needs a preset: the encoder would stay at its random first weights")
        if self.encoder == "frozen" and self.window_pooling == "max":
            raise ValueError("window_pooling=max needs encoder=trained: the regression is fitted on means of windows")
        if self.lora_rank and (self.freeze_embeddings or self.freeze_layers):
            raise ValueError(
                "lora_rank freezes all of the encoder but its updates; take freeze_embeddings and freeze_layers out"
            )
        return self

    @model_validator(mode="after")
    def _every_choice_counts(self) -> "BertConfig":
        """Refuse what somebody chose and nothing would come of."""
        for counts, condition, names in self._conditions():
            for name in names:
                value = getattr(self, name)
                if not counts and value != type(self).model_fields[name].default:
                    raise ValueError(f"{name}={value} counts only {condition}")
        return self

    def _conditions(self) -> tuple[tuple[bool, str, tuple[str, ...]], ...]:
        """Return whether, under which condition, and which options count."""
        return (
            (self.preset is None, "without a preset, whose own it has", _OF_NEW_ENCODERS),
            (
                self.preset is not None,
                "with a preset: what is frozen would stay at its random first weights",
                _FREEZING,
            ),
            (self.encoder == "trained", "with encoder=trained: nothing of a frozen encoder is trained", _OF_TRAINING),
            (self.encoder == "frozen", "with encoder=frozen", ("inverse_regularization", "max_iterations")),
            (self.long_texts == "windows", "with long_texts=windows", ("window", "stride", "window_pooling")),
        )
