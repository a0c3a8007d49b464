"""pull_remote: download of a bundle that a service packs."""

import errno
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from gatefront.search.bundle.staging import placing, require_free
from gatefront.search.service.client.client import Client, RemoteFailedError, study_path

MOST_BYTES = 8 * 1024**3
_LOOK_S = 1.0


def pull_remote(
    client: Client,
    study: str,
    wanted: dict[str, Any],
    output: Path,
    *,
    say: Callable[[str], None] = lambda _step: None,
    look_s: float = _LOOK_S,
) -> Path:
    """Request a bundle, wait for it, and unpack it to ``output``. On failure nothing is left there.

    Raises:
        OutputFolderError: ``output`` holds something already, or nothing can be written there.
        RemoteRefusedError, RemoteFailedError: the service has no such network, or cannot pack it.
    """
    require_free(output)
    job = _wait(client, study, client.send("POST", study_path(study, "bundles"), wanted), say, look_s)
    output = output.absolute()
    with placing(output) as partial:
        archive = partial / "bundle.zip"
        client.download(study_path(study, "bundles", job["id"], "download"), archive, most_bytes=MOST_BYTES)
        unpack(archive, partial)
        archive.unlink()
    return output


def unpack(archive: Path, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
    """Extract the files of the one folder that the zip holds.

    Raises:
        RemoteFailedError: it is no such zip, has paths outside its folder, or is larger than ``most_bytes``.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > most_bytes:
                raise RemoteFailedError(f"the bundle has more than {most_bytes} bytes.")
            for entry in packed.infolist():
                target = folder / _name(entry.filename)
                # zipfile raises an error for an entry whose declared size is wrong.
                with packed.open(entry) as source, target.open("xb") as out:
                    shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, zlib.error, EOFError, FileExistsError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, RemoteFailedError):
            raise
        raise RemoteFailedError(f"what the service sent is not a bundle: {error}.") from error
    except OSError as error:
        # zipfile seeks to an entry's declared offset, which may lie before the start of the file.
        if error.errno != errno.EINVAL:
            raise
        raise RemoteFailedError(f"what the service sent is not a bundle: {error}.") from error


def _name(path: str) -> str:
    parts = PurePosixPath(path).parts
    if len(parts) != 2 or parts[0] in ("/", "..") or parts[1] == ".." or "\\" in path or "\0" in path:
        raise RemoteFailedError(f"what the service sent is not a bundle: it has a file {path!r}.")
    return parts[1]


def _wait(client: Client, study: str, job: dict[str, Any], say: Callable[[str], None], look_s: float) -> dict[str, Any]:
    said = ""
    while job["state"] in ("waiting", "packing"):
        if job["step"] and job["step"] != said:
            said = job["step"]
            say(said)
        time.sleep(look_s)
        job = client.get(study_path(study, "bundles", job["id"]))
    if job["state"] == "failed":
        raise RemoteFailedError(job["error"])
    return job
