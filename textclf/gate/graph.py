"""What a graph holds, read without running it: which ops, for which servers, and what no server should run."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_PYTHON = "calls Python, which TensorFlow Serving does not have"
_XLA = "is compiled by XLA, which TensorFlow Serving does not run"
_GROWS = "keeps a table that grows with what it is asked"
REFUSED = {
    "PyFunc": _PYTHON,
    "PyFuncStateless": _PYTHON,
    "EagerPyFunc": _PYTHON,
    "Xla": _XLA,
    "_Xla": _XLA,
    "MutableHashTable": _GROWS,
    "MutableDenseHashTable": _GROWS,
    "AnonymousMutableHashTable": _GROWS,
    "AnonymousMutableDenseHashTable": _GROWS,
}
"""How the names of ops begin that a server lacks or must not run, and why. All else in the table it may run."""

MUST_COMPILE = "_XlaMustCompile"


@dataclass(frozen=True)
class Op:
    """An op as servers know it.

    Attributes:
        library: `tensorflow` or `tensorflow-text`.
        since: The first version of TensorFlow Serving that has it, of those in the table.
    """

    library: str
    since: str


@dataclass(frozen=True)
class GraphFacts:
    """What is in a graph.

    Attributes:
        nodes: Nodes of the graph itself.
        function_nodes: Nodes of the functions in its library.
        functions: Functions in its library.
        ops: The different ops, without the functions that are called as one.
        written_by: The version of TensorFlow that wrote it.
        producer: Its `versions.producer`.
        min_consumer: Its `versions.min_consumer`.
        needs_server: The first version of TensorFlow Serving that knows all of it.
        needs_for: The ops that no older one has; empty if all in the table have all.
    """

    nodes: int
    function_nodes: int
    functions: int
    ops: list[str]
    written_by: str
    producer: int
    min_consumer: int
    needs_server: str
    needs_for: list[str]


@cache
def known_ops() -> dict[str, Op]:
    """Return the ops that TensorFlow Serving knows, by name; `tools/server_ops.py` writes the table.

    Example:
        >>> known_ops()["FastBertNormalize"]
        Op(library='tensorflow-text', since='2.12')
    """
    lines = files("textclf.gate").joinpath("server_ops.tsv").read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines[1:])
    return {name: Op(library, since) for name, library, since in rows}


def graph_facts(meta_graph: Any) -> GraphFacts:
    """Return what is in the graph of a `MetaGraphDef`."""
    graph = meta_graph.graph_def
    called = {function.signature.name for function in graph.library.function}
    ops = sorted({node.op for node in _nodes(graph)} - called)
    oldest, table = _versions()[0], known_ops()
    later = {op: table[op].since for op in ops if op in table and table[op].since != oldest}
    return GraphFacts(
        nodes=len(graph.node),
        function_nodes=sum(len(function.node_def) for function in graph.library.function),
        functions=len(called),
        ops=ops,
        written_by=meta_graph.meta_info_def.tensorflow_version,
        producer=graph.versions.producer,
        min_consumer=graph.versions.min_consumer,
        needs_server=max([oldest, *later.values()], key=_numbers),
        needs_for=sorted(later),
    )


def check_graph(meta_graph: Any) -> list[str]:
    """Return what in the graph of a `MetaGraphDef` no server should be given; a sentence each, empty if nothing."""
    graph = meta_graph.graph_def
    called = {function.signature.name for function in graph.library.function}
    compiled = {function.signature.name for function in graph.library.function if function.attr[MUST_COMPILE].b}
    compiled |= {node.attr["f"].func.name or node.name for node in _nodes(graph) if node.attr[MUST_COMPILE].b}
    problems = [
        f"'{name}' must be compiled by XLA (jit_compile=True), which TensorFlow Serving does not do. Export it without."
        for name in sorted(compiled)
    ]
    refused = {op: reason for op in _ops(graph) - called if (reason := _refusal(op))}
    for op, reason in sorted(refused.items()):
        problems.append(f"The op '{op}' {reason}: {_where(graph, op)}.")
    for op in sorted(_ops(graph) - called - refused.keys() - known_ops().keys()):
        problems.append(
            f"The op '{op}' is neither TensorFlow's nor tensorflow-text's in TensorFlow Serving {_versions()[0]} to "
            f"{_versions()[-1]}: {_where(graph, op)}."
        )
    return problems


def _refusal(op: str) -> str:
    """Return why an op may not be in a served graph; an empty string if it may."""
    return next((reason for beginning, reason in REFUSED.items() if op.startswith(beginning)), "")


def _nodes(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph and of the functions in its library."""
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _ops(graph: Any) -> set[str]:
    return {node.op for node in _nodes(graph)}


def _where(graph: Any, op: str) -> str:
    """Return where an op stands."""
    places = [f"node '{node.name}'" for node in graph.node if node.op == op]
    for function in graph.library.function:
        names = [node.name for node in function.node_def if node.op == op]
        places += [f"node '{name}' of the function '{function.signature.name}'" for name in names]
    return places[0] + (f" and {len(places) - 1} more" if len(places) > 1 else "")


@cache
def _versions() -> list[str]:
    """Return the versions of the server that the table knows, ascending."""
    return sorted({op.since for op in known_ops().values()}, key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
