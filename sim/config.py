"""Hydra and OmegaConf -> a validated `Config`; whatever is wrong becomes one `ConfigError`. Nothing is ever instantiated."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from sim.design import ConfigError
from sim.helptext import conf_folder as conf_folder
from sim.helptext import explain, show
from sim.hydra_errors import NO_KEY, explained, groups
from sim.parameters import THEORY_MIX
from sim.resolvers import register_resolvers
from sim.schema import Config
from sim.sources import plain_sources

#: An override of the design's factors; and values that give a whole factor (by the dots in its key), or all its levels.
_FACTOR = re.compile(r"\+{0,2}(design\.factors(?:\.[^=]*)?)=(.*)", re.DOTALL)
_WHOLE = {2: re.compile(r"(?s)\{.*\bpath\b"), 3: re.compile(r"(?s)\[|\{(?=.*\blow\b)(?=.*\bhigh\b)")}
#: An override of one theory's share (name, share), and of the mix by a mapping.
_SHARE = re.compile(rf"\+{{0,2}}{re.escape(THEORY_MIX)}\.([^=]+)=(.*)", re.DOTALL)
_MIX = re.compile(rf"\+{{0,2}}({re.escape(THEORY_MIX)})=(.*\{{.*)", re.DOTALL)
#: Programs that the settings Hydra comes with name; a handler that writes a file is none of them.
_HYDRA_ITSELF = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "logging.StreamHandler",
    "colorlog.ColoredFormatter",
    "ext://sys.stdout",
    "ext://sys.stderr",
)


def validate(raw: DictConfig | Mapping[str, Any]) -> Config:
    """Check a whole config.

    Parameters
    ----------
    raw : nested keys and values, as composed by Hydra or as plain data; interpolations are resolved.

    Returns
    -------
    Config : typed, in range and frozen. Whether the design's factors fit is for `sim.design.points` to say.

    Raises
    ------
    ConfigError : an unknown key, a value that is not allowed, an interpolation that cannot be resolved.
    """
    register_resolvers()
    with explained():
        tree = _data(OmegaConf.to_container(raw, resolve=True) if isinstance(raw, DictConfig) else raw, "")
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(explain(error, tree)) from None


def compose(overrides: Sequence[str] = ()) -> Config:
    """The config that a command line of overrides makes.

    Parameters
    ----------
    overrides : as for ``python -m sim.run``; ``hydra.searchpath=[file:///path]`` adds a folder of one's own experiments.

    Raises
    ------
    ConfigError : anything wrong with the overrides, the files they name, or the values.

    Examples
    --------
    >>> compose(["population.partners=3"]).population.partners
    3
    """
    return validate(_composed(overrides))


def from_mapping(differences: Mapping[str, Any] | None = None) -> Config:
    """The defaults with differences given as data.

    Parameters
    ----------
    differences : nested or dotted keys (``{"population": {"partners": 3}, "context.trust.mean": 0.8}``). A group's name
        with a word chooses (``{"design": "factorial", "experiment": "sweep"}``). Mappings merge key by key, all else
        replaces; so do levels given whole and the shares of theories. Where a key is given twice, the later one holds.

    Raises
    ------
    ConfigError : an unknown key or choice, a value that is not allowed.
    """
    given = differences or {}
    chosen = {k: v for k, v in given.items() if isinstance(v, str) and k in groups()}
    tree = _composed([f"{'+' * (k == 'experiment')}{k}={v}" for k, v in chosen.items()])
    shares: dict[str, Any] = {}
    for key, value in given.items():
        if key not in chosen:
            if str(key).startswith(f"{THEORY_MIX}."):
                shares[str(key).removeprefix(f"{THEORY_MIX}.")] = value
                key, value = THEORY_MIX, dict(shares)
            for name in reversed(str(key).split(".")):
                value = {name: value}
            tree = _merged(tree, value, "")
    return validate(tree)


def resolved(config: Config) -> dict[str, Any]:
    """Every key and its value, flat and JSON-able: ``{"population.partners": 2, ...}``, in the order of the schema.

    A mix of theories is one value, since a theory's name may be a path, with dots.
    ``from_mapping(resolved(config))`` is `config` again.
    """
    return dict(_flat(config.model_dump(mode="json"), ""))


def _flat(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        inner = isinstance(value, dict) and value and f"{prefix}{name}" != THEORY_MIX
        yield from _flat(value, f"{prefix}{name}.") if inner else [(f"{prefix}{name}", value)]


def prepared(argv: Sequence[str]) -> list[str]:
    """A command line as Hydra takes it, once every job of it has been composed and checked.

    Parameters
    ----------
    argv : flags and overrides, without the program's name. Flags that only print (``--cfg``) show values that are refused.

    Raises
    ------
    ConfigError : a job is refused; nothing has been run.
    """
    flags = _flags(argv)
    if not (flags.hydra_help or flags.shell_completion):
        for job in jobs(flags.overrides) if flags.multirun else [flags.overrides]:
            (_composed if flags.cfg or flags.info else compose)([*job, *_searchpath(flags)])
    return arguments(argv)


def asked(argv: Sequence[str]) -> tuple[list[str], list[str], bool] | None:
    """What a command line with flags asks to run: overrides, more of them that name no job, whether it is a multirun.

    None: flags that print; they are for Hydra, see `prepared`. Nothing else is: it would set up logging, folders and
    programs as a config says.

    Raises
    ------
    ConfigError : a flag that is not taken, or a folder that is not there.
    """
    flags = _flags(argv)
    if flags.cfg or flags.info or flags.hydra_help or flags.shell_completion:
        return None
    return flags.overrides, _searchpath(flags), flags.multirun


def _flags(argv: Sequence[str]) -> Any:
    flags, _ = get_args_parser().parse_known_args(list(argv))
    for name in ("config_path", "config_name", "experimental_rerun"):
        if (value := getattr(flags, name)) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{flag} = {show(value)}: there is no such flag here; --config-dir adds a folder of your own.")
    return flags


def _searchpath(flags: Any) -> list[str]:
    """The override that adds a folder of a user's own."""
    if flags.config_dir is None:
        return []
    folder = Path(flags.config_dir).absolute()
    if not folder.is_dir():
        raise ConfigError(f"--config-dir = {show(flags.config_dir)}: there is no such folder.")
    quoted = f"file://{folder}".replace("\\", "\\\\").replace("'", "\\'")
    return [f"hydra.searchpath=['{quoted}']"]


def jobs(overrides: Sequence[str]) -> Iterable[tuple[str, ...]]:
    """The overrides of each job of a ``--multirun``, in order; errors as `compose`."""
    with _hydra(overrides) as loader:
        # A share does not sweep: it would not sum to 1 with the others.
        parsed = OverridesParser.create(config_loader=loader).parse_overrides([w for w in overrides if not _SHARE.match(w)])
        words = {o.input_line: o.sweep_string_iterator() for o in parsed if o.is_sweep_override()}
        return itertools.product(
            *([f"{w.partition('=')[0]}={v}" for v in words[w]] if w in words else [w] for w in overrides)
        )


def arguments(words: Sequence[str]) -> list[str]:
    """Overrides as Hydra takes them: a factor may be new without a plus; it, its levels or the theories may change form.

    Hydra merges ``{low, high}`` with another mapping and refuses a list; so the old value is cleared first. Shares of
    theories are the whole mix: they become one mapping, in place of the first.
    """
    shares = {match[1]: match[2] for word in words if (match := _SHARE.fullmatch(word))}
    # Inside a mapping Hydra takes a name with dots and slashes; whatever else it reads is escaped.
    mix = ",".join(re.sub(r"([()[\]{}:, \\])", r"\\\1", name) + f":{share}" for name, share in shares.items())
    found: list[str] = []
    for word in words:
        match = _FACTOR.fullmatch(word) or _MIX.fullmatch(word)
        key, value = match.groups() if match else ("", "")
        if _SHARE.fullmatch(word):
            key, value, mix = THEORY_MIX, f"{{{mix}}}" * bool(mix), ""
        whole = _WHOLE.get(key.count("."))
        if key == THEORY_MIX or (whole and whole.match(value)):
            found += [f"++{key}=0", f"{key}={value}"] * bool(value)
        else:
            found.append(f"++{key}={value}" if match else word)
    return found


@contextlib.contextmanager
def _hydra(overrides: Sequence[str]) -> Iterator[ConfigLoader]:
    """Hydra on the config folder, leaving any other use of it in the process as it was."""
    here = GlobalHydra.instance()
    before, here.hydra = here.hydra, None
    try:
        with explained(overrides), plain_sources(), hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
            yield GlobalHydra.instance().config_loader()
    finally:
        GlobalHydra.instance().hydra = before


def _composed(overrides: Sequence[str]) -> Any:
    register_resolvers()
    with _hydra(overrides):
        tree = hydra.compose("config", arguments(overrides), return_hydra_config=True)
        _check_hydra(OmegaConf.to_container(tree.hydra), "hydra")
        return OmegaConf.to_container(OmegaConf.masked_copy(tree, [str(k) for k in tree if k != "hydra"]), resolve=True)


def _check_hydra(tree: Any, key: str) -> None:
    """Hydra's own settings name no program of a user's."""
    for name, value in tree.items() if isinstance(tree, dict) else ():
        names = name in ("_target_", "()", "class") or (isinstance(value, str) and value.startswith(("ext://", "cfg://")))
        if (names and value not in _HYDRA_ITSELF) or (name == "callbacks" and value):
            raise ConfigError(f"{key}.{name} = {show(value)}: {NO_KEY} A config runs no programs.")
        _check_hydra(value, f"{key}.{name}")


def _data(value: Any, key: str) -> Any:
    """Plain data: arrays and ranges as lists, paths and names as text."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            raise ConfigError(f"{f'{key}._target_'.lstrip('.')} = {show(value['_target_'])}: {NO_KEY}")
        if any(isinstance(k, bool) for k in value):
            raise ConfigError(f"{key}: a name such as yes, no, on or off reads as true or false; put it in quotes.")
        return {str(k): _data(v, f"{key}.{show(k)}".lstrip(".")) for k, v in value.items()}
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple | range):
        return [_data(v, f"{key}[{k}]") for k, v in enumerate(value)]
    if value is None or isinstance(value, str | int | float | Path):
        return str(value) if isinstance(value, Path) else value
    raise ConfigError(f"{key} = {show(value)}: must be a number, a word, true, false, null, a list or a mapping.")


def _merged(base: Any, new: Any, key: str) -> Any:
    """`new` over `base`, key by key."""
    levels = key.endswith(".levels") and isinstance(new, Mapping) and {"low", "high"} <= set(new)
    whole = levels or key == f".{THEORY_MIX}"
    if whole or not (isinstance(base, Mapping) and isinstance(new, Mapping)):
        return new
    return {**base, **{k: _merged(base.get(k), v, f"{key}.{k}") for k, v in new.items()}}
