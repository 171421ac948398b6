#!/bin/bash
# Your changes to the image go here, or into a script of your own that you name
# with -var customize_script=FILE. It runs as root after all packages are
# installed and may reboot the VM.
set -euo pipefail
