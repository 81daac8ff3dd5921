"""Measure accuracy on the benchmark sets: `tools/recipes/` over a folder of data, into docs/results.json and .md.

    python tools/accuracy.py --data DATA                       every recipe, seeds 1 2 3
    python tools/accuracy.py --data DATA --only 'trec6-*'      recipes whose name fits a pattern
    python tools/accuracy.py --write-only                      the tables again, from what was measured

DATA holds a folder a set (`trec6/train.tsv.gz`, …); a recipe's paths start there. Each training runs in a process of
its own, one after the other, so that seconds and memory are its own, and leaves one line in docs/results.raw.jsonl;
what stands there with the same resolved config is not run again. Nothing is chosen on test data: recipes were compared
by their accuracy on dev.
"""

import argparse
import fnmatch
import hashlib
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from textclf.config import Config, load_config
from textclf.config.files import override
from textclf.config.run import MAY_CHANGE

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "tools" / "recipes"
MEASURED = ROOT / "docs" / "results.raw.jsonl"
FOLDS = 10


def main() -> None:
    """Run what is missing, then write the tables."""
    options = _options()
    if options.one is not None:
        print(json.dumps(measure(*_recipe(options.one, options.data), seed=options.seeds[0])))
        return
    if not options.write_only:
        for name in sorted(path.stem for path in RECIPES.glob("*.yaml")):
            if not options.only or any(fnmatch.fnmatchcase(name, pattern) for pattern in options.only):
                for seed in options.seeds:
                    _run_in_process(name, options.data, seed)
    from results_table import write_results

    write_results(current_records(), ROOT / "docs")


def measure(name: str, values: dict[str, Any], seed: int) -> dict[str, Any]:
    """Train a recipe with one seed, over all folds if it has folds and names none, and return its record."""
    from textclf.runs.train import train

    commit = _commit()  # of the code that is loaded now, not of what stands there when the training is over
    one = [values["data"].get("fold", 0)]
    folds = range(FOLDS) if values["data"].get("folds") and "fold" not in values["data"] else one
    runs = []
    for fold in folds:
        config = Config.make(override(values, [f"seed={seed}", f"data.fold={fold}"]))
        run = train(config, ROOT / "runs" / "accuracy" / name, force=True, report=False)
        runs.append(run.results)
    return {
        "recipe": name,
        "seed": seed,
        "config": fingerprint(name),
        "commit": commit,
        "accuracy": [results["scores"]["test"]["accuracy"] for results in runs],
        "macro_f1": [results["scores"]["test"]["macro"]["f1"] for results in runs],
        "dev_accuracy": [results["scores"]["dev"]["accuracy"] for results in runs],
        "seconds": [results["seconds"] for results in runs],
        "texts_per_second": [_median_speed(results["history"]) for results in runs],
        "peak_mb": max(results["peak_mb"] for results in runs),
        "parameters": runs[0]["parameters"],
    }


def _median_speed(history: list[dict[str, Any]]) -> float | None:
    """Return the training's texts per second; None for a model that is not learnt in steps."""
    return statistics.median(record["examples_per_second"] for record in history) if history else None


def fingerprint(name: str) -> str:
    """Return a hash of a recipe's resolved config, so that a figure does not outlive the recipe.

    What is off does not count, so that a new option leaves old figures alone; nor do defaults of the data section,
    because a new way to read files changes no figure, nor what a training is computed on and when it is written down.
    The code is not in it: a record names its commit, and who changes what a training computes removes the records
    before it.
    """
    values = {key: value for key, value in _values(name).items() if key not in MAY_CHANGE}
    return hashlib.sha256(json.dumps(_without_off(values), sort_keys=True).encode()).hexdigest()[:16]


def _values(name: str) -> dict[str, Any]:
    """Return a recipe's resolved config, of its data what it says itself: it matters whether it names a fold."""
    config = load_config(RECIPES / f"{name}.yaml")
    return config.model_dump(mode="json") | {"data": config.data.model_dump(mode="json", exclude_unset=True)}


def _without_off(values: dict[str, Any]) -> dict[str, Any]:
    """Return a config without the options that are zero, false or none."""
    inner = {key: _without_off(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {key: value for key, value in inner.items() if value}


def _commit() -> str | None:
    """Return the commit that is measured, with a `+` if the code differs from it; None outside of git."""
    try:
        commit, changes = (
            subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "--short=10", "HEAD"], ["status", "--porcelain", "--", "textclf", "tools"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changes else "")


def _recipe(name: str, data: Path) -> tuple[str, dict[str, Any]]:
    """Return a recipe's name and values with its paths under `data`."""
    values = _values(name)
    for section, field in (
        ("data", "train"),
        ("data", "dev"),
        ("data", "test"),
        ("data", "folds"),
        ("model", "vectors"),
    ):
        path = values[section].get(field)
        if isinstance(path, str):
            values[section][field] = str(data / path)
    return name, values


def _run_in_process(name: str, data: Path, seed: int) -> None:
    config = fingerprint(name)
    if any((record["recipe"], record["seed"], record["config"]) == (name, seed, config) for record in _measured()):
        return
    command = [sys.executable, __file__, "--data", str(data), "--one", name, "--seeds", str(seed)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{name} with seed {seed} failed:\n{result.stderr[-4000:]}")
    record = json.loads(result.stdout.splitlines()[-1])
    with MEASURED.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    accuracy = sum(record["accuracy"]) / len(record["accuracy"])
    print(f"{name:40} seed {seed}  accuracy {accuracy:.4f}  {sum(record['seconds']):.0f} s", flush=True)


def current_records() -> list[dict[str, Any]]:
    """Return the records of the recipes as they are now."""
    return [record for record in _measured() if record["config"] == fingerprint(record["recipe"])]


def _measured() -> list[dict[str, Any]]:
    if not MEASURED.is_file():
        return []
    return [json.loads(line) for line in MEASURED.read_text(encoding="utf-8").splitlines()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the benchmark sets")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="recipes whose name fits one")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--write-only", action="store_true", help="write the tables from what was measured")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
