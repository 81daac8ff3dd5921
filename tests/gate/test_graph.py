"""The table of what servers know, against the TensorFlow that is installed, and the words of a refusal."""

from typing import Any

import pytest
import tensorflow_text  # noqa: F401
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.python.framework import op_def_registry

from textclf.gate.graph import REFUSED, check_graph, graph_facts, known_ops


def graph_of(*ops: str) -> Any:
    meta_graph = MetaGraphDef()
    for number, op in enumerate(ops):
        meta_graph.graph_def.node.add(name=f"n{number}", op=op)
    return meta_graph


def test_the_table_knows_what_the_installed_version_knows() -> None:
    for name in ("FastBertNormalize", "FastWordpieceTokenizeWithOffsets", "CaseFoldUTF8", "NormalizeUTF8", "MatMul"):
        assert op_def_registry.get(name) is not None
        assert known_ops()[name].since == "2.12"
    assert known_ops()["NormalizeUTF8"].library == "tensorflow-text"
    assert known_ops()["HashTableV2"].library == "tensorflow"
    # TensorFlow Serving before 2.20 links tensorflow-text 2.12.1 (tensorflow/serving#2267).
    assert known_ops()["TFText>RoundRobinTrim"].since == "2.20"
    gone = [name for name in known_ops() if op_def_registry.get(name) is None]
    assert len(gone) < len(known_ops()) / 20


def test_which_server_a_graph_needs_and_for_what() -> None:
    facts = graph_facts(graph_of("MatMul", "TFText>RoundRobinTrim", "MatMul"))
    assert (facts.needs_server, facts.needs_for) == ("2.20", ["TFText>RoundRobinTrim"])
    assert (facts.nodes, facts.ops) == (3, ["MatMul", "TFText>RoundRobinTrim"])
    assert graph_facts(graph_of("MatMul")).needs_server == "2.12"


@pytest.mark.parametrize("op", ["PyFunc", "PyFuncStateless", "EagerPyFunc", "XlaLaunch", "XlaSharding", "_XlaRun",
                                "MutableHashTableV2", "MutableHashTableOfTensors", "MutableDenseHashTableV2",
                                "AnonymousMutableHashTable"])  # fmt: skip
def test_what_no_server_should_run(op: str) -> None:
    (problem,) = check_graph(graph_of("MatMul", op, op))
    assert problem.startswith(f"The op '{op}' ") and problem.endswith(": node 'n1' and 1 more.")
    assert any(reason in problem for reason in REFUSED.values())


def test_functions_are_no_ops_but_what_is_in_them_counts() -> None:
    meta_graph = graph_of("my_function", "theirs")
    function = meta_graph.graph_def.library.function.add()
    function.signature.name = "my_function"
    function.node_def.add(name="deep", op="PyFunc")
    python, theirs = check_graph(meta_graph)
    assert python.endswith(": node 'deep' of the function 'my_function'.")
    assert theirs.startswith(
        "The op 'theirs' is neither TensorFlow's nor tensorflow-text's in TensorFlow Serving 2.12 to"
    )
    facts = graph_facts(meta_graph)
    assert (facts.nodes, facts.function_nodes, facts.functions) == (2, 1, 1)


def test_a_call_that_must_be_compiled() -> None:
    meta_graph = graph_of("PartitionedCall")
    node = meta_graph.graph_def.node[0]
    node.attr["f"].func.name = "inner"
    node.attr["_XlaMustCompile"].b = False
    assert check_graph(meta_graph) == []
    node.attr["_XlaMustCompile"].b = True
    (problem,) = check_graph(meta_graph)
    assert problem.startswith("'inner' must be compiled by XLA (jit_compile=True)")
