"""`docs/format.md` is enough to read a file: a second reader, made from it, agrees bit by bit."""

from pathlib import Path

import numpy as np
import pytest

from fineprune.packing import pack, read_packed
from tests.packing import reference_reader
from tests.packing.folders import CONFIG, TOKENIZER, tiny_tensors, write_folder


@pytest.mark.parametrize(("bits", "embedding_bits"), [(8, 8), (4, 4), (2, 3), (16, 8), (32, 16)])
def test_a_reader_written_from_the_document_reads_the_same(
    tmp_path: Path, bits: int, embedding_bits: int
) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors(), tokenizer_json=TOKENIZER)
    file = tmp_path / "packed.safetensors"
    pack(folder, file, bits=bits, embedding_bits=embedding_bits)

    ours, theirs = read_packed(file), reference_reader.read(file.read_bytes())

    assert ours.config == theirs.config == CONFIG
    assert ours.attachments == theirs.attachments == {"tokenizer.json": TOKENIZER}
    assert list(ours.tensors) == list(theirs.tensors)
    for name, (shape, values) in theirs.tensors.items():
        array = ours.tensors[name].to_array()
        assert array.shape == tuple(shape)
        np.testing.assert_array_equal(array.ravel(), np.array(values, array.dtype))
