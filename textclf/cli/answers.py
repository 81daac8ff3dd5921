"""How commands write what a classifier says of texts."""

import json
from collections.abc import Iterator, Sequence
from typing import IO, Any

NAMES = ("text", "text_pair")
"""What the texts of a row are called in the answers."""


def encodable(text: str) -> str:
    """Return a text with U+FFFD for what no encoding takes: bytes of an argument, and half a surrogate pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def write_tsv(
    file: IO[str], rows: Iterator[tuple[tuple[str, ...], Any]], names: Sequence[str], labels: list[str]
) -> None:
    """Write rows of texts and their predictions as TSV, with a line of names and the scores of these labels."""
    file.write("\t".join(["label", "score", *map(one_line, labels), *names]) + "\n")
    for texts, prediction in rows:
        scores = [f"{score:.6f}" for score in (prediction.score, *(prediction.scores[label] for label in labels))]
        file.write("\t".join([one_line(prediction.label), *scores, *map(one_line, texts)]) + "\n")


def write_jsonl(
    file: IO[str], rows: Iterator[tuple[tuple[str, ...], Any]], names: Sequence[str], labels: list[str] | None
) -> None:
    """Write rows of texts and their predictions as JSON lines, with the scores of these labels, or all there are."""
    for texts, prediction in rows:
        record: dict[str, Any] = dict(zip(names, texts, strict=True))
        record |= {"label": prediction.label, "score": round(prediction.score, 6)}
        shown = prediction.scores if labels is None else labels
        if shown:
            record["scores"] = {label: round(prediction.scores[label], 6) for label in shown}
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def one_line(text: str) -> str:
    """Return a text without tabs and line breaks, which TSV cannot hold."""
    return " ".join(text.split())
