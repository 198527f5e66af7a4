from tests.engine.fuzz import fuzz_files, fuzz_texts


def test_changed_files_answer_or_are_refused() -> None:
    outcomes = fuzz_files(count=800, seed=3)
    # Changes reach the model and what lies beside it, not only the reader.
    assert {"success", "UnsupportedModelError", "WeightsError"} <= outcomes.keys()


def test_random_texts_are_answered() -> None:
    outcomes = fuzz_texts(count=300, seed=3)
    assert {"sequence", "token", "question", "none"} <= outcomes.keys()
    assert outcomes["sequence"] > 250
