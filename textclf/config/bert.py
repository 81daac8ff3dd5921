"""The options of the BERT."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from textclf.config.section import ModelOptions, NonNegativeInt, Portion, PositiveInt


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
    or they are read up to `text.max_tokens` in windows that overlap."""
    window: Annotated[int, Field(ge=8)] = 128
    """Length of a window, in tokens with [CLS] and [SEP]; counts only with windows."""
    stride: PositiveInt = 96
    """Tokens from the beginning of a window to that of the next; counts only with windows."""
    window_pooling: Literal["mean", "max"] = "mean"
    """How the windows' scores before the softmax become one; counts only with windows."""
    encoder: Literal["trained", "frozen"] = "trained"
    """Whether the encoder is trained on, or stays as it is: then features are computed once and logistic regression on
    them is the head, in seconds."""
    inverse_regularization: Annotated[float, Field(gt=0.0)] = 1.0
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

    def training_defaults(self) -> dict[str, Any]:
        """Return a fine-tuning recipe, or one that starts from nothing."""
        shared = {"batch_size": 32, "warmup": 0.1, "weight_decay": 0.01}
        if self.preset is None:
            return shared | {"epochs": 15, "learning_rate": 5e-4}
        return shared | {"epochs": 4, "learning_rate": 1e-4, "patience": 0}

    @model_validator(mode="after")
    def _parts_fit(self) -> "BertConfig":
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                f"expected hidden_dim to be a multiple of num_heads, got hidden_dim={self.hidden_dim}, "
                f"num_heads={self.num_heads}"
            )
        if self.long_texts == "windows" and self.stride > self.window - 2:
            raise ValueError(
                f"expected stride to be at most window - 2, so that no token falls between two windows; got "
                f"stride={self.stride}, window={self.window}"
            )
        return self

    @model_validator(mode="after")
    def _something_is_trained(self) -> "BertConfig":
        kept = [f"{name}={value}" for name, value in self._kept().items() if value]
        if self.encoder == "frozen" and self.preset is None:
            raise ValueError("encoder=frozen needs a preset: the encoder would stay at its random first weights")
        if self.preset is None and kept:
            raise ValueError(f"{kept[0]} needs a preset: what is frozen would stay at its random first weights")
        if self.encoder == "frozen" and kept:
            raise ValueError(f"{kept[0]} and encoder=frozen exclude each other: nothing of a frozen encoder is trained")
        if self.lora_rank and (self.freeze_embeddings or self.freeze_layers):
            raise ValueError(
                "lora_rank freezes all of the encoder but its updates; take freeze_embeddings and freeze_layers out"
            )
        return self

    def _kept(self) -> dict[str, int]:
        return {
            "freeze_embeddings": self.freeze_embeddings,
            "freeze_layers": self.freeze_layers,
            "lora_rank": self.lora_rank,
        }
