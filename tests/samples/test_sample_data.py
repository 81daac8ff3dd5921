"""What the sample data promises: size, variety, and a difficulty between trivial and noise."""

import csv
import itertools
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import textclf.samples

FOLDER = Path(textclf.samples.__file__).parent


def rows_of(split: str) -> list[dict[str, str]]:
    with (FOLDER / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, str]]]:
    return {split: rows_of(split) for split in ("train", "dev", "test")}


def test_every_split_has_every_intent_in_every_language(rows):
    assert sum(map(len, rows.values())) >= 800
    for split in rows.values():
        kinds = Counter((row["label"], row["language"]) for row in split)
        assert len(kinds) == 8 * 3, kinds
        assert {row["language"] for row in split} == {"en", "zh", "mixed"}


def test_no_two_rows_share_more_than_sixty_percent_of_their_character_five_grams(rows):
    texts = [unicodedata.normalize("NFKC", row["text"]).casefold() for split in rows.values() for row in split]
    grams = [{text[start : start + 5] for start in range(max(1, len(text) - 4))} for text in texts]
    holders = defaultdict(list)
    for index, text_grams in enumerate(grams):
        for gram in text_grams:
            holders[gram].append(index)
    shared = Counter(pair for indices in holders.values() for pair in itertools.combinations(indices, 2))
    too_close = [
        (texts[first], texts[second])
        for (first, second), count in shared.items()
        if count > 0.6 * min(len(grams[first]), len(grams[second]))
    ]
    assert not too_close


@pytest.mark.parametrize("analyzer, longest", [("char_wb", 3), ("char", 4)])
def test_a_linear_model_finds_it_neither_trivial_nor_noise(rows, analyzer, longest):
    vectorizer = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, longest), sublinear_tf=True)
    features = vectorizer.fit_transform([row["text"] for row in rows["train"]])
    model = LogisticRegression(C=30, max_iter=1000).fit(features, [row["label"] for row in rows["train"]])
    test = vectorizer.transform([row["text"] for row in rows["test"]])
    assert 0.70 <= model.score(test, [row["label"] for row in rows["test"]]) <= 0.92
