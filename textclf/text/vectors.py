"""Pretrained word vectors in word2vec, GloVe and fastText text format."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textclf.errors import DataError, refusal

_GZIP_MAGIC = b"\x1f\x8b"


def load_vectors(path: str | Path, vocabulary: Sequence[str], seed: int) -> tuple[np.ndarray, int]:
    """Read the vectors of a vocabulary's tokens.

    Lines are `token number number …`, with or without word2vec's first line of counts. Tokens are
    compared as they are and then case-folded, the first of the file winning. A token without a vector
    gets a random one, uniform with the standard deviation of those found (Kim 2014, section 3.2);
    padding gets zeros. Every line's fields are counted, but the numbers are read for those tokens
    alone: two million lines take some twenty seconds, not minutes.

    Args:
        path: Text file, UTF-8, plain or gzip.
        vocabulary: Tokens in the order of their ids.
        seed: Seed of the random vectors.

    Returns:
        float32[tokens, width], and how many tokens were found.

    Raises:
        DataError: The file is missing or broken, a line has too few fields, a token of the vocabulary has other than
            numbers, or the file holds none of the tokens.
    """
    wanted = {token: index for index, token in enumerate(vocabulary)}
    found: dict[int, np.ndarray] = {}
    exact: set[int] = set()
    for line in _read(Path(path)):
        index = wanted.get(line.token)
        if index is not None and index not in exact:
            exact.add(index)
            found[index] = line.vector()
        elif index is None and (folded := wanted.get(line.token.casefold())) is not None and folded not in found:
            found[folded] = line.vector()
    if not found:
        raise DataError(f"'{path}' holds a vector for none of the {len(vocabulary)} tokens. Is it the right language?")
    known = np.stack(list(found.values()))
    bound = np.sqrt(3.0) * known.std()
    matrix = np.random.default_rng(seed).uniform(-bound, bound, (len(vocabulary), known.shape[1])).astype(np.float32)
    matrix[list(found)] = known
    matrix[0] = 0.0
    return matrix, len(found)


@dataclass(frozen=True, slots=True)
class _Line:
    """A token and its numbers, which are parsed for the few tokens that are wanted alone."""

    place: str
    token: str
    numbers: bytes
    width: int

    def vector(self) -> np.ndarray:
        """Return float32[width]; `DataError` if the numbers are none."""
        try:
            vector = np.array(self.numbers.split(b" "), dtype=np.float32)
        except ValueError:
            vector = np.full(self.width, np.nan, np.float32)
        if not np.isfinite(vector).all():
            raise _misfit(self.place, self.width, f"{self.token} ".encode() + self.numbers)
        return vector


def _read(path: Path) -> Iterator[_Line]:
    """Yield the lines that hold a token, their number of fields checked."""
    width = 0
    for number, raw in enumerate(_lines(path), start=1):
        line = raw.rstrip(b" \r\n")
        if number == 1 and len(counts := line.split(b" ")) == 2 and all(count.isdigit() for count in counts):
            width = int(counts[1])  # word2vec's and fastText's first line: rows and width
            continue
        if not line:
            continue
        spaces = line.count(b" ")
        width = width or max(spaces, 1)
        # GloVe 840B has tokens with spaces inside: the numbers are the last fields.
        *words, numbers = line.split(b" ", max(spaces - width, 0) + 1)
        token = b" ".join(words)
        if spaces < width or not token:
            raise _misfit(f"{path}:{number}", width, line)
        yield _Line(f"{path}:{number}", token.decode("utf-8", errors="replace"), numbers, width)


def _misfit(place: str, width: int, line: bytes) -> DataError:
    return DataError(f"{place}: expected a token and {width} numbers between single spaces, got {line[:60]!r}.")


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a plain or gzip file."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            yield from gzip.GzipFile(fileobj=file) if packed else file
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"The vectors '{path}' cannot be read: {refusal(error)}. Check model.vectors; it is a path to a text file."
        ) from None
