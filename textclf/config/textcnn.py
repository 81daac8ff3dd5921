"""The options of the TextCNN."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from textclf.config.domains import Choices, Range, SearchSpace
from textclf.config.section import ModelOptions, NonNegative, Portion, PositiveInt
from textclf.errors import ConfigError


class TextCNNConfig(ModelOptions):
    """Kim (2014), "Convolutional Neural Networks for Sentence Classification", https://arxiv.org/abs/1408.5882."""

    name: Literal["textcnn"] = "textcnn"
    """The model."""
    embedding_dim: PositiveInt = 128
    """Width of a token's vector; with `vectors`, their width counts instead."""
    num_filters: PositiveInt = 128
    """Filters of each width."""
    filter_sizes: list[PositiveInt] = Field(min_length=1, default=[3, 4, 5])
    """Widths of the filters, in tokens."""
    padding: Literal["full", "valid"] = "full"
    """Windows that count: full, all that touch the text, zeros standing beyond its ends, as Kim has it; valid,
    those inside it, as the classic TF1 code has it."""
    bigram_buckets: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Rows of a table of vectors for pairs of neighbouring tokens, hashed as in fastText (Joulin et al. 2016) and added
    to the first token's vector; 0 turns it off. 65536 suits tens of thousands of texts; Chinese gains most."""
    bag_of_vectors: bool = False
    """Whether the sum of the tokens' vectors, over the square root of their number, stands beside the pooled features:
    the bag of fastText (Joulin et al. 2016). It helps where the topic lies in many words, not in one phrase."""
    dropout: Portion = 0.5
    """Share of the pooled features, and of the bag, that is dropped while training (0 to 1)."""
    embedding_dropout: Portion = 0.3
    """Share of the components of the tokens' vectors that is dropped while training (0 to 1)."""
    l2: NonNegative = 0.0
    """Weight of half the squared norm of the output layer's weights and bias in the loss, as in the classic code's
    `l2_reg_lambda`."""
    max_norm: NonNegative = 0.0
    """Largest norm of each class's output weights (Kim uses 3); 0 turns it off."""
    vectors: str | None = None
    """File of pretrained vectors in word2vec, GloVe or fastText text format, also `.gz`."""
    vectors_mode: Literal["random", "static", "non-static", "multichannel"] = "random"
    """What becomes of the vectors: random ignores them, static freezes them, non-static trains them on,
    multichannel does both side by side."""

    def check_files(self) -> None:
        """Refuse a file of vectors that is not there."""
        if self.vectors is not None and not Path(self.vectors).is_file():
            raise ConfigError(f"model.vectors: there is no file '{self.vectors}'.")

    def search_space(self) -> SearchSpace:
        """Return what matters by Zhang & Wallace (2015), https://arxiv.org/abs/1510.03820, and fastText's additions."""
        space: dict[str, Range | Choices] = {
            "training.learning_rate": Range(3e-4, 1e-2, log=True),
            "training.batch_size": Choices((16, 32, 64, 128)),
            "training.label_smoothing": Range(0.0, 0.2),
            "model.dropout": Range(0.2, 0.7),
            "model.embedding_dropout": Range(0.0, 0.5),
            "model.num_filters": Choices((64, 128, 256)),
            "model.filter_sizes": Choices(([1, 2, 3], [2, 3, 4], [3, 4, 5], [2, 3, 4, 5])),
            "model.bag_of_vectors": Choices((False, True)),
            "model.bigram_buckets": Choices((0, 65536)),
        }
        if self.vectors is None:  # which have a width of their own
            space["model.embedding_dim"] = Choices((64, 128, 256))
        return space

    @property
    def weights(self) -> str:
        """Where the weights come from and what licence they have, a sentence for a model card."""
        if self.vectors is None:
            return super().weights
        return (
            f"The tokens' vectors begin as those of the file '{Path(self.vectors).name}', whose licence is not known "
            "here; all else was trained on the data below."
        )

    @model_validator(mode="after")
    def _vectors_go_with_their_mode(self) -> "TextCNNConfig":
        if (self.vectors is None) != (self.vectors_mode == "random"):
            raise ValueError(
                "vectors and vectors_mode go together: name a file and one of static, non-static, "
                f"multichannel, or leave both out; got vectors={self.vectors!r}, vectors_mode={self.vectors_mode!r}"
            )
        return self
