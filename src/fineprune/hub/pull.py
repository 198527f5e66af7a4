"""From the name of a repository to a packed file on this machine."""

from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from fineprune.errors import HubError, PackedFileError
from fineprune.packing.places import FILENAME, packed_file
from fineprune.wording import first_line


def pull(
    source: str | Path,
    *,
    filename: str | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """The packed file that a name stands for.

    Args:
        source: a packed file, a folder with one, or the name of a repository (`user/model`), the
            file of which is taken from the cache of huggingface_hub, or downloaded into it.
        filename: of the file in the folder or repository; without, `model.fineprune.safetensors`.
        revision: of the repository: a branch, a tag or a commit.
        token: for private repositories; without, the one that is saved.
        cache_dir: in place of the cache of huggingface_hub.
        local_files_only: whether nothing is downloaded. Offline mode (`HF_HUB_OFFLINE`) is heard.

    Raises:
        HubError: there is no such file, or it cannot be had.
    """
    path = Path(source)
    if path.exists():
        try:
            return packed_file(path, filename)
        except PackedFileError as error:
            raise HubError(str(error)) from error
    name = filename or FILENAME
    try:
        return Path(
            hf_hub_download(
                str(source),
                name,
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                library_name="fineprune",
            )
        )
    except HFValidationError as error:
        raise HubError(
            f"{source} is neither a file nor a folder, nor a name such as user/model"
        ) from error
    except GatedRepoError as error:
        raise HubError(
            f"{source}: its owner lets only some people have it; ask there, and give your token"
        ) from error
    except RepositoryNotFoundError as error:
        raise HubError(
            f"{source}: there is no such file or folder here, and no such repository on the hub, "
            "or it is private and needs a token"
        ) from error
    except RevisionNotFoundError as error:
        raise HubError(f"{source}: the repository has no revision {revision!r}") from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise HubError(
            f"{source}: {name} is not in the cache, and nothing was downloaded: offline, told not "
            "to, or the hub cannot be reached"
        ) from error
    except EntryNotFoundError as error:
        raise HubError(
            f"{source}: the repository has no file {name!r}; name one with filename, or pack the "
            "model and push it"
        ) from error
    except Exception as error:  # of the network, whose library is another in each version
        raise HubError(f"{source}: {name} cannot be downloaded: {first_line(error)}") from error
