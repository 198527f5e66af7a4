"""Engines by name, against a hub on this machine. Each in a process: its address is read once."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fineprune import Engine, pack_folder
from fineprune.errors import HubError
from tests.engine.zoo import build, save_packed
from tests.hub.hub_server import TOKEN, Hub, serving
from tests.workspace import make_tokenizer

NAME = "me/model"
FILE = "model.fineprune.safetensors"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as hub:
        yield hub


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    make_tokenizer().save_pretrained(folder / "model")
    return save_packed(build("bert", "sequence"), folder / "model", "sequence").file


ASK = """
import json, sys
from fineprune import Engine
from fineprune.errors import HubError
try:
    {code}
except HubError as error:
    print(json.dumps(str(error)))
assert "torch" not in sys.modules
"""


def python(hub: Hub, folder: Path, program: str, **environment: str) -> Any:
    """What a fresh interpreter prints as JSON."""
    settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(folder / "home"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**kept, **settings, **environment},
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def answer(hub: Hub, folder: Path, options: str = "", **environment: str) -> Any:
    code = f'print(json.dumps(Engine.from_pretrained("{NAME}", threads=1{options})("w1 w2")))'
    return python(hub, folder, ASK.format(code=code), **environment)


def test_a_model_by_name(hub: Hub, file: Path, tmp_path: Path) -> None:
    hub.files[NAME, "main", FILE] = file.read_bytes()
    expected = Engine(file, threads=1)("w1 w2")
    assert answer(hub, tmp_path)["label"] == expected["label"]
    # From then on it is there, without the hub.
    seen = len(hub.requests)
    assert answer(hub, tmp_path, HF_HUB_OFFLINE="1") == answer(hub, tmp_path)
    offline = answer(hub, tmp_path, ", local_files_only=True")
    assert offline["label"] == expected["label"]
    assert all(request.startswith("HEAD") for request in hub.requests[seen:])


def test_file_revision_token_and_cache(hub: Hub, file: Path, tmp_path: Path) -> None:
    hub.files[NAME, "v2", "deep/other.safetensors"] = file.read_bytes()
    hub.private.add(NAME)
    options = ', filename="deep/other.safetensors", revision="v2"'
    cache = tmp_path / "cache"
    assert "is private and needs a token" in answer(hub, tmp_path, options)
    options += f', token="{TOKEN}", cache_dir={str(cache)!r}'
    assert answer(hub, tmp_path, options)["label"].startswith("LABEL_")
    assert any(path.name == "other.safetensors" for path in cache.rglob("*"))


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        ("", {}, "the repository has no file 'model.fineprune.safetensors'"),
        (', revision="v9"', {}, "the repository has no revision 'v9'"),
        (", local_files_only=True", {}, "is not in the cache, and nothing was downloaded"),
        ("", {"HF_HUB_OFFLINE": "1"}, "is not in the cache, and nothing was downloaded"),
        ("", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "is not in the cache, and nothing was"),
    ],
)
def test_what_cannot_be_had(
    options: str, environment: dict[str, str], said: str, hub: Hub, tmp_path: Path
) -> None:
    hub.files[NAME, "main", "README.md"] = b""
    message = answer(hub, tmp_path, options, **environment)
    assert said in message
    assert "\n" not in message


def test_repositories_that_are_closed(hub: Hub, tmp_path: Path) -> None:
    assert "no such repository on the hub" in answer(hub, tmp_path)
    hub.gated.add(NAME)
    assert "its owner lets only some people have it" in answer(hub, tmp_path)


def push(hub: Hub, folder: Path, file: Path, options: str = "", **environment: str) -> Any:
    code = (
        f"print(json.dumps(Engine({str(file)!r}, threads=1)"
        f'.push_to_hub("{NAME}", token="{TOKEN}"{options})))'
    )
    return python(hub, folder, ASK.format(code=code), **environment)


def test_push(hub: Hub, file: Path, tmp_path: Path) -> None:
    url = push(hub, tmp_path, file)
    assert url == f"{hub.url}/{NAME}/commit/{'2' * 40}"
    assert hub.files[NAME, "main", FILE] == file.read_bytes()
    card = hub.files[NAME, "main", "README.md"].decode()
    assert card.startswith("---\nlibrary_name: fineprune\n")
    assert "pipeline_tag: text-classification" in card
    assert f'Engine.from_pretrained("{NAME}")' in card
    assert answer(hub, tmp_path)["label"].startswith("LABEL_")


def test_push_leaves_a_card_alone(hub: Hub, file: Path, tmp_path: Path) -> None:
    hub.files[NAME, "main", "README.md"] = b"mine"
    push(hub, tmp_path, file, ', filename="other.safetensors"')
    assert hub.files[NAME, "main", "README.md"] == b"mine"
    assert hub.files[NAME, "main", "other.safetensors"] == file.read_bytes()


def test_what_cannot_be_pushed(hub: Hub, file: Path, tmp_path: Path) -> None:
    assert "offline mode" in push(hub, tmp_path, file, HF_HUB_OFFLINE="1")
    message = push(hub, tmp_path, file, HF_ENDPOINT="http://127.0.0.1:9")
    assert "cannot be uploaded" in message
    assert "\n" not in message


@pytest.fixture(scope="module")
def packed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed_folder")
    make_tokenizer().save_pretrained(folder / "model")
    build("bert", "sequence").save_pretrained(folder / "model")
    pack_folder(folder / "model", folder / "packed")
    (folder / "packed/mine.txt").write_text("not of the model")
    return folder / "packed"


def test_push_a_folder(hub: Hub, packed_folder: Path, tmp_path: Path) -> None:
    push(hub, tmp_path, packed_folder)
    names = {path for repo, _, path in hub.files if repo == NAME}
    of_model = {"config.json", FILE, "tokenizer.json", "tokenizer_config.json"}
    assert names - {".gitattributes"} == {"README.md", *of_model}
    for name in of_model:
        assert hub.files[NAME, "main", name] == (packed_folder / name).read_bytes()
    said = push(hub, tmp_path, packed_folder, ', filename="other.safetensors"')
    assert "which looks for model.fineprune.safetensors and not for other.safetensors" in said


def test_the_card_of_a_folder_is_pushed(hub: Hub, packed_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(packed_folder, tmp_path / "copy")
    (copy / "README.md").write_text("mine")
    push(hub, tmp_path, copy)
    assert hub.files[NAME, "main", "README.md"] == b"mine"


def test_the_file_of_a_folder_is_pushed_alone(
    hub: Hub, packed_folder: Path, tmp_path: Path
) -> None:
    push(hub, tmp_path, packed_folder / FILE)
    names = {path for repo, _, path in hub.files if repo == NAME}
    assert names == {".gitattributes", "README.md", FILE}


def test_transformers_loads_what_was_pushed(hub: Hub, packed_folder: Path, tmp_path: Path) -> None:
    push(hub, tmp_path, packed_folder)
    program = f"""
import json
import fineprune.huggingface
import torch
from transformers import AutoModelForSequenceClassification
model = AutoModelForSequenceClassification.from_pretrained("{NAME}")
print(json.dumps(model(torch.tensor([[2, 7, 9, 3]])).logits.tolist()))
"""
    [found] = python(hub, tmp_path, program)
    expected = Engine(packed_folder, threads=1).run([[2, 7, 9, 3]])["logits"][0]
    assert found == pytest.approx(expected.tolist(), abs=1e-5)


# Without a hub.


def test_files_and_folders(file: Path, tmp_path: Path) -> None:
    expected = Engine(file, threads=1)("w1")
    assert Engine.from_pretrained(file, threads=1)("w1") == expected
    with pytest.raises(HubError, match=f"holds no packed file {FILE}; name one"):
        Engine.from_pretrained(tmp_path)
    (tmp_path / "small.fineprune.safetensors").write_bytes(file.read_bytes())
    assert Engine.from_pretrained(tmp_path, threads=1)("w1") == expected
    (tmp_path / "large.fineprune.safetensors").write_bytes(file.read_bytes())
    with pytest.raises(HubError, match=r"holds 'large.*', 'small.*'; say which with filename"):
        Engine.from_pretrained(tmp_path)
    name = "small.fineprune.safetensors"
    assert Engine.from_pretrained(tmp_path, filename=name, threads=1)("w1") == expected
    (tmp_path / FILE).write_bytes(file.read_bytes())
    engine = Engine.from_pretrained(str(tmp_path), threads=1)
    assert (engine.path, engine.origin) == (tmp_path / FILE, tmp_path)
    assert Engine.from_pretrained(file, threads=1).origin == file


def test_names_that_are_none() -> None:
    with pytest.raises(HubError, match="neither a file nor a folder, nor a name such as user"):
        Engine.from_pretrained("no/such/folder/anywhere")
