"""From a packed file to a repository on a hub."""

from pathlib import Path, PurePosixPath

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

from fineprune.errors import HubError
from fineprune.hub.card import CARD, model_card
from fineprune.packing import PackedModel, read_packed
from fineprune.packing.modules import WEIGHTS
from fineprune.packing.places import CONFIG, FILENAME, is_packed_folder, packed_file
from fineprune.wording import first_line


def push(
    source: str | Path,
    repo_id: str,
    *,
    filename: str | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    private: bool | None = None,
    commit_message: str = "Upload a packed model",
    create_pr: bool = False,
) -> str:
    """Uploads a packed model in one commit, with a model card where the repository has none.

    Args:
        source: a packed file; or a folder with one, of which all that belongs to the model goes
            along if transformers loads it.
        repo_id: name of the repository, such as `user/model`; it is created if it is not there.
        filename: of the file there; without, `model.fineprune.safetensors`.
        revision: branch to commit to.
        token: of somebody who may write there; without, the one that is saved.
        private: whether a repository that is created is private.
        commit_message: of the commit.
        create_pr: whether to propose the commit and not to make it.

    Returns:
        The address of the commit.

    Raises:
        PackedFileError: there is no packed model.
        HubError: it cannot be uploaded.
    """
    path = packed_file(Path(source))
    packed = read_packed(path, tensors=())
    files = {filename or FILENAME: path} | _companions(Path(source), packed, filename)
    api = HfApi(token=token, library_name="fineprune")
    try:
        name = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        operations = [CommitOperationAdd(place, str(one)) for place, one in files.items()]
        if not api.file_exists(name, CARD, revision=revision):
            card = _card(Path(source), packed, path.stat().st_size, name)
            operations.append(CommitOperationAdd(CARD, card.encode()))
        commit = api.create_commit(
            name,
            operations,
            commit_message=commit_message,
            revision=revision,
            create_pr=create_pr,
        )
    except HFValidationError as error:
        raise HubError(f"{repo_id!r} is no name of a repository, such as user/model") from error
    except OfflineModeIsEnabled as error:
        raise HubError(f"{repo_id}: nothing can be uploaded in offline mode") from error
    except Exception as error:  # of the network, whose library is another in each version
        raise HubError(f"{repo_id}: {path} cannot be uploaded: {first_line(error)}") from error
    return str(commit.commit_url)


def _card(source: Path, packed: PackedModel, size: int, repository: str) -> str:
    """The folder's own card if somebody wrote it; else one that calls the model as the hub does."""
    is_folder = is_packed_folder(source)
    file = source / CARD
    if is_folder and file.is_file():
        own = file.read_text("utf-8")
        if own != model_card(packed, source.resolve().name, size, folder=True):
            return own
    return model_card(packed, repository, size, folder=is_folder)


def _companions(folder: Path, packed: PackedModel, filename: str | None) -> dict[str, Path]:
    """What lies beside the packed file and belongs to the model, by path in the repository.

    Raises:
        HubError: the file would have a name there by which transformers does not find it.
    """
    if not is_packed_folder(folder):
        return {}
    if filename not in (None, FILENAME):
        raise HubError(
            f"{folder} is loaded by transformers, which looks for {FILENAME} and not for "
            f"{filename}: leave filename out, or push the file alone"
        )
    modules = {str(PurePosixPath(name).parent) for name in packed.attachments if "/" in name}
    weights = {f"{module}/{WEIGHTS}" for module in modules}
    names = (CONFIG, *packed.attachments, *sorted(weights))
    return {name: folder / name for name in names if (folder / name).is_file()}
