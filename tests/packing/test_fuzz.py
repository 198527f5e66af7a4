from tests.packing.fuzz import fuzz


def test_mutated_files_are_read_or_refused() -> None:
    outcomes = fuzz(count=3000, seed=20)
    # Mutations reach every part of the reader, not only the checksum.
    assert {
        "success",
        "ChecksumError",
        "ContainerError",
        "CountError",
        "LimitError",
        "MetadataError",
        "RecordError",
        "StreamError",
        "StreamRangeError",
        "TruncatedError",
        "ValueRangeError",
        "VersionError",
    } <= outcomes.keys()
