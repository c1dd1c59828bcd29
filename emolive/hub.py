"""Fetches published weights from the Hugging Face hub: only the files a kind needs.

The library keeps its downloads and takes up interrupted ones; its errors become a sentence that
says what to download by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from emolive.errors import InputError, WorkError

_CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A download.

    Attributes:
        folder: where the files lie, below the names they have in the repository.
        revision: the commit they are from.
    """

    folder: Path
    revision: str


def fetch(
    repository: str, parts: Mapping[str, Sequence[str]], *, revision: str | None = None
) -> Fetched:
    """Download the best available file of each part, and the configuration beside it.

    Args:
        repository: ``owner/name``.
        parts: names a file may have, the best first, by part.
        revision: commit, tag or branch; None takes the newest.

    Raises:
        WorkError: the hub cannot be reached, or refuses; says what to do by hand.
        InputError: it has no such repository, revision or file.
    """
    if find_spec("huggingface_hub") is None:
        raise WorkError("Downloads need more packages: pip install 'emolive[sd15]'")
    folders = [_first_of(repository, names, revision) for names in parts.values()]
    root = folders[0]
    return Fetched(root, root.name)


def _first_of(repository: str, names: Sequence[str], revision: str | None) -> Path:
    """Download the first of some files that exists; return the snapshot's folder."""
    for name in names:
        file = _one(repository, name, revision)
        if file is not None:
            _one(repository, str(Path(name).with_name(_CONFIG)), revision)
            return file.parents[len(Path(name).parts) - 1]
    raise InputError(f"{repository} has none of {', '.join(names)}. Is it the right repository?")


def _one(repository: str, name: str, revision: str | None) -> Path | None:
    """Download one file; None if the repository does not have it."""
    from huggingface_hub import errors, hf_hub_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # its client's base

    by_hand = (
        f"Download {name} from https://huggingface.co/{repository}/tree/{revision or 'main'} "
        f"(and {_CONFIG}, if there is one) into a folder, and name that folder instead."
    )
    try:
        return Path(hf_hub_download(repository, name, revision=revision))
    except errors.LocalEntryNotFoundError as exc:
        raise WorkError(
            f"There is no {repository} here, and the hub cannot be reached. {by_hand}"
        ) from exc
    except errors.RemoteEntryNotFoundError:
        return None
    except errors.GatedRepoError as exc:
        raise WorkError(
            f"{repository} is only given to people who accept its terms there. {by_hand}"
        ) from exc
    except errors.RevisionNotFoundError as exc:
        raise InputError(f"{repository} has no revision {revision}.") from exc
    except errors.RepositoryNotFoundError as exc:
        raise InputError(
            f"The hub shows no repository {repository}, and there is no such file or folder here."
        ) from exc
    except errors.HFValidationError as exc:
        raise InputError(
            f"{repository} is no file, no folder and no name of a repository."
        ) from exc
    except (HTTPError, OSError) as exc:
        raise WorkError(f"The hub refused ({type(exc).__name__}: {exc}). {by_hand}") from exc
