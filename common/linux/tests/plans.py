"""Rendered templates for tests: what `xtask plan` says, as dictionaries.

An image's tests link this file beside them. The program is $XTASK, which
`cargo test` sets, or the debug build.
"""

import functools
import json
import os
import subprocess

# This file is common/linux/tests/plans.py.
ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../.."))


def program():
    path = os.environ.get("XTASK") or os.path.join(ROOT, "target/debug/xtask")
    if not os.path.exists(path):
        raise AssertionError("%s does not exist: run `cargo build -p xtask`, or set XTASK" % path)
    return path


def run(arguments):
    # Media of whoever runs the tests must not change the plans.
    env = {name: value for name, value in os.environ.items() if not name.endswith("_ISO_PATH")}
    return subprocess.run([program(), "--root", ROOT] + arguments, env=env, check=False,
                          universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@functools.lru_cache(maxsize=None)
def source(target, **variables):
    """The evaluated source of a target."""
    arguments = ["plan", target, "--format", "json"]
    for name, value in variables.items():
        arguments += ["--var", "%s=%s" % (name, value)]
    done = run(arguments)
    if done.returncode != 0:
        raise AssertionError("plan %s: %s" % (target, done.stderr))
    return json.loads(done.stdout)["plans"][0]["source"]


def refusal(target, **variables):
    """What `plan` says about values that it does not take."""
    arguments = ["plan", target]
    for name, value in variables.items():
        arguments += ["--var", "%s=%s" % (name, value)]
    done = run(arguments)
    if done.returncode == 0:
        raise AssertionError("plan %s takes %s" % (target, variables))
    return done.stderr + done.stdout
