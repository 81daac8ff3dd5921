"""The child process from outside: started, listened to, ended when it hangs, and started again after it died."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray
from tqdm.auto import tqdm

import textclf
from textclf.gate.child import LIBRARIES, LOAD
from textclf.savedmodel.golden import decode_tensor, encode_tensor
from textclf.startup import LOG_LEVEL

LOAD_SECONDS, REQUEST_SECONDS = 600.0, 60.0
"""How long a load and a request may take."""
MOST_RESTARTS = 8
"""After how many requests that killed the process the rest is left unasked."""


@dataclass(frozen=True)
class Question:
    """What is fed to the graph and fetched from it, by the names of its tensors."""

    feeds: Mapping[str, NDArray[Any]]
    fetches: Sequence[str]


@dataclass(frozen=True)
class Answer:
    """What came of a question.

    Attributes:
        tensors: The answer in the order of what was fetched; None if there was none.
        error: What TensorFlow said instead of answering; empty if it answered.
        death: How the process ended, or that it had to be ended; empty if it lives.
        unasked: Whether it ended before it was asked this, after it had answered what came before.
        seconds: How long it took.
    """

    tensors: list[NDArray[Any]] | None = None
    error: str = ""
    death: str = ""
    unasked: bool = False
    seconds: float = 0.0


@dataclass
class Outcome:
    """What came of a load and of all questions.

    Attributes:
        failure: Why nothing could be asked: no libraries, a load that failed or killed the process; empty if it loaded.
        answers: An answer a question, in their order; fewer if too many killed the process.
        facts: `version` of the library, `load_seconds`, and the bytes of memory: `resident_libraries`, `resident_load`
            and `resident_end` (of the first process, when it last answered).
    """

    failure: str = ""
    answers: list[Answer] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def ask(path: Path, questions: Sequence[Question]) -> Outcome:
    """Load a SavedModel in a fresh process and ask; one that a question kills is started again for those after it."""
    outcome = Outcome()
    with tqdm(total=len(questions), desc="asking", unit="request", leave=False, disable=None) as bar:
        for _ in range(MOST_RESTARTS + 1):
            _ask_until_death(path, questions, outcome, bar)
            if outcome.failure or len(outcome.answers) == len(questions):
                break
    return outcome


def _ask_until_death(path: Path, questions: Sequence[Question], outcome: Outcome, bar: Any) -> None:
    """Add the answers that one process gives to those that are there."""
    first = len(outcome.answers)
    with tempfile.TemporaryDirectory(prefix="textclf-verify-") as folder:
        plan = Path(folder) / "plan.json"
        requests = [_encode(question) for question in questions[first:]]
        plan.write_text(json.dumps({"path": str(path.resolve()), "requests": requests}), encoding="utf-8")
        with (Path(folder) / "log").open("w+b") as log:
            for step, message in _listen(plan, log):
                if isinstance(step, str):
                    _note_load(step, message, outcome, first == 0)
                elif int(step) < len(requests):  # and not after the last, when nothing is lost
                    outcome.answers.append(_answer(message, questions[first + int(step)]))
                    bar.update()
                    if first == 0 and message.get("resident_bytes"):
                        outcome.facts["resident_end"] = message["resident_bytes"]


def _note_load(step: str, message: dict[str, Any], outcome: Outcome, is_first: bool) -> None:
    if "error" in message or "death" in message:
        when = f"between {message['after']} and {step}" if "after" in message else f"at {step}"
        outcome.failure = message.get("error") or f"The process {message['death']} {when}"
    elif is_first:
        outcome.facts[f"resident_{step}"] = message["resident_bytes"]
        outcome.facts |= {"version": message["version"]} if step == LIBRARIES else {"load_seconds": message["seconds"]}


def _answer(message: dict[str, Any], question: Question) -> Answer:
    if "death" in message:
        return Answer(death=message["death"], unasked="after" in message)
    if "error" in message:
        return Answer(error=message["error"])
    tensors = [decode_tensor(message["answers"][name]) for name in question.fetches]
    return Answer(tensors, seconds=message["seconds"])


def _encode(question: Question) -> dict[str, Any]:
    feeds = {name: encode_tensor(tensor) for name, tensor in question.feeds.items()}
    return {"feeds": feeds, "fetches": list(question.fetches)}


def _listen(plan: Path, log: IO[bytes]) -> Iterator[tuple[str | int, dict[str, Any]]]:
    """Start a child and yield how each of its steps ended, `death` being how the child did if it did not live on."""
    arguments = [sys.executable, "-P", "-m", "textclf.gate.child", str(plan)]
    child = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=_environment()
    )
    begun: str | int | None = LIBRARIES
    ended: str | int = LIBRARIES
    try:
        lines = _lines(child)
        while True:
            limit = REQUEST_SECONDS if isinstance(begun, int) else LOAD_SECONDS
            try:
                line = lines.get(timeout=limit)
            except queue.Empty:
                yield begun or LIBRARIES, {"death": f"did not answer within {limit:g} s and was ended"}
                return
            if not line:
                break
            message = json.loads(line)
            begun = message.get("begin")
            if "end" in message:
                ended = message["end"]
                yield message["end"], message
        code = child.wait()
        if code and begun is not None:
            yield begun, {"death": _ending(code, log)}
        elif code:
            yield _next(ended), {"death": _ending(code, log), "after": ended}
    finally:
        child.kill()
        child.wait()


def _next(step: str | int) -> str | int:
    """Return which step comes after one: the libraries, the load, then the numbers of the requests."""
    return step + 1 if isinstance(step, int) else LOAD if step == LIBRARIES else 0


def _lines(child: subprocess.Popen[bytes]) -> queue.Queue[bytes]:
    """Return the lines that a process writes, as they come; an empty one is the end."""
    lines: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        with child.stdout as file:  # type: ignore[union-attr]
            for line in file:
                lines.put(line)
        lines.put(b"")

    threading.Thread(target=read, daemon=True).start()
    return lines


def _environment() -> dict[str, str]:
    """Return what a child should see: this textclf, few messages, and no GPU, which most servers do not have."""
    root = str(Path(textclf.__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    quiet = {"PYTHONPATH": os.pathsep.join(paths), LOG_LEVEL: "2", "CUDA_VISIBLE_DEVICES": "-1"}
    return os.environ | quiet


def _ending(code: int, log: IO[bytes]) -> str:
    """Return how a process ended, with the last that it said if it did so by itself."""
    if code < 0:
        names = {known.value: known.name for known in signal.Signals}
        how = f"died of {names.get(-code, f'signal {-code}')}"
        if -code != signal.SIGABRT:  # who aborts says why
            return how
    else:
        how = f"ended with exit code {code}"
    log.seek(0)
    said = log.read().decode(errors="replace").strip().splitlines()
    return how + (f" ({said[-1]})" if said else "")
