"""`curtin in-target` and `curtin curthooks` of the stand-in."""

import argparse
import os
import sys

from curtin import config, util
from curtin.commands import curthooks


def _parser():
    parser = argparse.ArgumentParser(prog="curtin", description="A stand-in; this is not curtin.")
    sub = parser.add_subparsers(dest="command", required=True)
    inside = sub.add_parser("in-target")
    inside.add_argument("-a", "--allow-daemons", action="store_true")
    inside.add_argument("-i", "--interactive", action="store_true")
    inside.add_argument("--capture", action="store_true")
    inside.add_argument("-t", "--target", default=os.environ.get("TARGET_MOUNT_POINT"))
    inside.add_argument("command_args", nargs=argparse.REMAINDER)
    hooks = sub.add_parser("curthooks")
    hooks.add_argument("-t", "--target", default=os.environ.get("TARGET_MOUNT_POINT"))
    sub.add_parser("version")
    return parser


def _in_target(args):
    command = args.command_args[1:] if args.command_args[:1] == ["--"] else args.command_args
    if not args.target or not command:
        sys.exit("curtin in-target: a target (TARGET_MOUNT_POINT) and a command are needed")
    with util.ChrootableTarget(args.target, allow_daemons=args.allow_daemons) as chroot:
        try:
            chroot.subp(command, capture=args.capture)
        except util.ProcessExecutionError as error:
            print(f"curtin in-target: {error}", file=sys.stderr)
            return error.exit_code if isinstance(error.exit_code, int) else 127
    return 0


def main():
    """Entry point."""
    args = _parser().parse_args()
    if args.command == "version":
        print("0-stand-in (not curtin)")
        return 0
    if args.command == "in-target":
        return _in_target(args)
    state = util.load_command_environment()
    try:
        curthooks.curthooks(config.load_command_config(args, state), args.target, state)
    except util.ProcessExecutionError as error:
        # A traceback of ours would hide what the command said before.
        print(f"curtin curthooks: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
