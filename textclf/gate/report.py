"""What the load gate found and measured, for a terminal and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from textclf.gate.graph import GraphFacts

_MEGA = 1e6


@dataclass
class Report:
    """What the load gate says of a version.

    Attributes:
        path: The version's folder.
        findings: Why it is refused, a sentence each; empty if it is accepted.
        skipped: Why it was not loaded; empty if it was.
        graph: What the graph holds; None if it could not be read.
        signatures: The names of its signatures.
        requests: How many requests of each kind were asked.
        measured: `library`, the version of TensorFlow that loaded it; `load_seconds`; `first_answer_seconds` in a
            process that has loaded it and nothing else, and `first_answer_warm_seconds` after the warm-up records;
            `resident_libraries_bytes`, `resident_loaded_bytes` and `resident_asked_bytes`, the memory of the process
            with TensorFlow alone, after the load, and after all requests.
        files: The size of each file in bytes, by its relative path.
    """

    path: Path
    findings: list[str] = field(default_factory=list)
    skipped: str = ""
    graph: GraphFacts | None = None
    signatures: list[str] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether nothing speaks against serving it."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {
            "path": str(self.path),
            "accepted": self.accepted,
            "findings": self.findings,
            "load_skipped": self.skipped,
            "graph": asdict(self.graph) if self.graph else None,
            "signatures": self.signatures,
            "requests": self.requests,
            "measured": self.measured,
            "files": self.files,
        }

    def to_text(self) -> str:
        """Return all of it for a terminal."""
        rows = {
            "graph": self._graph_line(),
            "server": self._server_line(),
            "signatures": ", ".join(self.signatures),
            "requests": ", ".join(f"{count} {kind}" for kind, count in self.requests.items()),
            "load": self._load_line(),
            "first answer": self._first_line(),
            "memory": self._memory_line(),
            "files": self._files_line(),
        }
        lines = [f"{self.path}: {'accepted' if self.accepted else 'REFUSED'}"]
        lines += [f"  {name:<13} {line}" for name, line in rows.items() if line]
        if self.findings:
            lines += ["", f"{len(self.findings)} finding{'s' if len(self.findings) > 1 else ''}:"]
            lines += [f"  - {finding}" for finding in self.findings]
        return "\n".join(lines)

    def _graph_line(self) -> str:
        graph = self.graph
        if graph is None:
            return ""
        return (
            f"{graph.nodes:,} nodes and {graph.function_nodes:,} in {graph.functions} functions, {len(graph.ops)} ops; "
            f"written by TensorFlow {graph.written_by} (producer {graph.producer}, min_consumer {graph.min_consumer})"
        )

    def _server_line(self) -> str:
        if self.graph is None:
            return ""
        why = f", for {', '.join(self.graph.needs_for)}" if self.graph.needs_for else ""
        return f"its ops are in TensorFlow Serving {self.graph.needs_server} and later{why}"

    def _load_line(self) -> str:
        if self.skipped:
            return f"skipped: {self.skipped}"
        seconds = self.measured.get("load_seconds")
        return f"{seconds:.2f} s in TensorFlow {self.measured['library']} without Python" if seconds is not None else ""

    def _first_line(self) -> str:
        times = {
            "without warm-up": self.measured.get("first_answer_seconds"),
            "after it": self.measured.get("first_answer_warm_seconds"),
        }
        return ", ".join(f"{1000 * seconds:,.1f} ms {when}" for when, seconds in times.items() if seconds is not None)

    def _memory_line(self) -> str:
        parts = {
            "of TensorFlow alone": self.measured.get("resident_libraries_bytes"),
            "loaded": self.measured.get("resident_loaded_bytes"),
            "after all requests": self.measured.get("resident_asked_bytes"),
        }
        return ", ".join(f"{size / _MEGA:,.0f} MB {when}" for when, size in parts.items() if size)

    def _files_line(self) -> str:
        return (
            f"{_megabytes(sum(self.files.values()))} in {len(self.files)}: {_largest(self.files)}" if self.files else ""
        )


def _largest(files: Mapping[str, int], most: int = 3) -> str:
    largest = sorted(files, key=lambda name: (-files[name], name))
    shown = ", ".join(f"{name} {_megabytes(files[name])}" for name in largest[:most])
    return shown + (", …" if len(largest) > most else "")


def _megabytes(size: int) -> str:
    return f"{size / _MEGA:,.2f} MB"
