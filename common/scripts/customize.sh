#!/bin/bash
# Your own changes: runs as root in the installed system, after all packages,
# before clean-up. Or name another script with -var customize_script=PATH.
set -euo pipefail
