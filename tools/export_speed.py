"""Measure exports beside each other: megabytes, seconds to load and to the first answer, texts per second.

    python tools/export_speed.py saved_models/quickstart saved_models/quickstart-bert

Each is asked for the sample data's test texts, one at a time and in batches of 64, as a server
gets them. They take turns in one process, so that whatever else the machine does meets all; who begins alternates. The
first round traces and warms up and does not count. Speeds are medians over the rounds, with the range behind.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import textclf
from textclf.config import DataConfig
from textclf.data import Example, read

WAYS = {"one at a time": 1, "batches of 64": 64}
MOST_ALONE = 100
"""Texts that are asked for one at a time, so that a round takes seconds."""


def main() -> None:
    """Measure, then print a table."""
    options = _options()
    source = options.source or "sample:test"
    config = DataConfig(train=source)
    texts = [row.text for row in read(source, config) if isinstance(row, Example)]
    print(
        f"{len(texts):,} texts of {sum(map(len, texts)) / len(texts):.0f} characters on average; {os.cpu_count()} cores"
    )
    loaded = {path: _load(path, texts[0]) for path in options.exports}
    speeds: dict[tuple[str, str], list[float]] = {(path, way): [] for path in loaded for way in WAYS}
    for number in range(options.repeats + 1):
        for path in list(loaded)[:: -1 if number % 2 else 1]:
            for way, size in WAYS.items():
                asked = texts[:MOST_ALONE] if size == 1 else texts
                started = time.perf_counter()
                loaded[path].predict(asked, batch_size=size)
                if number:
                    speeds[path, way].append(len(asked) / (time.perf_counter() - started))
    for (path, way), values in speeds.items():
        print(
            f"{path:40} {way:14} {statistics.median(values):>8,.0f} texts/s  ({min(values):,.0f} to {max(values):,.0f})"
        )


def _load(path: str, text: str) -> textclf.Classifier:
    """Load an export, and print its size and how long it took to load and to answer for the first time."""
    started = time.perf_counter()
    classifier = textclf.load(path)
    seconds = time.perf_counter() - started
    classifier.predict([text])
    first = time.perf_counter() - started - seconds
    megabytes = sum(file.stat().st_size for file in Path(classifier.path).rglob("*") if file.is_file()) / 1e6
    print(f"{path:40} {megabytes:,.1f} MB, loaded in {seconds:.1f} s, first answer after another {first:.2f} s")
    return classifier


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("exports", nargs="+", help="folders of exports")
    parser.add_argument("--source", help="labelled texts, with columns text and label; the sample data if not given")
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
