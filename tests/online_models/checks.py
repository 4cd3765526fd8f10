"""The laws of learners: one `check_<law>(learner, stream)` a law, its docstring states the law.

A check gets a learner that has learned nothing, and a stream of examples. `test_laws.py` runs every
check over every registered kind, so a new kind is tested by being registered.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from online_models.export import check_graph, run_graph
from online_models.learners import Learner, Reaction

EXACT = 1e-9
"""How far a graph may be from its learner."""


class Example(NamedTuple):
    vector: list[float]
    label: float


Stream = Sequence[Example]


def taught(learner: Learner, stream: Stream) -> Learner:
    for vector, label in stream:
        learner.learn(vector, label)
    return learner


def copy(learner: Learner) -> Learner:
    """As recovery copies it: through its pickle."""
    twin: Learner = pickle.loads(pickle.dumps(learner))
    return twin


def log_loss(learner: Learner, stream: Stream) -> float:
    """The mean log loss of its answers."""
    told = [p if label else 1.0 - p for p, label in ((learner.predict(v), y) for v, y in stream)]
    return -float(np.log(told).mean())


def hostile(vector: Sequence[float], categories: int) -> list[list[float]]:
    """The vector gone wrong in every way that a number can."""
    numbers, buckets = list(vector[:-categories]), list(vector[-categories:])
    absurd = (math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 5e-324, -0.0)
    wrong = [[value] * len(numbers) + buckets for value in absurd]
    wrong += [numbers + [value] * categories for value in (*absurd, -1.0, -7.0, 1e6, 0.5)]
    return [*wrong, [math.nan] * len(vector), [math.inf] * len(vector)]


def check_starts_at_the_prior(learner: Learner, stream: Stream, prior: float) -> None:
    """Before the first example, learner and graph give the domain's prior for any vector."""
    for vector, _ in stream[:20]:
        assert math.isclose(learner.predict(vector), prior, abs_tol=EXACT)
    found = run_graph(learner.export(), [vector for vector, _ in stream[:20]])
    assert np.allclose(found, prior, rtol=0, atol=EXACT)


def check_graph_says_what_the_learner_says(learner: Learner, stream: Stream) -> None:
    """At any time, the exported graph gives the learner's probability for any vector."""
    for part in range(0, len(stream), len(stream) // 5):
        taught(learner, stream[part : part + len(stream) // 5])
        assert check_graph(learner.export(), learner, [vector for vector, _ in stream]) <= EXACT


def check_rows_do_not_depend_on_their_batch(learner: Learner, stream: Stream) -> None:
    """A graph gives a row the same alone and in a batch, up to rounding, and nothing for none."""
    graph = taught(learner, stream).export()
    vectors = [vector for vector, _ in stream[:50]]
    together = run_graph(graph, vectors)
    alone = [run_graph(graph, [vector]) for vector in vectors]
    assert together.dtype == np.float64
    assert np.allclose(together, np.concatenate(alone), rtol=0, atol=1e-14)
    assert run_graph(graph, np.empty((0, len(vectors[0])))).shape == (0,)  # type: ignore[arg-type]


def check_prediction_changes_nothing(learner: Learner, stream: Stream) -> None:
    """Predicting leaves the learner as it was, bit for bit, whatever it is asked."""
    half = len(stream) // 2
    for examples in ([], stream[:half]):
        taught(learner, examples)
        before = pickle.dumps(copy(learner))
        for vector, _ in stream[half : half + 50]:
            for asked in (vector, *hostile(vector, 1)):
                learner.predict(asked)
        assert pickle.dumps(copy(learner)) == before


def check_it_learns(learner: Learner, stream: Stream) -> None:
    """Taught that everything is positive, it thinks so more than before, and the other way.

    Its log loss of positives falls by a third, that of negatives by a twentieth: where positives
    are rare, a negative is no news.
    """
    vectors = [vector for vector, _ in stream[:300]]
    for label, most in ((1.0, 0.67), (0.0, 0.95)):
        twin, told = copy(learner), [Example(vector, label) for vector in vectors]
        start = log_loss(twin, told)
        assert log_loss(taught(twin, told), told) < most * start


def check_counts_its_examples(learner: Learner, stream: Stream) -> None:
    """`examples` is how many examples it has learned from."""
    assert learner.examples == 0
    taught(learner, stream[:100])
    assert learner.examples == 100


def check_hostile_numbers_do_not_break_it(
    learner: Learner, stream: Stream, categories: int
) -> None:
    """Missing, infinite and huge numbers and unseen buckets, asked or learned, before or after the
    rest: probabilities stay in [0, 1], graph and learner agree, and ordinary answers stay finite.
    """
    vectors = [wrong for vector, _ in stream[:10] for wrong in hostile(vector, categories)]
    ordinary = [vector for vector, _ in stream[:50]]
    for examples in (stream, [Example(v, float(i % 2)) for i, v in enumerate(vectors)]):
        taught(learner, examples)
        answers = [learner.predict(vector) for vector in (*vectors, *ordinary)]
        assert all(0.0 <= answer <= 1.0 for answer in answers)
        assert check_graph(learner.export(), learner, [*vectors, *ordinary]) <= EXACT


def check_unseen_buckets_are_as_good_as_none(learner: Learner, stream: Stream) -> None:
    """A bucket that no example had counts as no bucket at all."""
    seen = [Example([*vector[:-1], 3.0], label) for vector, label in stream[:300]]
    taught(learner, seen)
    for vector, _ in stream[:50]:
        unseen = learner.predict([*vector[:-1], 5.0])
        assert unseen == learner.predict([*vector[:-1], -1.0])


def check_resume_equals_uninterrupted(learner: Learner, stream: Stream) -> None:
    """Pickled and back in mid-stream, it ends with the same bytes as one that went on."""
    twin = copy(learner)
    for start in range(0, len(stream), len(stream) // 3):
        part = stream[start : start + len(stream) // 3]
        taught(learner, part)
        twin = copy(taught(twin, part))
    assert twin.export() == learner.export()
    assert twin.examples == learner.examples
    assert [twin.predict(v) for v, _ in stream] == [learner.predict(v) for v, _ in stream]


def check_a_reset_forgets(learner: Learner, stream: Stream) -> None:
    """Reset, its graph is that of one that has learned nothing; who cannot stays as it is."""
    untaught = learner.export()
    before = taught(learner, stream[:300]).export()
    after = untaught if learner.react("reset") else before
    assert learner.export() == after != (before if after == untaught else untaught)
    assert learner.examples == 300


def check_reactions_are_resumed(learner: Learner, stream: Stream) -> None:
    """Pickled and back around each reaction, it ends with the same bytes as one that went on."""
    twin = copy(learner)
    for place, reaction in enumerate(Reaction):
        part = stream[place * 100 : place * 100 + 100]
        can = taught(learner, part).react(reaction)
        twin = copy(taught(twin, part))
        assert twin.react(reaction) is can
        twin = copy(twin)
        assert check_graph(twin.export(), learner, [vector for vector, _ in part]) <= EXACT
    assert taught(twin, stream[300:400]).export() == taught(learner, stream[300:400]).export()


def check_same_stream_same_bytes(learner: Learner, stream: Stream) -> None:
    """The same seed and examples give the same graph, byte for byte; export changes nothing."""
    twin = copy(learner)
    taught(learner, stream)
    for place, (vector, label) in enumerate(stream):
        twin.learn(tuple(vector), int(label))
        if place % 97 == 0:
            twin.export()
    assert learner.export() == learner.export() == twin.export()


def check_score_then_learn_is_both(learner: Learner, stream: Stream) -> None:
    """`score_then_learn` gives what `predict` gives and leaves what `learn` leaves."""
    twin = copy(learner)
    for vector, label in stream:
        expected = learner.predict(vector)
        learner.learn(vector, label)
        assert twin.score_then_learn(vector, label) == expected
    assert twin.export() == learner.export()
    assert twin.examples == learner.examples


def check_weight_zero_changes_nothing(learner: Learner, stream: Stream) -> None:
    """An example of weight 0 leaves no trace; one of weight 2 another than one of weight 1."""
    half = len(stream) // 2
    before = pickle.dumps(copy(taught(learner, stream[:half])))
    for vector, label in stream[half : half + 50]:
        learner.learn(vector, label, weight=0.0)
        learner.score_then_learn(vector, label, weight=0.0)
    assert pickle.dumps(copy(learner)) == before
    twin = copy(learner)
    for vector, label in stream[half : half + 50]:
        learner.learn(vector, label, weight=2.0)
        twin.learn(vector, label)
    assert learner.examples == twin.examples
    assert learner.export() != twin.export()


def check_names_what_is_wrong(learner: Learner, stream: Stream) -> None:
    """Vectors of another length, labels other than 0 and 1 and senseless weights raise ValueError
    and change nothing.
    """
    before = learner.export()
    vector = stream[0].vector
    calls: list[Callable[[], object]] = [
        lambda: learner.predict(vector[:-1]),
        lambda: learner.predict([*vector, 0.0]),
        lambda: learner.learn(vector[:-1], 1.0),
        lambda: learner.learn(vector, 0.5),
        lambda: learner.learn(vector, math.nan),
        lambda: learner.learn(vector, 1.0, weight=-1.0),
        lambda: learner.learn(vector, 1.0, weight=math.nan),
        lambda: learner.score_then_learn(vector, 1.0, weight=math.inf),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="expected"):
            call()
    assert learner.examples == 0
    assert learner.export() == before
