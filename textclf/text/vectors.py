"""Pretrained word vectors in word2vec, GloVe and fastText text format."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from textclf.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"


def load_vectors(path: str | Path, vocabulary: Sequence[str], seed: int) -> tuple[np.ndarray, int]:
    """Read the vectors of a vocabulary's tokens.

    Lines are `token number number …`, with or without word2vec's first line of counts. Tokens are
    compared as they are and then case-folded, the first of the file winning. A token without a vector
    gets a random one, uniform with the standard deviation of those found (Kim 2014, section 3.2);
    padding gets zeros.

    Args:
        path: Text file, UTF-8, plain or gzip.
        vocabulary: Tokens in the order of their ids.
        seed: Seed of the random vectors.

    Returns:
        float32[tokens, width], and how many tokens were found.

    Raises:
        DataError: The file is missing or broken, holds lines of different widths or non-numbers, or none of the tokens.
    """
    wanted = {token: index for index, token in enumerate(vocabulary)}
    found: dict[int, np.ndarray] = {}
    exact: set[int] = set()
    for token, vector in _read(Path(path)):
        index = wanted.get(token)
        if index is not None and index not in exact:
            exact.add(index)
            found[index] = vector
        elif index is None and (folded := wanted.get(token.casefold())) is not None:
            found.setdefault(folded, vector)
    if not found:
        raise DataError(f"'{path}' holds a vector for none of the {len(vocabulary)} tokens. Is it the right language?")
    known = np.stack(list(found.values()))
    bound = np.sqrt(3.0) * known.std()
    matrix = np.random.default_rng(seed).uniform(-bound, bound, (len(vocabulary), known.shape[1])).astype(np.float32)
    matrix[list(found)] = known
    matrix[0] = 0.0
    return matrix, len(found)


def _read(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield tokens with their float32[width]."""
    width = 0
    for number, raw in enumerate(_lines(path), start=1):
        fields = raw.rstrip(b" \r\n").split(b" ")
        if number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
            width = int(fields[1])  # word2vec's and fastText's first line: rows and width
            continue
        if fields == [b""]:
            continue
        width = width or max(len(fields) - 1, 1)
        # GloVe 840B has tokens with spaces inside: the numbers are the last fields.
        token, numbers = b" ".join(fields[:-width]), fields[-width:]
        try:
            vector = np.array(numbers, dtype=np.float32)
        except ValueError:
            vector = np.zeros(0, np.float32)
        if len(vector) != width or not token or not np.isfinite(vector).all():
            raise DataError(
                f"{path}:{number}: expected a token and {width} numbers between single spaces, got {raw[:60]!r}."
            )
        yield token.decode("utf-8", errors="replace"), vector


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a plain or gzip file."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            yield from gzip.GzipFile(fileobj=file) if packed else file
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"The vectors '{path}' cannot be read: {reason}. Check model.vectors; it is a path to a text file."
        ) from None
