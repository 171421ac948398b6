# Runs as administrator in the build VM, after everything is installed and
# before sysprep. An error stops the build. This one does nothing; give your own
# with -var customize_script=FILE.

Write-Step 'nothing to customize'
