"""From sources to splits: read, check, cut. Nothing here imports TensorFlow, but for `tfds:` sources.

The way in is `load_corpus`; `iter_texts` and `iter_pairs` read what has no labels, `check` looks at a
data set before it is learnt from, and `guess` finds out how a file is written.
"""

from textclf.data.check import check
from textclf.data.corpus import Corpus, load_corpus, load_split
from textclf.data.examples import BadRow, Example, Split
from textclf.data.findings import DataCheck
from textclf.data.guess import Guess, guess
from textclf.data.readers import format_of, read
from textclf.data.splitting import read_folds, stratified_cut
from textclf.data.texts import iter_pairs, iter_texts

__all__ = [
    "BadRow",
    "Corpus",
    "DataCheck",
    "Example",
    "Guess",
    "Split",
    "check",
    "format_of",
    "guess",
    "iter_pairs",
    "iter_texts",
    "load_corpus",
    "load_split",
    "read",
    "read_folds",
    "stratified_cut",
]
