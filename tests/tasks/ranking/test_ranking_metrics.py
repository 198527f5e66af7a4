"""Rankings, against values by hand and the evaluators of sentence-transformers."""

import numpy as np
import pytest

from fineprune.tasks.ranking import ranking_metrics


def test_by_hand() -> None:
    scores = [np.array([0.9, 0.1, 0.5]), np.array([0.2, 0.8, 0.4])]
    relevant = [np.array([False, True, True]), np.array([False, True, False])]
    found = ranking_metrics(scores, relevant)
    # Of the first, the right ones are second and third; of the second, the right one is first.
    gain = (1 / np.log2(3) + 1 / np.log2(4)) / (1 + 1 / np.log2(3))
    assert found == {
        "ndcg@10": pytest.approx((gain + 1) / 2),
        "mrr@10": pytest.approx((1 / 2 + 1) / 2),
        "accuracy@1": 0.5,
    }


def test_only_ten_are_looked_at() -> None:
    scores = [-np.arange(12.0)]
    late = [np.arange(12) == 10]
    assert set(ranking_metrics(scores, late).values()) == {0.0}
    every = ranking_metrics(scores, [np.ones(12, bool)])
    assert set(every.values()) == {1.0}


def test_equal_scores_and_none_at_all() -> None:
    # A model that says the same of all has found nothing, wherever in the data the right one is.
    for place in range(3):
        found = ranking_metrics([np.zeros(3)], [np.arange(3) == place])
        assert found["mrr@10"] == pytest.approx(1 / 3)
        assert found["accuracy@1"] == 0
    scores = np.array([np.nan, -5.0])
    assert ranking_metrics([scores], [np.array([False, True])])["accuracy@1"] == 1.0
