"""The tokens that a model knows, counted over the training texts as they stream by."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from textclf.config.text import TextConfig
from textclf.errors import RunError
from textclf.text.splitting import SPLITTERS, in_batches

PADDING, UNKNOWN, SEPARATOR = "[PAD]", "[UNK]", "[SEP]"
"""Names of ids; no text has them for tokens, because brackets are tokens of their own and cases are folded."""
PADDING_ID, UNKNOWN_ID, SEPARATOR_ID = 0, 1, 2


def learn_vocabulary(texts: Sequence[str], config: TextConfig, *, separator: bool = False) -> list[str]:
    """Return the vocabulary of the texts: padding, unknown, then tokens from the most frequent down.

    Tokens of equal count stand in code point order, so that the same texts in any order give the
    same ids. Memory grows with the distinct tokens, not with the texts.

    Args:
        texts: The training texts.
        config: `tokens`, `min_count` and `max_size` count.
        separator: Whether the third row is what separates the texts of a pair.
    """
    split = SPLITTERS[config.tokens]
    counts: Counter[bytes] = Counter()
    for batch in in_batches(texts):
        counts.update(split(batch).flat_values.numpy())
    frequent = ((token.decode(), count) for token, count in counts.items() if count >= config.min_count)
    ordered = sorted(frequent, key=lambda pair: (-pair[1], pair[0]))
    special = [PADDING, UNKNOWN, *([SEPARATOR] if separator else [])]
    return [*special, *(token for token, _ in ordered[: config.max_size - len(special)])]


def save_vocabulary(vocabulary: Sequence[str], path: Path) -> None:
    """Write one token a line, in the order of the ids. No token holds a line break."""
    path.write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8", newline="\n")


def load_vocabulary(path: Path) -> list[str]:
    """Read what `save_vocabulary` wrote; `RunError` if the file is missing or does not start as one does."""
    text = read_run_file(path, "vocabulary")
    # Somebody may have looked at it with an editor that ends lines otherwise.
    vocabulary = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    if vocabulary[:2] != [PADDING, UNKNOWN]:
        raise RunError(f"'{path}' should start with the lines {PADDING} and {UNKNOWN}, but starts {vocabulary[:2]}.")
    return vocabulary


def read_run_file(path: Path, what: str) -> str:
    """Return the text of a file that a run's tokenizer wrote; `RunError` if it is missing or no UTF-8.

    Args:
        path: The file, whose line ends stay as they are.
        what: What it holds, for the message.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise RunError(
            f"'{path.parent}' lacks {path.name}, the {what}: copy the whole run directory, or train the run again."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"The {what} '{path}' cannot be read as UTF-8: {error}. Train the run again.") from None
