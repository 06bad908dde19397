"""What Hydra, OmegaConf and YAML raise, in words: the key, its value, what is allowed, the nearest name."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterator, Sequence

import yaml
from hydra.errors import MissingConfigException, OverrideParseException

from sim.design import ConfigError
from sim.helptext import allowed, conf_folder, nearest, paths, show
from sim.resolvers import LISTS

NO_KEY = "there is no such key."
#: Characters of a message; names in a file may be of any length.
LONGEST = 1000
#: What Hydra and OmegaConf say -> what is wrong with a key.
_SAID = (
    (r"Could not override '(?P<key>experiment)'\. No match", "an experiment is added with a plus, +experiment=NAME."),
    (r"Could not (override|delete).*?'/?(?P<key>[^']*)'", NO_KEY),
    (r"(Could not append.*?'|Multiple values for )(?P<key>[\w./@]*\w)", "has a value already; write it without the plus."),
    (r"(Ambiguous value for argument|Sweep parameters) '\+*(?P<key>[^=]*)", "takes one value; several need --multirun."),
    (r"In '(?P<key>[^']*)': ConfigTypeError|Error merging override \+*(?P<word>[^=]*)", "lists and mappings do not merge."),
    (r"resolving interpolation: (?P<it>.*?)( full_key.*|$)", "{it}"),
    (r"Interpolation key '(?P<it>[^']*)'", f"{{it}}: {NO_KEY}"),
    (r"Unsupported interpolation type (?P<it>\S*)", f"there is no function {{it}}; known are {', '.join(LISTS)}."),
    (r"Config group override must be", "must be the name of one of the group's choices; --help lists them."),
    (r"Recursive interpolation", "the value refers to itself."),
)


@contextlib.contextmanager
def explained(overrides: Sequence[str] = ()) -> Iterator[None]:
    """Turn what Hydra, OmegaConf and YAML raise in the block into one `ConfigError`; errors of a job of Hydra's pass.

    Parameters
    ----------
    overrides : the words in question, for the message.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ConfigError) or "run_job" in {f.name for f in traceback.extract_tb(error.__traceback__)}:
            raise
        said = _message(error, overrides)
        raise ConfigError(said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}...") from None


def groups() -> list[str]:
    """The config groups: population, strategies, ..., experiment."""
    return sorted(folder.name for folder in conf_folder().iterdir() if folder.is_dir())


def _message(error: Exception, overrides: Sequence[str]) -> str:
    """What is wrong, in one line: the key, its value, what is allowed, the nearest name."""
    text = " ".join(str(error).split())
    if isinstance(error, OverrideParseException):
        return f"{show(error.override)}: cannot be read as key=value; check brackets, quotes and commas."
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark):
        return f"{mark.name}, line {mark.line + 1}: not valid YAML, {error.problem}."
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        options = sorted(error.options or [])
        return f"{group or 'config'} = {name}: must be one of {', '.join(options)}.{nearest(name, options)}"
    given = {word.lstrip("+~").partition("=")[0]: word.partition("=")[2] for word in overrides}
    below = str(getattr(error.__cause__ or error, "full_key", None) or next((k for k in given if k in groups()), ""))
    if "Error merging override" in text and (field := paths().get(below)):
        return f"{below} = {show(given.get(below))}: must be {allowed(field.annotation, field.metadata)}."
    for pattern, said in _SAID:
        if match := re.search(pattern, text):
            found = match.groupdict("")
            it, key = found.get("it", ""), found.get("key") or found.get("word") or below
            if it.startswith("${"):
                return f"{below} = {it}"
            key = below if below.startswith(f"{key}.") else key
            hint = nearest(it or key, [*paths(), *groups()]) if said.endswith(NO_KEY) else ""
            return f"{key}{f' = {show(given[key])}' if given.get(key) else ''}: {said.format(it=it)}{hint}"
    return f"{show(' '.join(key for key in overrides if not key.startswith('hydra.')))}: {text}."
