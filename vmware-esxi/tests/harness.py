"""What the tests have in common: the payload's modules and the fixtures."""

import importlib.machinery
import os
import sys
import types

HERE = os.path.dirname(os.path.abspath(__file__))
CURTIN = os.path.join(HERE, "..", "curtin")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(CURTIN, "maas"))


def fixture(name):
    """Text of a fixture without its header, which says where it comes from."""
    with open(os.path.join(HERE, "fixtures", name), encoding="utf-8") as stream:
        lines = stream.read().splitlines(True)
    if not lines[0].startswith("# origin: "):
        raise AssertionError(name + " does not say where it comes from")
    return "".join(line for line in lines if not line.startswith("# "))


def load(name, path):
    """A program without .py as a module."""
    module = types.ModuleType(name)
    module.__file__ = os.path.join(HERE, "..", path)
    importlib.machinery.SourceFileLoader(name, module.__file__).exec_module(module)
    return module
