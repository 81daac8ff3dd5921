"""Compare our word pieces with those of Hugging Face's `tokenizers` (in Rust), text by text.

    python tools/tokenizer_equality.py vocab.txt mr/all.tsv.gz chnsenticorp/train.tsv.gz

Every text of the files (column `text`) is turned into ids by both, with the same vocabulary, lower-cased and cased.
For each file it prints how many differ, and the first few of them. Ends with 1 if any does.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import tokenizers

from textclf.data import iter_texts
from textclf.text.wordpiece import WordPieceTokenizer

BATCH = 1024
MOST_TOKENS = 1_000_000  # nothing is cut
MOST_PIECES = 10  # that are printed of a text


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and return 1 if any text differs."""
    options = _options(arguments)
    vocabulary = options.vocabulary.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    differing = 0
    for lowercase in (True, False):
        ours = WordPieceTokenizer(vocabulary, lowercase=lowercase, max_tokens=MOST_TOKENS)
        theirs = of_hugging_face(vocabulary, lowercase=lowercase)
        for source in options.sources:
            texts = _texts(source, options.text_column)
            found = list(_differences(texts, ours, theirs))
            differing += len(found)
            case = "lower-cased" if lowercase else "cased"
            print(f"{source}, {case}: {len(found):,} of {len(texts):,} texts differ")
            for text, mine, other in found[: options.shown]:
                print(f"  {text!r}\n    ours          {mine}\n    Hugging Face  {other}")
    return int(differing > 0)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("vocabulary", type=Path, help="vocab.txt of a BERT")
    parser.add_argument("sources", nargs="+", help="TSV files, also .gz")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--shown", type=int, default=3, help="most differing texts that are printed for each file")
    return parser.parse_args(arguments)


def of_hugging_face(vocabulary: Sequence[str], *, lowercase: bool) -> tokenizers.Tokenizer:
    """Return the tokenizer that `transformers` makes of a vocabulary, but that a `[SEP]` in a text is text."""
    ids = {piece: place for place, piece in enumerate(vocabulary)}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    return made


def _texts(source: str, text_column: str) -> list[str]:
    return list(iter_texts(source, text_column=text_column))


def _differences(
    texts: Sequence[str], ours: WordPieceTokenizer, theirs: tokenizers.Tokenizer
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each text that gets other ids, with the pieces from the first that differs on of both."""
    for start in range(0, len(texts), BATCH):
        batch = list(texts[start : start + BATCH])
        others = [encoding.ids for encoding in theirs.encode_batch(batch)]
        for text, mine, other in zip(batch, ours.ragged(batch).to_list(), others, strict=True):
            if mine != other:
                pairs = itertools.zip_longest(mine, other)
                first = next(place for place, (one, another) in enumerate(pairs) if one != another)
                shown = slice(first, first + MOST_PIECES)
                yield (
                    text,
                    [ours.vocabulary[token] for token in mine[shown]],
                    [ours.vocabulary[token] for token in other[shown]],
                )


if __name__ == "__main__":
    sys.exit(main())
