"""Where a store may be: checks of the path, the folders beside it, and a lock that keeps a second run away."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sim.design import ConfigError
from sim.opening import read
from sim.provenance import PROGRAM
from sim.store import Store

LONGEST_NAME = 200
LONGEST_PATH = 3800


def siblings(path: Path) -> tuple[Path, Path, Path]:
    """Folders beside a store: being built, being extended, and the previous one while the two change places."""
    new, extending, previous = (path.with_name(f".{path.name}.{kind}") for kind in ("new", "extending", "previous"))
    return new, extending, previous


def inspect(path: Path) -> Store | None:
    """The store at a path, or None where there is nothing yet.

    Parameters
    ----------
    path : absolute, links resolved.

    Raises
    ------
    ConfigError : the path is something else, is too long, lies in a store, or cannot be written.
    """
    where = f"output.path = {str(path)!r}"
    here = Path.cwd()
    if path == here or path in here.parents:
        raise ConfigError(f"{where} is the folder you are in, or one around it; give the store a name of its own.")
    if len(os.fsencode(path.name)) > LONGEST_NAME or len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError(f"{where[:100]}...: a name takes at most {LONGEST_NAME} bytes, a path {LONGEST_PATH}.")
    if not path.name.strip():
        raise ConfigError(f"{where}: the store needs a name.")
    parent = next(p for p in path.parents if p.exists())
    if not parent.is_dir():
        raise ConfigError(f"{where}: {parent} is a file, not a folder.")
    if any((p / ".zgroup").exists() for p in path.parents):
        raise ConfigError(f"{where} lies inside another store; choose another output.path.")
    for sibling in siblings(path):
        if sibling.exists() and not _ours(sibling):
            raise ConfigError(f"{where}: {sibling} is in the way and not of this program; move it, or choose another path.")
    if not path.exists():
        if not os.access(parent, os.W_OK):
            raise ConfigError(f"{where}: the folder {parent} is not writable; choose another output.path.")
        return None
    if not path.is_dir():
        raise ConfigError(f"{where} is a file; choose a new path or one of a store of this program.")
    if not any(path.iterdir()):
        return None
    found = read(path)
    if found is None:
        raise ConfigError(f"{where} is a folder that is no store of this program and stays as it is; choose another.")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{where} is not writable; choose another output.path.")
    return found


def _ours(folder: Path) -> bool:
    """Whether a folder beside a store is one this program left; what was begun and never filled is."""
    if not folder.is_dir():
        return False
    attributes = folder / ".zattrs"
    if attributes.exists():
        return f'"{PROGRAM}"' in attributes.read_text(encoding="utf-8", errors="replace")
    # Of a file that was being written when the process died there is a part.
    return {p.name for p in folder.iterdir() if not p.name.endswith(".partial")} <= {".zgroup"}


def _lock_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def tidy(path: Path) -> None:
    """Take away the lock file that a run left which died; it held nothing. That of a run that lives stays."""
    if _lock_file(path).exists():
        with suppress(ConfigError, OSError), lock(path):
            pass


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Keep other runs away from a store while this one writes it; a process that dies holds nothing.

    Raises
    ------
    ConfigError : another run is writing the store.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _lock_file(path)
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise ConfigError(
                f"output.path = {str(path)!r}: another run is writing this store; wait for it, or choose another path."
            ) from None
        # A run that ends removes the file; what was locked may be one already gone.
        if file.exists() and os.stat(file).st_ino == os.fstat(handle).st_ino:
            break
        os.close(handle)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(handle)
