"""Measure what exports weigh and take to load, as `textclf verify` sees them: the table of exports in docs/results.md.

    python tools/export_facts.py saved_models/quickstart saved_models/quickstart-bert

Each is verified three times, one after the other, and turns are taken; times and memory are medians.
"""

import argparse
import statistics
import sys

from textclf.gate.report import Report
from textclf.gate.verify import verify

ROUNDS = 3
COLUMNS = (
    "export",
    "files, MB",
    "nodes",
    "load, s",
    "first answer, ms",
    "the same warmed up, ms",
    "memory to load, MB",
    "to answer all requests, MB",
)


def main() -> None:
    """Measure, then print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("exports", nargs="+", help="Versions, or models for their newest versions.")
    paths = parser.parse_args().exports
    reports: dict[str, list[Report]] = {path: [] for path in paths}
    for _ in range(ROUNDS):
        for path in paths:
            reports[path].append(verify(path))
    refused = [path for path, found in reports.items() if not all(report.accepted for report in found)]
    if refused:
        sys.exit(f"The load gate refuses {', '.join(refused)}: see `textclf verify`.")
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"|---{'|---:' * (len(COLUMNS) - 1)}|")
    for path, found in reports.items():
        print(f"| {path} | {' | '.join(_cells(found))} |")


def _cells(found: list[Report]) -> list[str]:
    graph, files = found[0].graph, found[0].files
    nodes = graph.nodes + graph.function_nodes if graph else 0

    def median(name: str) -> float:
        return statistics.median(report.measured[name] for report in found)

    libraries = median("resident_libraries_bytes")
    return [
        f"{sum(files.values()) / 1e6:.1f}",
        f"{nodes:,}",
        f"{median('load_seconds'):.2f}",
        f"{1000 * median('first_answer_seconds'):,.0f}",
        f"{1000 * median('first_answer_warm_seconds'):,.1f}",
        f"{(median('resident_loaded_bytes') - libraries) / 1e6:,.0f}",
        f"{(median('resident_asked_bytes') - libraries) / 1e6:,.0f}",
    ]


if __name__ == "__main__":
    main()
