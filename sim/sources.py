"""Where Hydra reads config files while a config is composed: files that are plain and small, and its own package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.core_plugins.structured_config_source import StructuredConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins

from sim.aliases import check_aliases
from sim.fields import ConfigError
from sim.helptext import conf_folder

if TYPE_CHECKING:
    from hydra.plugins.config_source import ConfigResult

#: Bytes of a config file; the largest that comes with the program has 6 kB.
MAX_BYTES = 4_000_000
_OWN, _REGISTERED = "pkg://hydra.conf", "structured://"


class _Files(FileConfigSource):
    """Files of a folder."""

    def load_config(self, config_path: str) -> ConfigResult:
        file = Path(self.path, self._normalize_file_name(config_path))
        if conf_folder() not in file.parents and file.is_file():
            _check(file)
        return super().load_config(config_path)


class _Packages(ImportlibResourcesConfigSource):
    """Hydra's own package: to look into any other would import it."""

    def __init__(self, provider: str, path: str) -> None:
        _only(_OWN, path)
        super().__init__(provider=provider, path=path)


class _Registered(StructuredConfigSource):
    """What Hydra has registered of its own; with the name of a module it would import that."""

    def __init__(self, provider: str, path: str) -> None:
        _only(_REGISTERED, path)
        super().__init__(provider=provider, path=path)


# Hydra knows it by the name of its class.
_Registered.__name__ = StructuredConfigSource.__name__


def _only(own: str, path: str) -> None:
    if path != own:
        raise ConfigError(f"hydra.searchpath = {path}: must be a folder, file:///path. A config imports no programs.")


def _check(file: Path) -> None:
    """Refuse a file that is too large, no text, or stands for too much."""
    try:
        if (size := file.stat().st_size) > MAX_BYTES:
            raise ConfigError(f"{file}: has {size:,} bytes; a config file has at most {MAX_BYTES:,}.")
        check_aliases(file.read_text(encoding="utf-8"))
    except (ConfigError, UnicodeDecodeError, OSError):
        raise
    except ValueError as error:
        raise ConfigError(f"{file}: {error}.") from None


@contextmanager
def plain_sources() -> Iterator[None]:
    """While in effect, Hydra reads from nowhere else; other uses of it in the process stay as they were."""
    Plugins.instance()  # registers its own
    types = SourcesRegistry.instance().types
    before = dict(types)
    types.clear()
    types.update({"file": _Files, "pkg": _Packages, "structured": _Registered})
    try:
        yield
    finally:
        types.clear()
        types.update(before)
