"""`fineprune predict`."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fineprune import Engine
from tests.cli.conftest import Command, assert_one_line, one_object
from tests.engine.zoo import build, save_packed
from tests.workspace import make_tokenizer


def packed(tmp_path: Path, head: str, **changes: Any) -> Path:
    make_tokenizer().save_pretrained(tmp_path / "model")
    return save_packed(build("bert", head, **changes), tmp_path / "model", head).file


def test_classification(fineprune: Command, tmp_path: Path) -> None:
    file = packed(tmp_path, "sequence", id2label={0: "no", 1: "yes"})
    answers = Engine(file)(["w1 w2", "w3"])
    found = fineprune("predict", file, "w1 w2", "w3", "--json", "--threads", 1)
    assert (found.code, found.err) == (0, "")
    for one, other in zip(one_object(found.out)["answers"], answers, strict=True):
        assert one == other | {"score": pytest.approx(other["score"], rel=1e-4)}
    table = fineprune("predict", file, "w1 w2", "w3")
    assert all(word in table.out for word in ("text", "label", "score", "w1 w2"))
    assert answers[0]["label"] in table.out


def test_texts_from_standard_input(
    fineprune: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = packed(tmp_path, "sequence")
    lines = ["w1 w2", "", "w3\u2028w4", "w5\x85w6\x0cw7\x0bw8", "  ", "w9\rw10", "w11"]
    expected = Engine(file)(lines)
    for ending, last in (("\n", "\n"), ("\r\n", ""), ("\n", "")):
        content = (ending.join(lines) + last).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        answers = one_object(fineprune("predict", file, "-", "--json").out)["answers"]
        assert [one["label"] for one in answers] == [one["label"] for one in expected]
        scores = [one["score"] for one in expected]
        assert [one["score"] for one in answers] == pytest.approx(scores, rel=1e-4)
    monkeypatch.setattr(sys, "stdin", io.StringIO("w1 w2\n\nw3\n"))
    assert len(one_object(fineprune("predict", file, "-", "--json").out)["answers"]) == 3


@pytest.mark.parametrize("head", ["sequence", "none"])
def test_no_lines(
    head: str, fineprune: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = packed(tmp_path, head)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert one_object(fineprune("predict", file, "-", "--json").out) == {"answers": []}


def test_bytes_that_are_no_text(
    fineprune: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = packed(tmp_path, "question")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"w1\n\xff\xfe w2\n")))
    found = fineprune("predict", file, "-", "--context", "w1 \udcff w2", "--json")
    assert (found.code, len(one_object(found.out)["answers"])) == (0, 2)


@pytest.mark.parametrize(
    "text", ["see [/quote] here", "[b]w1[/b] :smile: [red]", "[link=w1", "\\[w1]", "w1 \udcff w2"]
)
def test_texts_are_printed_as_they_are(text: str, fineprune: Command, tmp_path: Path) -> None:
    found = fineprune("predict", packed(tmp_path, "sequence"), text)
    assert (found.code, found.err) == (0, "")
    assert text.replace("\udcff", "\ufffd") in found.out


def test_what_is_cut_is_told(fineprune: Command, tmp_path: Path) -> None:
    make_tokenizer(most_tokens=9).save_pretrained(tmp_path / "model")
    file = save_packed(build("bert", "sequence"), tmp_path / "model", "sequence").file
    said = "longer than 9 tokens, and cut: 1 of 2 texts (model_max_length in tokenizer_config.json)"
    assert fineprune("predict", file, "w1 " * 7, "w1 " * 8, "--json").err.strip() == said


def test_the_prompt_counts_where_texts_are_cut(fineprune: Command, tmp_path: Path) -> None:
    make_tokenizer(most_tokens=9).save_pretrained(tmp_path / "model")
    prompts = {"prompts": {"query": "w3 w4 "}, "default_prompt_name": "query"}
    path = tmp_path / "model/config_sentence_transformers.json"
    path.write_text(json.dumps(prompts), encoding="utf-8")
    file = save_packed(build("bert", "none"), tmp_path / "model", "none").file
    assert fineprune("predict", file, "w1 " * 5, "--json").err == ""
    assert "and cut: 1 of 2 texts" in fineprune("predict", file, "w1", "w1 " * 6, "--json").err


def test_a_text_with_candidate_labels_is_cut_once(fineprune: Command, tmp_path: Path) -> None:
    make_tokenizer(most_tokens=12).save_pretrained(tmp_path / "model")
    names = {0: "contradiction", 1: "entailment"}
    file = save_packed(build("bert", "sequence", id2label=names), tmp_path / "model", "sequence")
    options = ("--option", "candidate_labels=w2,w3", "--option", "hypothesis_template='{}'")
    found = fineprune("predict", file.file, "w1", "w1 " * 20, *options, "--json")
    assert "longer than 12 tokens, and cut: 1 of 2 texts" in found.err


def test_pairs(fineprune: Command, tmp_path: Path) -> None:
    file = packed(tmp_path, "sequence")
    found = one_object(fineprune("predict", file, "w1", "--context", "w2", "--json").out)
    expected = Engine(file)(("w1", "w2"))["score"]
    assert found["answers"][0]["score"] == pytest.approx(expected, rel=1e-4)


def test_options_of_the_task(fineprune: Command, tmp_path: Path) -> None:
    names = {0: "contradiction", 1: "neutral", 2: "entailment"}
    file = packed(tmp_path, "sequence", id2label=names)
    engine = Engine(file)
    found = fineprune("predict", file, "w1", "--option", "top_k=2", "--json")
    [answer] = one_object(found.out)["answers"]
    assert [one["label"] for one in answer] == [one["label"] for one in engine("w1", top_k=2)]
    options = ("--option", "candidate-labels=[w2, w3]", "--option", "multi_label=true")
    [answer] = one_object(fineprune("predict", file, "w1", *options, "--json").out)["answers"]
    expected = engine("w1", candidate_labels=["w2", "w3"], multi_label=True)
    assert answer["labels"] == expected["labels"]
    assert answer["scores"] == pytest.approx(expected["scores"], rel=1e-4)
    table = fineprune("predict", file, "w1", *options)
    assert all(word in table.out for word in ("label", "score", "w2", "w3"))
    for text, said in {
        "top_k": "--option 'top_k': expected NAME=VALUE, where this model knows 'top_k'",
        "shape=round": "--option 'shape=round': expected NAME=VALUE",
        "top_k=[": "'[' is no YAML",
        "top_k=many": "top_k is 'many'; expected a whole number of at least 1",
    }.items():
        assert_one_line(fineprune, "predict", file, "w1", "--option", text, said=said)


def test_question_answering(fineprune: Command, tmp_path: Path) -> None:
    file = packed(tmp_path, "question")
    found = fineprune("predict", file, "w1", "w2", "--context", "w3 w4 w5", "--json")
    for answer in one_object(found.out)["answers"]:
        assert answer.keys() == {"answer", "score", "start", "end"}
        assert answer["answer"] == "w3 w4 w5"[answer["start"] : answer["end"]]
    assert_one_line(fineprune, "predict", file, "w1", said="say with --context what they are about")


def test_tokens_and_embeddings(fineprune: Command, tmp_path: Path) -> None:
    tokens = packed(tmp_path / "tokens", "token")
    [entities] = one_object(fineprune("predict", tokens, "w1 w2", "--json").out)["answers"]
    assert [entity["word"] for entity in entities] == ["w1", "w2"]
    assert "LABEL_" in fineprune("predict", tokens, "w1 w2").out
    embeddings = packed(tmp_path / "embeddings", "none")
    [numbers] = one_object(fineprune("predict", embeddings, "w1", "--json").out)["answers"]
    assert len(numbers) == 24
    assert "24 numbers" in fineprune("predict", embeddings, "w1").out


@pytest.mark.parametrize("more", ["--column", "--pair-column", "--quoting"])
def test_columns_are_of_files(more: str, fineprune: Command, tmp_path: Path) -> None:
    value = "none" if more == "--quoting" else "text"
    said = "--column, --pair-column and --quoting are for --input"
    for texts in ((), ("w1",)):
        assert_one_line(fineprune, "predict", "nowhere", *texts, more, value, said=said)


def test_what_is_wrong(fineprune: Command, tmp_path: Path) -> None:
    file = packed(tmp_path, "sequence")
    assert_one_line(fineprune, "predict", "nowhere", "w1", said="nowhere")
    assert_one_line(fineprune, "predict", file, said="Missing argument 'TEXT")
    assert_one_line(fineprune, "predict", file, "w1", "--threads", 0, said="threads is 0")
    said = "'--precision': 'int4' is not one of 'float32', 'bf16', 'int8', 'fast'. See fineprune"
    assert_one_line(fineprune, "predict", file, "w1", "--precision", "int4", said=said)
