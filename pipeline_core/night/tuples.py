"""Lists that people write as Python does, ``pos1: (1602050420, 1602050450)``: YAML knows brackets only."""

from __future__ import annotations

import yaml

__all__ = ["with_lists"]

_BRACKETS = str.maketrans("()", "[]")


def with_lists(node: yaml.Node, text: str) -> yaml.Node:
    """Return a node in which lists in parentheses are lists.

    Parameters
    ----------
    node : yaml.Node
        Part of a file; what holds no parentheses stays as it is.
    text : str
        The whole file.
    """
    if isinstance(node, yaml.MappingNode):
        node.value = [(key, with_lists(value, text)) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode) and not node.flow_style:
        node.value = [with_lists(one, text) for one in node.value]
    elif isinstance(node, yaml.SequenceNode):
        # YAML has taken the parentheses for letters of the first and the last number
        return _read(text[node.start_mark.index : node.end_mark.index], node)
    elif node.style is None and node.value.startswith("(") and node.value.endswith(")"):
        found = _read(f"[{node.value}]", node)
        # one list, or several one behind the other
        if isinstance(found, yaml.SequenceNode) and len(found.value) == 1:
            return found.value[0]
        return found
    return node


def _read(text: str, node: yaml.Node) -> yaml.Node:
    """Return what a text means with brackets for parentheses; the node itself if that is nothing."""
    if "(" not in text:
        return node
    try:
        found = yaml.compose(text.translate(_BRACKETS), yaml.SafeLoader)
    except yaml.YAMLError:
        return node
    _place(found, node)
    return found


def _place(found: yaml.Node, node: yaml.Node) -> None:
    """Give new nodes the place of the old one, so that messages name its line."""
    found.start_mark, found.end_mark = node.start_mark, node.end_mark
    if isinstance(found, yaml.SequenceNode):
        for one in found.value:
            _place(one, node)
