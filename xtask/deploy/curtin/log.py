"""Logging: one logger, to standard error."""

import logging
import sys

LOG = logging.getLogger("curtin-stand-in")


def basicConfig(level=logging.DEBUG, **_ignored):
    """Send everything to standard error, which the installer keeps."""
    if LOG.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(level)
    LOG.propagate = False


def log_call(func, *args, **kwargs):
    """Log a call, then make it."""
    LOG.debug("call %s %s", getattr(func, "__name__", func), args)
    return func(*args, **kwargs)


basicConfig()
