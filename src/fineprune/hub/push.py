"""From a packed file to a repository on a hub."""

from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

from fineprune.errors import HubError
from fineprune.hub.card import CARD, model_card
from fineprune.hub.files import FILENAME
from fineprune.packing import read_packed


def push(
    file: str | Path,
    repo_id: str,
    *,
    filename: str = FILENAME,
    revision: str | None = None,
    token: str | bool | None = None,
    private: bool | None = None,
    commit_message: str = "Upload a packed model",
    create_pr: bool = False,
) -> str:
    """Uploads a packed file in one commit, with a model card where the repository has none.

    Args:
        file: packed.
        repo_id: name of the repository, such as `user/model`; it is created if it is not there.
        filename: of the file there.
        revision: branch to commit to.
        token: of somebody who may write there; without, the one that is saved.
        private: whether a repository that is created is private.
        commit_message: of the commit.
        create_pr: whether to propose the commit and not to make it.

    Returns:
        The address of the commit.

    Raises:
        PackedFileError: the file is no packed model.
        HubError: it cannot be uploaded.
    """
    path = Path(file)
    packed = read_packed(path, tensors=())
    api = HfApi(token=token, library_name="fineprune")
    try:
        name = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        operations = [CommitOperationAdd(filename, str(path))]
        if not api.file_exists(name, CARD, revision=revision):
            card = model_card(packed, name, path.stat().st_size)
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
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise HubError(f"{repo_id}: {path} cannot be uploaded: {reason}") from error
    return str(commit.commit_url)
