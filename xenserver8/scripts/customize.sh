#!/bin/bash
# Runs as root in the installed system (chroot), after all packages. An error
# stops the build. This one does nothing; give your own with
# -var customize_script=FILE.
