"""The configuration that the installer was given."""

import json

import yaml


def load_config(cfg_file):
    """Read a YAML (or JSON, which is YAML) mapping."""
    with open(cfg_file, encoding="utf-8") as stream:
        content = yaml.safe_load(stream)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise TypeError(f"{cfg_file}: a mapping was expected")
    return content


def load_command_config(args, state):
    """The configuration of a command: its arguments', else the installer's."""
    given = getattr(args, "config", None)
    if given:
        return given
    return load_config(state["config"]) if state.get("config") else {}


def merge_config(into, other):
    """Merge `other` into `into`; mappings deeply, everything else replaced."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge_config(into[key], value)
        else:
            into[key] = value


def dump_config(config):
    """As text."""
    return json.dumps(config, indent=1, sort_keys=True) + "\n"


def value_as_boolean(value):
    """What YAML and people write for false is false."""
    return value not in (False, None, 0, "", "0", "f", "F", "False", "false", "no", "off", "none", "None")
