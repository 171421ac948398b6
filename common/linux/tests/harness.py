"""What the tests of the deploy hook have in common: the hook as a module, a
recorder of commands, and a minimal curtin package to run all of it against.

An image's tests link this file beside them.
"""

import importlib.machinery
import os
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

HOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "curtin", "curtin-hooks")
# As its program's directory is when curtin runs it.
sys.path.insert(0, os.path.dirname(HOOK))


def load():
    # No .py, and no byte code beside files that are copied into images.
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("curtin_hooks", HOOK)
    module = types.ModuleType("curtin_hooks")
    loader.exec_module(module)
    return module


hooks = load()


class Recorder:
    """A chroot runner that records commands; `installed` names packages."""

    def __init__(self, installed=()):
        self.installed = set(installed)
        self.commands = []

    def __call__(self, argv, check=True):
        self.commands.append(argv)
        status = "ii " if argv[-1] in self.installed else "un "
        return subprocess.CompletedProcess(argv, 0, stdout=status)


class HookCase(unittest.TestCase):
    """The whole hook against a minimal curtin package."""

    def make_target(self, files):
        """A directory with these files: path to content."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        for name, content in files.items():
            path = os.path.join(directory.name, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
        return directory.name

    def run_main(self, cfg, target, machine="x86_64", uefi=False, on_command=None):
        """Status of main() and what it called: (name, argument) pairs."""
        calls = []
        curtin = types.ModuleType("curtin")
        curtin.config = types.SimpleNamespace(load_command_config=lambda args, state: cfg)
        curtin.util = types.SimpleNamespace(load_command_environment=lambda: {"target": target})
        commands = types.ModuleType("curtin.commands")
        commands.curthooks = types.SimpleNamespace(
            builtin_curthooks=lambda c, t, s: calls.append(("builtin", c)),
            do_apt_config=lambda c, t: calls.append(("apt", c.get("apt"))),
            apply_networking=lambda t, s: calls.append(("network", None)))
        modules = {"curtin": curtin, "curtin.commands": commands, "curtin.commands.curthooks": commands.curthooks}

        class Runner:
            def __init__(self, _target):
                self.recorder = Recorder(installed=["grub-pc"])

            def run(self, argv, check=True):
                done = self.recorder(argv, check)
                if on_command:
                    on_command(argv)
                return done

            def __enter__(self):
                return self.run

            def __exit__(self, *_):
                calls.append(("commands", self.recorder.commands))

        is_dir = os.path.isdir
        with mock.patch.dict(sys.modules, modules), mock.patch.object(hooks.hooklib, "chroot_runner", Runner), \
                mock.patch.object(hooks.platform, "machine", return_value=machine), \
                mock.patch.object(hooks.os.path, "isdir", lambda p: uefi if p == "/sys/firmware/efi" else is_dir(p)), \
                mock.patch.object(hooks.hooklib, "boot_disks", return_value=[]):
            return hooks.main(), calls

    @staticmethod
    def commands(calls):
        """All commands of all chroots, in order."""
        return [command for name, value in calls if name == "commands" for command in value]
