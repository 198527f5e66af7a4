"""The code of a page is run as a reader would, and what is wrong with it is found."""

from pathlib import Path

import pytest

from fineprune.errors import RecipeError
from tests.docs.pages import Block, blocks_of
from tests.docs.running import Session, check_recipe, commands_of
from tests.docs.test_pages import check_command

PAGE = """
```python not run: a network
import nothing_like_it
```

:::{note}
```yaml
# one.yaml
model: bert-base-uncased
```
:::

````{note}
- ```python
  print(1 + 1)
  ```
````

```text output within 10%
2.1
```

    indented
"""


def block(language: str, text: str, note: str = "") -> Block:
    return Block(Path(__file__), 1, language, note, text)


def session(folder: Path) -> Session:
    return Session(lambda *arguments: f"ran {arguments}", folder)


def test_all_blocks_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    found = blocks_of(page)
    assert [one.language for one in found] == ["python", "yaml", "python", "text", ""]
    refused, recipe, printing, output, indented = found
    assert refused.why_not == "a network"
    assert recipe.file == "one.yaml"
    assert printing.text == "print(1 + 1)\n"
    assert PAGE.splitlines()[printing.line - 1].strip(" -") == "```python"
    assert (output.is_output, output.within) == (True, 0.1)
    assert all(one.is_understood for one in found)
    assert indented.text == "indented\n"
    session(tmp_path).follow(found[:-1])
    assert (tmp_path / "one.yaml").read_text("utf-8") == "# one.yaml\nmodel: bert-base-uncased\n"


@pytest.mark.parametrize("note", ["not run", "not run: ", "outputs", "within 10", "skip"])
def test_a_note_that_nobody_knows_is_found(note: str) -> None:
    assert not block("python", "", note).is_understood


def test_commands_of_a_block() -> None:
    text = "$ fineprune count \\\n    model  # all of it\nshown\n$ python a.py\n"
    first, second = commands_of(block("console", text))
    assert first.words == ["fineprune", "count", "model"]
    assert first.shown == ["shown"]
    assert second.words == ["python", "a.py"]


def test_what_fails_is_found(tmp_path: Path) -> None:
    reader = session(tmp_path)
    with pytest.raises(ZeroDivisionError) as caught:
        reader.follow([block("python", "1 / 0")])
    assert "test_running.py:1" in caught.value.__notes__[0]
    with pytest.raises(AssertionError, match="runs make"):
        reader.follow([block("console", "$ make demo\n")])
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        reader.follow([block("python", "# a.py\n1 / 0\n"), block("console", "$ python a.py\n")])
    with pytest.raises(AssertionError, match="the page shows"):
        reader.follow([block("console", "$ fineprune count model\nnothing\n")])
    with pytest.raises(AssertionError, match="the page shows"):
        reader.follow([block("python", "print(1)"), block("text", "2\n", "output")])


@pytest.mark.parametrize(
    "command",
    [
        "fineprune train recipe.yaml --ouput runs",
        "fineprune paint model",
        "fineprune count",
        "torchrun --no-python fineprune train recipe.yaml",
        "pip install fineprune[trian]",
        "make dema",
        "python examples/none.py",
    ],
)
def test_a_command_that_there_is_not_is_found(command: str) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - of whoever finds it
        check_command(command.split())


def test_a_key_that_there_is_not_is_found() -> None:
    assert check_recipe(block("yaml", "quantize: {bits: 3, embedding_bits: 3}")) is not None
    with pytest.raises(RecipeError, match="bitz"):
        check_recipe(block("yaml", "quantize: {bitz: 3}"))
