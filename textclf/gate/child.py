"""The process in which a SavedModel is loaded and asked: `python -m textclf.gate.child PLAN`.

It stands for TensorFlow Serving: TensorFlow's C API, the op libraries of tensorflow-text, and nothing of TensorFlow's
Python. It says on standard output, a line of JSON each, what it begins and what came of it, so that whoever started it
knows what it died of.

The plan is a JSON file: `{"path": …, "requests": [{"feeds": {tensor: TENSOR}, "fetches": [tensor, …]}, …]}`, a TENSOR
as in golden.json.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textclf.errors import ExportError
from textclf.gate.session import Session
from textclf.gate.tensorflow_c import TensorFlow, TensorFlowError, text_libraries
from textclf.savedmodel.golden import decode_tensor, encode_tensor

LIBRARIES, LOAD = "libraries", "load"
"""What is done before the requests, which are numbered."""


def main(plan_file: str) -> None:
    """Do what the plan says; the exit code is 0 whatever the graph answers."""
    plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
    say = _speaker()

    def libraries() -> tuple[TensorFlow, dict[str, Any]]:
        tensorflow = TensorFlow()
        for library in text_libraries():
            tensorflow.load_ops(library)
        return tensorflow, {"version": tensorflow.version}

    tensorflow = _step(say, LIBRARIES, libraries)
    if tensorflow is None:
        return
    session = _step(say, LOAD, lambda: (Session(tensorflow, plan["path"]), {}))
    if session is None:
        return
    for number, request in enumerate(plan["requests"]):
        feeds = {name: decode_tensor(value) for name, value in request["feeds"].items()}
        fetches = request["fetches"]

        def ask(feeds: Any = feeds, fetches: Any = fetches) -> tuple[bool, dict[str, Any]]:
            answers = dict(zip(fetches, session.run(feeds, fetches), strict=True))
            return True, {"answers": answers}

        _step(say, number, ask)


def _step(say: Callable[..., None], name: str | int, work: Callable[[], tuple[Any, dict[str, Any]]]) -> Any:
    """Do a step and say how it ended; None if it failed."""
    say(begin=name)
    start = time.perf_counter()
    try:
        result, facts = work()
    except (TensorFlowError, ExportError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")  # the lines after it say where in the graph
        say(end=name, error=reason)
        return None
    seconds = time.perf_counter() - start
    if "answers" in facts:
        try:
            facts = {"answers": {key: encode_tensor(value) for key, value in facts["answers"].items()}}
        except TypeError as error:  # a dtype that a server answers with, and JSON has no word for here
            say(end=name, error=str(error), code=None)
            return None
    say(end=name, seconds=seconds, resident_bytes=_resident_bytes(), **facts)
    return result


def _speaker() -> Callable[..., None]:
    """Return a function that writes a line to standard output as it was; what libraries write there goes to stderr."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)

    def say(**message: Any) -> None:
        lines.write(json.dumps(message) + "\n")
        lines.flush()

    return say


def _resident_bytes() -> int | None:
    """Return how much memory this process holds; None where /proc does not say."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


if __name__ == "__main__":
    main(sys.argv[1])
