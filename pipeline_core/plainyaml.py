"""Settings files in plain YAML: data only, never tags that run code, and no key twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipeline_core.errors import ConfigError, InputFormatError

__all__ = ["plain_yaml"]


def plain_yaml(path: Path) -> dict[str, Any]:
    """Read a file of plain YAML, in which no key stands twice.

    Raises
    ------
    InputFormatError
        If it cannot be read or is not plain YAML.
    ConfigError
        If a key stands twice, or there are no keys.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _PlainLoader)  # a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise InputFormatError(f"Settings {path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise InputFormatError(f"Settings {path} are not plain YAML: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (
        ValueError,
        RecursionError,
        OverflowError,
    ) as error:  # numbers, dates and lists that Python cannot hold
        raise InputFormatError(
            f"Settings {path} are not plain YAML: {type(error).__name__}: {error}. Correct them."
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: settings are lines of the form 'name: value'.")
    return {str(key): value for key, value in values.items()}


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML in which no key may stand twice: the last of two would win in silence."""


def _mapping(loader: _PlainLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise ConfigError(f"{', '.join(twice)} stands twice in one list: keep one line each.")
    return loader.construct_mapping(node, deep=True)


_PlainLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
