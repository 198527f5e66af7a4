"""Names of entries and keys of the metadata, as `docs/format.md` has them."""

FORMAT = "fineprune"
VERSION = 1

# Entries.
TABLES = "tables"
TENSOR = "tensor:"
ATTACHMENT = "file:"

RESERVED = "__metadata__"
"""Key of the metadata in a safetensors header, and so the name of no tensor."""

# Metadata.
FORMAT_KEY = "format"
VERSION_KEY = "version"
CONFIG_KEY = "config"
PROVENANCE_KEY = "provenance"
TIED_KEY = "tied"
