"""This is NOT curtin.

A stand-in for the part of curtin's Python package that deploy-time hooks
import. It follows the same observable steps on a machine of the debian family
and raises an error that names what it lacks for everything else. A real curtin
is run with `cargo xtask deploy-test --curtin PATH`.
"""

STAND_IN = True
__version__ = "0-stand-in"


def missing(module, name):
    """The error for a name that the stand-in does not provide."""
    return AttributeError(
        f"the stand-in for curtin has no {module}.{name}; "
        "run this hook under a real curtin (deploy-test --curtin PATH)"
    )
