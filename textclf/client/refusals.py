"""The error for a request that nobody answered as hoped, in words that say what to do."""

import re
import shlex

from textclf.client.advice import Advice
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
    (r"Malformed request: \w+ .*/v1/v1/", "Leave /v1 at the end of the address out: the client adds it."),
    (r"message larger than max", "Ask with shorter texts, or a smaller batch_size."),
]
"""What to do about a refusal, by its words."""

_CLOSED = re.compile("disconnected without sending|socket closed", re.IGNORECASE)
"""As a server with TLS ends a connection that begins without it, and many a server whatever is wrong."""

_TOO_MANY = re.compile(r"max_batch_size|maximum input batch size|maximum allowed batch")


def error_of(outcome: Refusal | Failure, ask: Ask, server: str, model: str, tried: str, advice: Advice) -> ServingError:
    """Return the error that a request ends in.

    Args:
        outcome: How its last attempt ended.
        ask: What was asked.
        server: Where.
        model: The model's name.
        tried: How often and how long it was tried, in words.
        advice: What to do, in the words of who asks.
    """
    if isinstance(outcome, Failure):
        return _unanswered(outcome, server, tried, advice)
    kind, expected, to_do = _refused(outcome, ask, model, tried, advice)
    said = f"{outcome.status}: {outcome.message or 'no message'}"
    return kind(f"{server}: {expected} ({said}).{to_do and ' '}{to_do}", status=outcome.status)


def _refused(refusal: Refusal, ask: Ask, model: str, tried: str, advice: Advice) -> tuple[type[ServingError], str, str]:
    """Return the error's class, what was expected and came, and what to do."""
    status, said = refusal.status, refusal.message
    if said.startswith(("Servable not found", "Could not find")):
        which = f"'{model}'" if ask.version is None else f"version {ask.version} of '{model}'"
        what = f"expected a served model, got no {which}"
        return UnknownModelError, what, advice.name
    if said.startswith("Unrecognized servable version label"):
        what = f"expected a version of '{model}' with the label '{ask.label}', got none"
        set_it = f"Set it with `{shlex.join(['textclf', 'label', model, ask.label or '', 'VERSION'])}`"
        return UnknownLabelError, what, f"{set_it}, and start the server with the labels' models.config."
    if status in (401, 403):
        return AccessError, f"'{model}' was refused", advice.key
    if status in (429, 503):
        again = "" if refusal.retry_after is None else f"It asks to come again in {refusal.retry_after:g} s. "
        return BusyError, f"no room for the request, {tried}", f"{again}Ask later, or for less at once."
    if status == 504:
        return DeadlineError, f"expected an answer in time, but the server gave up, {tried}", advice.less
    if status == 404 or 300 <= status < 400:
        what = "expected TensorFlow Serving's interface, got something else"
        return ReplyError, what, "Check the address and its port: REST is mostly on 8501, gRPC on 8500."
    if _TOO_MANY.search(said):
        return RefusedError, f"'{model}' did not answer {_named(ask)}", advice.smaller
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, said, re.DOTALL)), "")
    return RefusedError, f"'{model}' did not answer {_named(ask)}", hint


def _unanswered(outcome: Failure, server: str, tried: str, advice: Advice) -> ServingError:
    reason = outcome.reason.rstrip(".")
    if outcome.timed_out:
        return DeadlineError(f"{server}: expected an answer in time, but nothing came, {tried}. {advice.less}")
    if outcome.strange:
        what = f"expected TensorFlow Serving's interface, got something that speaks another protocol ({reason})"
        return ReplyError(f"{server}: {what}. {advice.protocol}")
    if outcome.lasting:
        return UnreachableError(f"{server}: expected a server that can be trusted: {reason}. {advice.trust}")
    plain = advice.plain if _CLOSED.search(reason) and not server.startswith("https:") else ""
    return UnreachableError(
        f"{server}: expected a server, but none answered, {tried}: {reason}. "
        f"Start one with `textclf serve`, or check the address.{plain and ' '}{plain}"
    )


def _named(ask: Ask) -> str:
    plural = "s" * (len(ask.rows) > 1)
    return f"'{ask.signature}' for {len(ask.rows)} text{plural}" if ask.rows else ask.kind
