"""YAML whose aliases multiply: refused from its text, before what they stand for is made."""

from __future__ import annotations

import yaml

#: Values that a text may stand for once every alias of it is written out; a text without any is as long as its values.
MOST_VALUES = 100_000


def check_aliases(text: str) -> None:
    """Refuse a text that stands for far more than it holds.

    Parameters
    ----------
    text : YAML.

    Raises
    ------
    ValueError : an alias within what it stands for, too many values, or too deep; the message ends a sentence.
    yaml.YAMLError : no YAML.
    """
    if "*" not in text:
        return
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        number = _values(root, {}) if root is not None else 0
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if number > MOST_VALUES:
        raise ValueError(f"stands for more than {MOST_VALUES:,} values once its aliases are written out")


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """Values below a node, those of an alias counted wherever it stands; 0 in `known`: being counted."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    found = known.get(id(node))
    if found == 0:
        raise ValueError("holds an alias within what it stands for")
    if found is None:
        known[id(node)] = 0
        inner = [each for pair in node.value for each in pair] if isinstance(node, yaml.MappingNode) else node.value
        found = known[id(node)] = 1 + sum(_values(each, known) for each in inner)
    return found
