"""docs/results.json and docs/results.md from what `tools/accuracy.py` measured."""

import json
import statistics
from pathlib import Path
from typing import Any

_NOTES = "## Notes"
_SEEDS = 3
_HEAD = """# Results

Accuracy and macro-F1 on the test split, mean ± standard deviation over seeds 1, 2 and 3, or over as many as a row names
(`mr`: of the means over its 10 folds). `dev` picks the epoch, and recipes were compared by their accuracy on it, never
on test. Where a set has no dev split, a tenth of its training rows, cut by label and seed, is held out for that. The
recipe of `mr` was chosen on dev of fold 0, whose rows are test rows of other folds: cross-validation has no rows to
spare.

Each row is a recipe in `tools/recipes/`. Its command, with DATA a folder that holds a folder a set:

    python tools/accuracy.py --data DATA --only RECIPE

Seconds and peak memory are of one training from reading the files to the scores, texts a second of its steps alone
(where it was noted), on one core of a shared x86-64 machine with two, each in a process of its own (`mr`: all folds in
one, and seconds of one fold); expect half of it on a quiet one with more. The linear rows are the same command with
`model: linear`: TF-IDF of token n-grams and logistic regression on the same rows and tokens.

`bert` rows start from `minilm`, all-MiniLM-L6-v2, from the same with a `frozen` encoder, or from `scratch`. `mr` with
`minilm` is fold 0 of the ten alone, three times.

"""

# What a row should reach, in % accuracy, and whose figure it is.
TARGETS: dict[str, tuple[float, str]] = {
    "mr-textcnn": (76.1, "Kim 2014, CNN-rand"),
    "trec6-textcnn": (91.2, "Kim 2014, CNN-rand"),
    "sst2-textcnn": (82.7, "Kim 2014, CNN-rand, on phrases"),
    "banking77-textcnn": (90.5, "ours; linear SVM 87.3"),
    "r52-textcnn": (93.1, "linear SVM; TextGCN's CNN-rand 85.4"),
    "thucnews_title10-textcnn": (90.6, "linear SVM"),
    "thucnews_title10-textcnn_non-static": (91.2, "649453932, on all 180,000"),
    "chnsenticorp-textcnn_non-static": (91.3, "fastText; linear SVM 92.7"),
    "mr-bert_minilm": (83.0, "ours; fold 0 alone"),
    "trec6-bert_minilm": (96.4, "ULMFiT"),
    "sst2-bert_minilm": (91.0, "ours, on phrases; base 93.5"),
    "banking77-bert_minilm": (92.5, "ours; base about 93"),
    "r52-bert_minilm": (95.5, "ours; base 96.4"),
}


def write_results(measured: list[dict[str, Any]], folder: Path) -> None:
    """Write both files.

    Args:
        measured: A record a training, as `accuracy.measure` gives them.
        folder: Where `results.json` and `results.md` go.
    """
    by_recipe: dict[str, list[dict[str, Any]]] = {}
    for record in measured:
        by_recipe.setdefault(record["recipe"], []).append(record)
    rows = [_row(recipe, records) for recipe, records in sorted(by_recipe.items())]
    (folder / "results.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    page = _HEAD + _table(rows) + _notes(folder)
    (folder / "results.md").write_text(page, encoding="utf-8")


def _row(recipe: str, records: list[dict[str, Any]]) -> dict[str, Any]:
    set_name, _, rest = recipe.partition("-")
    model, _, variant = rest.partition("_")
    accuracies = [100 * statistics.mean(record["accuracy"]) for record in records]
    folds = [100 * value for record in records for value in record["accuracy"]]
    target, source = TARGETS.get(recipe, (None, ""))
    return {
        "recipe": recipe,
        "set": set_name,
        "model": model,
        "variant": variant or ("random" if model == "textcnn" else ""),
        "metric": "accuracy",
        "mean": round(statistics.mean(accuracies), 2),
        "sd": round(statistics.stdev(accuracies), 2) if len(accuracies) > 1 else None,
        "sd_over_folds": round(statistics.stdev(folds), 2) if len(records[0]["accuracy"]) > 1 else None,
        "seeds": [record["seed"] for record in records],
        "macro_f1": round(100 * statistics.mean(statistics.mean(record["macro_f1"]) for record in records), 2),
        "dev_accuracy": round(100 * statistics.mean(statistics.mean(record["dev_accuracy"]) for record in records), 2),
        "seconds": round(statistics.mean(statistics.mean(record["seconds"]) for record in records), 1),
        "texts_per_second": _mean_speed(records),
        "peak_mb": max(record["peak_mb"] for record in records),
        "parameters": records[0]["parameters"],
        "target": target,
        "target_source": source,
        "command": f"python tools/accuracy.py --data DATA --only {recipe}",
    }


def _mean_speed(records: list[dict[str, Any]]) -> float | None:
    """Return the mean speed of the trainings whose records say it."""
    speeds = [speed for record in records for speed in record.get("texts_per_second", []) if speed is not None]
    return round(statistics.mean(speeds), 1) if speeds else None


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| set | model | variant | accuracy % | macro-F1 % | to reach | | s a run | texts/s | peak MB | parameters |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        verdict = "" if row["target"] is None else "reached" if row["mean"] >= row["target"] else "**missed**"
        target = "" if row["target"] is None else f"{row['target']} ({row['target_source']})"
        speed = "" if row["texts_per_second"] is None else f"{row['texts_per_second']:,.0f}"
        sd = "" if row["sd"] is None else f" ± {row['sd']:.2f}"
        if len(row["seeds"]) < _SEEDS:
            sd += f" (seed{'s' * (len(row['seeds']) > 1)} {', '.join(map(str, row['seeds']))})"
        lines.append(
            f"| {row['set']} | {row['model']} | {row['variant']} | {row['mean']:.2f}{sd} | {row['macro_f1']:.2f} "
            f"| {target} | {verdict} | {row['seconds']:.0f} | {speed} | {row['peak_mb']:,} | {row['parameters']:,} |"
        )
    return "\n".join(lines) + "\n"


def _notes(folder: Path) -> str:
    """Return what people wrote below the table; it stays when the table is written again."""
    page = folder / "results.md"
    _, mark, notes = page.read_text(encoding="utf-8").partition(_NOTES) if page.is_file() else ("", "", "")
    return f"\n{_NOTES}{notes}" if mark else f"\n{_NOTES}\n"
