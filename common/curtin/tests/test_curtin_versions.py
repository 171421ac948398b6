"""The hooks call curtin by names and arguments that every curtin in use has:
python3 -m unittest discover -s common/curtin/tests

The heads of functions are those of curtin's git tags, own run:
git show TAG:curtin/commands/curthooks.py | grep '^def', the same for util.py,
config.py, block/__init__.py and commands/block_meta.py. 22.1 is the oldest with Rocky Linux, 24.0.0 the first with AlmaLinux,
737e305d is `main` of July 2026. DISTRO_NAMES is from distro.py.
"""

import ast
import inspect
import os
import subprocess
import sys
import tempfile
import types
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
sys.path.insert(0, os.path.join(ROOT, "common", "curtin"))
import hooklib  # noqa: E402

HOOKS = ["common/el/curtin/curtin-hooks", "common/suse/curtin/curtin-hooks", "common/linux/curtin/curtin-hooks",
         "azurelinux/curtin/curtin-hooks",
         "centos6/curtin/curtin-hooks", "common/curtin/hooklib.py"]

# The same in all three versions, but for annotations.
HEADS = {
    "curthooks": ["add_swap(cfg, target, fstab)", "apply_networking(target, state)",
                  "do_apt_config(cfg, target)", "builtin_curthooks(cfg, target, state)", "copy_crypttab(crypttab, target)",
                  "copy_fstab(fstab, target)", "configure_iscsi(cfg, state_etcd, target, osfamily='debian')",
                  "configure_mdadm(cfg, state_etcd, target, osfamily='debian')",
                  "copy_dname_rules(rules_d, target)",
                  "detect_and_handle_multipath(cfg, target, osfamily='debian')"],
    "util": ["load_command_environment(env=None, strict=False)"],
    "config": ["load_command_config(args, state)"],
    "block": ["get_blockdev_for_partition(devpath, strict=True)"],
    "block_meta": ["extract_storage_ordered_dict(config)", "get_path_to_storage_volume(volume, storage_config)"],
}
OLD = ["arch", "centos", "debian", "fedora", "freebsd", "gentoo", "opensuse", "redhat", "rhel", "sles", "suse", "ubuntu", "rocky"]
VERSIONS = {
    "22.1": (HEADS, OLD),
    "24.0.0": (HEADS, OLD + ["ol", "almalinux"]),
    "737e305d": (HEADS, OLD + ["ol", "almalinux", "mariner"]),
}


def module(name, heads):
    """A module of functions that take what curtin's take, and record their calls."""
    made = types.SimpleNamespace(calls=[])
    for head in heads:
        function = head.split("(")[0]
        scope = {"calls": made.calls}
        exec("def %s:\n    calls.append(%r)\n" % (head, function), scope)
        setattr(made, function, scope[function])
    return made


def calls(path):
    """(module, function, number of arguments, keywords) of all that is called in curtin."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
        tree = ast.parse(stream.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            if node.func.value.id in HEADS:
                yield node.func.value.id, node.func.attr, len(node.args), [word.arg for word in node.keywords]


class Versions(unittest.TestCase):
    def test_every_call_fits_every_version(self):
        seen = 0
        for version, (heads, _) in VERSIONS.items():
            modules = {name: module(name, functions) for name, functions in heads.items()}
            for path in HOOKS:
                for where, name, count, words in calls(path):
                    with self.subTest(version=version, hook=path, call="%s.%s" % (where, name)):
                        function = getattr(modules[where], name)
                        inspect.signature(function).bind(*[None] * count, **dict.fromkeys(words))
                        seen += 1
        self.assertGreaterEqual(seen, 20 * len(VERSIONS))

    def test_the_stand_in_of_deploy_test_has_every_name(self):
        """A package of the same names, which must not be imported here: other tests bring theirs."""
        modules = {"block": "curtin.block", "block_meta": "curtin.commands.block_meta", "config": "curtin.config",
                   "curthooks": "curtin.commands.curthooks", "util": "curtin.util"}
        names = sorted({"%s:%s" % (modules[where], name) for path in HOOKS for where, name, _, _ in calls(path)})
        self.assertGreater(len(names), 8)
        code = ("import importlib, sys, types\n"
                "sys.modules.setdefault('yaml', types.ModuleType('yaml')).YAMLError = ValueError\n"
                "for name in sys.argv[1:]:\n"
                "    getattr(importlib.import_module(name.split(':')[0]), name.split(':')[1])\n")
        env = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "xtask", "deploy"))
        done = subprocess.run([sys.executable, "-B", "-c", code] + names, env=env, check=False, universal_newlines=True,
                              stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_storage_is_left_to_curtin(self):
        for version, (heads, _) in VERSIONS.items():
            curthooks = module("curthooks", heads["curthooks"])
            with self.subTest(version=version), tempfile.TemporaryDirectory() as state:
                hooklib.write_file(state, "crypttab", "")
                hooklib.write_file(state, "rules.d/x.rules", "")
                hooklib.configure_storage(curthooks, {}, state, {"fstab": os.path.join(state, "fstab"), "scratch": state})
                # add_swap writes to the fstab that copy_fstab copies.
                self.assertEqual(curthooks.calls, ["configure_iscsi", "configure_mdadm", "add_swap", "copy_fstab", "copy_crypttab",
                                                   "detect_and_handle_multipath", "copy_dname_rules"])


if __name__ == "__main__":
    unittest.main()
