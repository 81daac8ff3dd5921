"""The core, driven with a clock of the test's: order, batches, attempts, deadlines, the cache."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.client import (
    AnswerCache,
    BusyError,
    DeadlineError,
    Prediction,
    RefusedError,
    ReplyError,
    Retries,
    ServingError,
    UnknownModelError,
    UnreachableError,
)
from textclf.client.advice import COMMAND_LINE
from textclf.client.core import Core
from textclf.client.rest import outcome_of, request_of
from textclf.client.steps import Answer, Ask, Failure, Outcome, Plan, Refusal, Send, Together, Told, Wait

from .tiny import Tiny, answer_of, scores_of

TEXTS = st.lists(st.text(max_size=3), max_size=20)


class Driver:
    """Does what plans say, in a time of its own."""

    def __init__(self, answer: Callable[[Ask], tuple[float, Outcome]], chance: float = 1.0, **options: Any) -> None:
        self.now, self.sent, self.waits = 100.0, list[Send](), list[float]()
        self.answer = answer
        self.core = Core("http://host", "messages", clock=lambda: self.now, chance=lambda: chance, **options)

    def run(self, plan: Plan[Any]) -> Any:
        outcome: Told = None
        while True:
            try:
                step = plan.send(outcome)
            except StopIteration as done:
                return done.value
            if isinstance(step, Wait):
                self.now, outcome = self.now + step.seconds, None
                self.waits.append(step.seconds)
                continue
            if isinstance(step, Together):
                try:
                    outcome = [self.run(each) for each in step.plans]
                except ServingError as error:
                    outcome = error
                continue
            self.sent.append(step)
            seconds, outcome = self.answer(step.ask)
            if step.timeout is not None and seconds > step.timeout:
                seconds, outcome = step.timeout, Failure("timed out", timed_out=True)
            self.now += seconds

    def predict(self, texts: list[Any], **named: Any) -> Any:
        return self.run(self.core.predict(texts, named.get("pairs"), named.get("version"), named.get("label")))


def from_tiny(tiny: Tiny, seconds: float = 0.0) -> Callable[[Ask], tuple[float, Outcome]]:
    def answer(ask: Ask) -> tuple[float, Outcome]:
        method, path, body = request_of(ask, "messages")
        status, headers, reply = tiny.answer(method, path, {}, body or b"")
        return seconds, outcome_of(ask, status, headers, reply)

    return answer


def expected(version: int, text: str) -> Prediction:
    scores = scores_of(version, text.encode("utf-8", "surrogatepass"))
    best = sorted(zip(scores, answer_of("classify", scores), strict=True), reverse=True)
    named = {label: score for score, (label, _) in best}
    return Prediction(best[0][1][0], best[0][0], named)


ANY_TEXTS = st.lists(st.text(st.characters(), max_size=3) | st.sampled_from(["\ud83d", "a\x00"]), max_size=20)


@given(ANY_TEXTS, st.integers(1, 7))
def test_lists_of_any_length_are_answered_in_order_in_batches(texts: list[str], size: int) -> None:
    tiny = Tiny()
    driver = Driver(from_tiny(tiny), batch_size=size)
    assert driver.predict(texts) == [expected(2, text) for text in texts]
    assert [count for _, _, count in tiny.asked] == [min(size, len(texts) - at) for at in range(0, len(texts), size)]


@given(TEXTS, st.integers(1, 5))
def test_all_ways_to_ask_give_the_same_scores(texts: list[str], size: int) -> None:
    driver = Driver(from_tiny(Tiny()), batch_size=size)
    best, every = driver.predict(texts), driver.run(driver.core.scores(texts, None, None, None))
    embedded = driver.run(driver.core.embed(texts, None, None, None))
    assert [one.scores for one in best] == every
    assert [list(one.values()) for one in every] == embedded


class Trouble(NamedTuple):
    seconds: float
    outcome: Refusal | Failure


TROUBLES = st.builds(
    Trouble,
    st.floats(0, 5),
    st.one_of(
        st.builds(Refusal, st.sampled_from([429, 503, 504]), st.just(""), st.none() | st.floats(0, 20)),
        st.builds(Failure, st.just("refused")),
        st.builds(Failure, st.just("late"), st.just(True)),
        st.builds(Refusal, st.sampled_from([400, 401, 404, 500]), st.just("")),
    ),
)
PASSING = (429, 503, 504)


def passes(trouble: Trouble) -> bool:
    return isinstance(trouble.outcome, Failure) or trouble.outcome.status in PASSING


@given(
    st.lists(TROUBLES, max_size=8),
    st.integers(1, 6),
    st.none() | st.floats(0.01, 30),
    st.floats(0, 1),
    st.integers(1, 6),
)
def test_attempts_and_deadline_are_kept_whatever_comes(
    troubles: list[Trouble], attempts: int, deadline: float | None, chance: float, texts: int
) -> None:
    left = list(troubles)

    def answer(ask: Ask) -> tuple[float, Outcome]:
        return left.pop(0) if left else from_tiny(Tiny(), 0.1)(ask)

    retries = Retries(attempts=attempts, first_wait=0.5, most_wait=4)
    driver = Driver(answer, chance, batch_size=2, deadline=deadline, retries=retries)
    asked = [f"{number}" for number in range(texts)]
    try:
        answers = driver.predict(asked)
    except ServingError:
        assert troubles or (deadline or math.inf) <= 0.1 * texts, "nothing was wrong"
    else:
        assert answers == [expected(2, text) for text in asked]
        assert not left, "all trouble was overcome"
        assert all(map(passes, troubles))
    passed = driver.now - 100
    assert passed <= (math.inf if deadline is None else deadline + 1e-6)
    rows = [step.ask.rows for step in driver.sent]
    assert all(rows.count(batch) <= attempts for batch in rows)
    if deadline is not None:
        assert all(step.timeout is not None and 0 < step.timeout <= deadline + 1e-6 for step in driver.sent)
    if deadline is None and attempts > len(troubles) and all(map(passes, troubles)):
        assert not left


@given(st.lists(st.none() | st.floats(0, 9), min_size=1, max_size=5), st.floats(0, 1))
def test_waits_double_and_never_come_before_what_the_server_asks(asked: list[float | None], chance: float) -> None:
    left: list[Outcome] = [Refusal(503, "", seconds) for seconds in asked]
    retries = Retries(attempts=9, first_wait=0.25, most_wait=1)

    def answer(ask: Ask) -> tuple[float, Outcome]:
        return (0.0, left.pop(0)) if left else from_tiny(Tiny())(ask)

    driver = Driver(answer, chance, deadline=None, retries=retries)
    driver.predict(["a"])
    wanted = [(after or 0) + chance * min(1, 0.25 * 2**number) for number, after in enumerate(asked)]
    assert driver.waits == pytest.approx(wanted)


def always(outcome: Outcome, seconds: float = 0.0) -> Callable[[Ask], tuple[float, Outcome]]:
    return lambda _: (seconds, outcome)


def test_a_wait_beyond_the_deadline_is_not_waited() -> None:
    driver = Driver(always(Refusal(503, "full", 50.0)), deadline=10)
    with pytest.raises(
        BusyError, match=r"after 1 attempt in 0\.0 s, with a deadline of 10 s \(503: full\)\. It asks to"
    ):
        driver.predict(["a"])
    assert (driver.now, len(driver.sent)) == (100, 1)


def test_a_refusal_is_final() -> None:
    driver = Driver(always(Refusal(400, "wrong")))
    with pytest.raises(RefusedError):
        driver.predict(["a"])
    assert len(driver.sent) == 1


def test_a_deadline_that_ends_between_batches_is_said() -> None:
    driver = Driver(from_tiny(Tiny(), 4.0), deadline=8.0, batch_size=1)
    with pytest.raises(DeadlineError, match="expected all answers within the deadline of 8 s"):
        driver.predict(["a", "b", "c"])
    assert [step.timeout for step in driver.sent] == [8.0, 4.0]


def test_what_speaks_another_protocol_is_not_asked_again() -> None:
    driver = Driver(always(Failure("illegal status line", strange=True)))
    with pytest.raises(ReplyError, match=r"^http://host: expected TensorFlow Serving's interface, got something"):
        driver.run(driver.core.status(None))
    assert len(driver.sent) == 1


def test_a_deadline_is_told_on_the_command_line_as_what_can_be_done_there() -> None:
    driver = Driver(from_tiny(Tiny(), 4.0), deadline=8.0, batch_size=1, advice=COMMAND_LINE)
    with pytest.raises(DeadlineError, match=r"Ask later, or for fewer texts at once\.$"):
        driver.predict(["a", "b", "c"])


def test_what_answers_nothing_is_given_up_in_time() -> None:
    driver = Driver(always(Failure("refused"), 1.0), deadline=None, retries=Retries(attempts=3))
    with pytest.raises(UnreachableError, match=r"after 3 attempts in 3\.6 s: refused"):
        driver.predict(["a"])


def test_a_distrusted_server_is_not_asked_again() -> None:
    driver = Driver(always(Failure("CERTIFICATE_VERIFY_FAILED", lasting=True)))
    with pytest.raises(UnreachableError, match="a server that can be trusted"):
        driver.predict(["a"])
    assert len(driver.sent) == 1


@pytest.mark.parametrize("said", [[], [1, 2], "text", None])
def test_answers_that_are_too_few_or_too_many_are_no_answers(said: Any) -> None:
    with pytest.raises(ReplyError, match="expected 1 answers for as many texts, got"):
        Driver(always(Answer(said))).predict(["a"])


@given(st.lists(TEXTS, max_size=6), st.integers(1, 12), st.integers(1, 4), st.sampled_from([None, "stable"]))
def test_a_cache_changes_no_answer_and_counts_each_text(
    calls: list[list[str]], size: int, batch_size: int, label: str | None
) -> None:
    cache = AnswerCache(size)
    tiny = Tiny()
    driver = Driver(from_tiny(tiny), cache=cache, batch_size=batch_size)
    for texts in calls:
        assert driver.predict(texts, label=label) == [expected(1 if label else 2, text) for text in texts]
        assert len(cache) <= size
    total = sum(map(len, calls))
    sent = sum(count for _, _, count in tiny.asked)
    assert (cache.hits, cache.misses) == (total - sent, sent)
    assert cache.hit_rate == (cache.hits / total if total else 0)
    if size >= total:
        assert sent == len({text for texts in calls for text in texts})
    assert sum("metadata" in path for _, path, _ in tiny.asked) == (1 if total else 0)


@given(
    st.lists(st.tuples(st.sampled_from(["ask", "swap", "wait"]), st.integers(0, 4)), max_size=12),
    st.booleans(),
)
def test_a_cache_is_never_older_than_it_says_and_mixes_no_versions(steps: list[tuple[str, int]], kept: bool) -> None:
    tiny = Tiny(versions=[1])
    cache = AnswerCache(version_seconds=10)
    driver = Driver(from_tiny(tiny), cache=cache, batch_size=2)
    newest = {1: -math.inf}  # since when
    for action, number in steps:
        if action == "wait":
            driver.now += number * 3
        elif action == "swap":
            version = max(newest) + 1
            newest[version] = driver.now
            tiny.versions = [*newest] if kept else [version]
        else:
            texts = [str(number), str(number + 1), str(number + 2)]
            answers = driver.predict(texts)
            (version,) = (one for one in newest if answers == [expected(one, text) for text in texts])
            ended = newest.get(version + 1, math.inf)
            assert driver.now - ended < 10


def test_a_version_that_was_unloaded_is_asked_for_no_more() -> None:
    tiny = Tiny(versions=[1])
    driver = Driver(from_tiny(tiny), cache=AnswerCache(version_seconds=1000))
    driver.predict(["a"])
    tiny.versions = [2]
    assert driver.predict(["a"]) == [expected(1, "a")], "kept, until it is known to be gone"
    assert driver.predict(["a", "b"]) == [expected(2, "a"), expected(2, "b")]
    assert driver.predict(["b"]) == [expected(2, "b")]
    tiny.versions = []
    with pytest.raises(UnknownModelError):
        driver.predict(["c"])


def test_a_cache_of_several_clients_keeps_them_apart() -> None:
    cache = AnswerCache()
    here = Core("http://here", "messages", cache=cache)
    first = Driver(from_tiny(Tiny(versions=[1])), cache=cache)
    second = Driver(from_tiny(Tiny(versions=[1], labels={"stable": 1})), cache=cache)
    second.core.server = here.server
    first.predict(["a"])
    second.predict(["a"])
    first.run(first.core.scores(["a"], None, 1, None))
    assert (cache.hits, cache.misses) == (0, 3)
    assert first.predict(["a"], version=1) == [expected(1, "a")]
    assert cache.hits == 1


def test_what_was_returned_can_be_changed_without_harm() -> None:
    driver = Driver(from_tiny(Tiny()), cache=AnswerCache())
    driver.predict(["a"])[0].scores.clear()
    driver.run(driver.core.embed(["a"], None, None, None))[0].clear()
    assert driver.predict(["a"]) == [expected(2, "a")]
    assert driver.run(driver.core.embed(["a"], None, None, None)) == [scores_of(2, b"a")]


def test_pairs_are_asked_by_name() -> None:
    tiny = Tiny(pairs=True)
    driver = Driver(from_tiny(tiny))
    (one,) = driver.predict(["a"], pairs=["b"])
    assert list(one.scores.values()) == sorted(scores_of(2, b"a", b"b"), reverse=True)
    with pytest.raises(RefusedError, match="It was trained on pairs of texts: give text_pairs"):
        driver.predict(["a"])
    assert list(driver.run(driver.core.scores(["a"], ["b"], None, None))[0].values()) == scores_of(2, b"a", b"b")


def test_pairs_for_a_model_of_single_texts_are_refused_by_classify_too() -> None:
    driver = Driver(from_tiny(Tiny()))
    for plan in (driver.core.predict(["a"], ["b"], None, None), driver.core.scores(["a"], ["b"], None, None)):
        with pytest.raises(RefusedError):
            driver.run(plan)


@pytest.mark.parametrize(
    ("named", "error", "message"),
    [
        ({"texts": "text"}, TypeError, "texts: expected a list or another iterable of strings, got one str"),
        ({"texts": ["a", 1]}, TypeError, "texts: expected strings, got int at position 1: 1"),
        ({"texts": ["a"], "text_pairs": []}, ValueError, "a second text for each of the 1 texts, got 0"),
        ({"texts": ["a"], "version": 1, "label": "x"}, ValueError, "a version or a label, got both: 1 and 'x'"),
        ({"texts": ["a"], "version": -1}, ValueError, "version: expected 0 to 9223372036854775807, got -1"),
        ({"texts": ["a"], "version": "1"}, TypeError, "version: expected a number, got str: '1'"),
        ({"texts": ["a"], "label": "a/b"}, ServingError, "label: expected a name without / and :, got 'a/b'"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(
    named: dict[str, Any], error: type[Exception], message: str
) -> None:
    driver = Driver(from_tiny(Tiny()))
    with pytest.raises(error, match=message):
        driver.run(driver.core.predict(**{"text_pairs": None, "version": None, "label": None} | named))
    assert not driver.sent


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"deadline": 0}, "deadline: expected seconds, more than 0, or None, got 0"),
        ({"deadline": math.nan}, "deadline: expected seconds, more than 0, or None, got nan"),
    ],
)
def test_wrong_settings_are_refused(named: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Core("http://host", "messages", **named)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a:b"])
def test_what_can_be_no_models_name_is_refused(name: str) -> None:
    with pytest.raises(ServingError, match="model: expected a name without / and :"):
        Core("http://host", name)


def test_wrong_retries_and_caches_are_refused() -> None:
    for wrong in ({"attempts": 0}, {"first_wait": -1}, {"most_wait": math.nan}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
            Retries(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="size: expected at least 1, got 0"):
        AnswerCache(0)
    with pytest.raises(ValueError, match="version_seconds: expected"):
        AnswerCache(version_seconds=-1)
