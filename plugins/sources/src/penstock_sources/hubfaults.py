"""What goes wrong with the hub, as errors that say what to do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from penstock.errors import LoadError, ModelNotFound, PenstockError

from penstock_sources.faults import retryable
from penstock_sources.hubspecs import HubSpec

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

__all__ = ["translated", "unreachable"]

_BUSY = 429


def unreachable() -> tuple[type[Exception], ...]:
    """Return what is raised where the hub does not answer, or does not let us in."""
    import httpx2
    from huggingface_hub import errors

    return (
        httpx2.TransportError,
        errors.HfHubHTTPError,
        errors.FileMetadataError,
        errors.OfflineModeIsEnabled,
        errors.LocalEntryNotFoundError,
    )


@contextmanager
def translated(spec: HubSpec, names: Callable[[], list[str]]) -> Iterator[None]:
    """Raise what the hub's client raises as `ModelNotFound` or `LoadError`.

    `names` returns the files of the repository, for a file that it does not have.
    """
    from huggingface_hub import errors

    try:
        yield
    except PenstockError:
        raise
    except errors.EntryNotFoundError as error:
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise _not_here(spec, error) from error
        raise _no_file(spec, names) from error
    except errors.HfHubHTTPError as error:
        raise _answered(spec, error) from error
    except errors.HFValidationError as error:
        raise ModelNotFound(f"{str(spec)!r} names no model: {error}") from error
    except unreachable() as error:
        raise _not_here(spec, error) from error


def _answered(spec: HubSpec, error: HfHubHTTPError) -> LoadError:
    from huggingface_hub import constants, errors

    status = error.response.status_code
    match error:
        case errors.GatedRepoError():
            return LoadError(
                f"{spec.repo!r} is gated: its owner decides who may have it",
                hint=f"Ask for access at {constants.ENDPOINT}/{spec.repo}, then set HF_TOKEN",
            )
        case errors.RevisionNotFoundError():
            return ModelNotFound(
                f"{spec.repo!r} has no revision {spec.revision!r}",
                hint="Leave out the part behind @, or name a branch, a tag or a commit",
            )
        case errors.RepositoryNotFoundError():
            return ModelNotFound(
                f"there is no model {spec.repo!r} on the hub, or it is private",
                hint="Check the name; if it is private, set HF_TOKEN",
            )
    return _refused(spec, status, error)


def _refused(spec: HubSpec, status: int, error: HfHubHTTPError) -> LoadError:
    if status in (401, 403):
        return LoadError(
            f"the hub does not let this token have {spec.repo!r} ({status})",
            hint="Set HF_TOKEN to one that is valid and may read it, or unset it",
        )
    if status == _BUSY or status >= 500:
        after = error.response.headers.get("Retry-After", "")
        return retryable(
            f"the hub is busy or failed, for {spec.repo!r} ({status})",
            "Try again later",
            float(after) if after.isdecimal() else None,
        )
    return LoadError(f"the hub refuses {str(spec)!r} ({status}): {error}")


def _no_file(spec: HubSpec, names: Callable[[], list[str]]) -> ModelNotFound:
    there = [name for name in names() if name.lower().endswith(".gguf")]
    wanted = spec.file or ""
    near = difflib.get_close_matches(wanted, there, n=3, cutoff=0.4) or sorted(there)[:10]
    hint = f"The nearest are {', '.join(map(repr, near))}" if near else "It has no GGUF file"
    return ModelNotFound(f"{spec.repo!r} has no file {wanted!r}", hint=hint)


def _not_here(spec: HubSpec, error: Exception) -> LoadError:
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return ModelNotFound(
            f"{str(spec)!r} is not in the cache, and HF_HUB_OFFLINE is set",
            hint="Unset it for one `penstock pull`, or load what `penstock models` lists",
        )
    return retryable(
        f"the hub cannot be reached for {str(spec)!r}, which is not in the cache: {error!r}",
        "Look at the network (HF_ENDPOINT, proxies), and try again",
    )
