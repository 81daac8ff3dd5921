"""The error for a request that nobody answered as hoped, in words that say what to do."""

import re

from textclf.client.errors import (
    AccessError,
    BusyError,
    DeadlineError,
    RefusedError,
    ReplyError,
    ServingError,
    UnknownLabelError,
    UnknownModelError,
    UnreachableError,
)
from textclf.client.steps import Ask, Failure, Refusal

_HINTS = [
    (r'signature (name:|key) "embed"|signature.*: embed', "The model has no embeddings; `linear` has none."),
    (r"[Ss]ignature (name:|key) |No signature was found", "Export the model again, by this version of textclf."),
    (r"equal to: .*text_pair|(Feature|alias): text_pair", "It was trained on pairs of texts: give text_pairs."),
    (r"named input: text_pair|extra: {text_pair}", "It was trained on single texts: leave text_pairs out."),
    (r"max_batch_size|maximum allowed batch", "Ask with a smaller batch_size."),
]
"""What to do about a refusal, by its words."""


def error_of(outcome: Refusal | Failure, ask: Ask, server: str, model: str, tried: str) -> ServingError:
    """Return the error that a request ends in.

    Args:
        outcome: How its last attempt ended.
        ask: What was asked.
        server: Where.
        model: The model's name.
        tried: How often and how long it was tried, in words.
    """
    if isinstance(outcome, Failure):
        return _unanswered(outcome, server, tried)
    status, said = outcome.status, outcome.message
    words = f"{server}: {{}} ({status}: {said or 'no message'})."
    if said.startswith(("Servable not found", "Could not find")):
        which = f"'{model}'" if ask.version is None else f"version {ask.version} of '{model}'"
        return UnknownModelError(
            words.format(f"expected the model to be served, got no {which}")
            + " Check the name; Client.status() says how its versions are.",
            status=status,
        )
    if said.startswith("Unrecognized servable version label"):
        return UnknownLabelError(
            words.format(f"expected a version of '{model}' with the label '{ask.label}', got none")
            + f" Set it with `textclf label {model} {ask.label}`, and start the server with the labels' models.config.",
            status=status,
        )
    if status in (401, 403):
        return AccessError(words.format(f"'{model}' is refused") + " Give an API key that may ask it.", status=status)
    if status in (429, 503):
        again = "" if outcome.retry_after is None else f" It asks to come again in {outcome.retry_after:g} s."
        return BusyError(
            words.format(f"no room for the request, {tried}") + f"{again} Ask later, or ask less at once.",
            status=status,
        )
    if status == 504:
        return _late(server, f"the server gave up, {tried} ({status}: {said})", status)
    if status == 404 or 300 <= status < 400:
        return ReplyError(
            words.format("expected TensorFlow Serving's REST interface, got something else")
            + " Check the address and its port: REST is mostly on 8501, gRPC on 8500.",
            status=status,
        )
    hint = next((f" {hint}" for pattern, hint in _HINTS if re.search(pattern, said, re.DOTALL)), "")
    return RefusedError(words.format(f"'{model}' did not answer {_named(ask)}") + hint, status=status)


def _unanswered(outcome: Failure, server: str, tried: str) -> ServingError:
    if outcome.timed_out:
        return _late(server, f"nothing came, {tried}", None)
    if outcome.lasting:
        return UnreachableError(
            f"{server}: expected a server that can be trusted: {outcome.reason}. Name its certificate authority's "
            "file with `verify`, or use its right name."
        )
    return UnreachableError(
        f"{server}: expected a server, but none answered, {tried}: {outcome.reason}. "
        "Start one with `textclf serve`, or check the address."
    )


def _late(server: str, what: str, status: int | None) -> DeadlineError:
    return DeadlineError(
        f"{server}: expected an answer in time, but {what}. Ask for less at once, or give a longer deadline.",
        status=status,
    )


def _named(ask: Ask) -> str:
    return f"'{ask.signature}' with {len(ask.rows)} texts" if ask.rows else ask.kind
