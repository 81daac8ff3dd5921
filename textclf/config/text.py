"""How strings become token ids, for models that learn their vocabulary from the training texts."""

from typing import Annotated, Literal

from pydantic import Field

from textclf.config.section import PositiveInt, Section


class TextConfig(Section):
    """The tokenizer and its vocabulary."""

    tokens: Literal["words", "characters"] = "words"
    """Unit of a token: words (every CJK character and punctuation mark is its own token) or characters; BERT has word
    pieces."""
    max_tokens: PositiveInt = 200
    """Longest text that the model sees, in tokens; the rest of a longer text is cut."""
    min_count: PositiveInt = 2
    """How often a token must stand in the training texts to enter the vocabulary; BERT has a vocabulary of its own."""
    max_size: Annotated[int, Field(ge=3)] = 200_000
    """Largest vocabulary, in tokens, with padding and unknown counted; the most frequent tokens stay. BERT
    has `model.vocabulary_size`."""
