#!/bin/bash
# The installer runs this and takes what it prints as its answer file.
base=$(sed -n 's|.*answerfile_generator=\(http://[^ ]*\)/generate.*|\1|p' /proc/cmdline)
if [ -z "$base" ]; then
  echo "the kernel's command line names no answerfile_generator" >&2
  exit 1
fi
for port in /dev/ttyS0 /dev/hvc0; do
  if [ -e "$port" ]; then echo "image-build: the answer file was read" >"$port"; fi
done 2>/dev/null
sed "s|@BASE@|$base|g" <<'ANSWERS'
${answers}
ANSWERS
