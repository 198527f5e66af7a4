"""Names of entries and keys of the metadata, as `docs/format.md` has them."""

FORMAT = "fineprune"
VERSION = 1

# Entries.
TABLES = "tables"
TENSOR = "tensor:"
ATTACHMENT = "file:"

# Metadata.
FORMAT_KEY = "format"
VERSION_KEY = "version"
CONFIG_KEY = "config"
PROVENANCE_KEY = "provenance"
TIED_KEY = "tied"
