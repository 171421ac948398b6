# shellcheck shell=bash
# Runs in the live system, after lib.sh: gives the installer our answers and
# turns the machine off. $1 is where the rest is served.
base=$1

say "the answer file was read"
work=$(mktemp -d)
# The installer wants its own package lists beside ours.
[ -d /mnt/cdrom/config ] || fail "the medium has no directory config"
cp -r /mnt/cdrom/config/. "$work/"
for name in config.json packages.json post.sh; do
  curl --fail --silent --show-error --output "$work/$name" "$base/$name"
done
chmod 755 "$work/post.sh"

installer=$(command -v liveinstaller || find / -xdev -name liveinstaller -type f -perm -u+x -print -quit)
[ -n "$installer" ] || fail "the live system has no program liveinstaller"
cd "$work" || fail "there is no $work"
"$installer" -u "$work/config.json" -c "$work" >"/dev/$CONSOLE" 2>&1
sync
systemctl poweroff
