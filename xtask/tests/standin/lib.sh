# What the stand-in installers share.

stop() {
  echo "stand-in: $*" | tee /dev/console
  sleep 1
  poweroff -f
}

# Mount points in the order in which the answer file has its partitions.
partitions() {
  case $INSTALLER in
  el | el6) sed -n 's/^part \([^ ]*\) .*/\1/p' "$1" ;;
  autoyast) sed -n 's|.*<mount>\([^<]*\)</mount>.*|\1|p' "$1" ;;
  agama)
    # With `boot` Agama adds what the firmware needs.
    grep -q '"boot": { "configure": true }' "$1" && echo /boot/efi
    sed -n 's/.*"filesystem": { "path": "\([^"]*\)".*/\1/p' "$1"
    ;;
  azure) sed -n 's/.*"MountPoint": "\([^"]*\)".*/\1/p' "$1" ;;
  esac
}

# Whether the answer file leaves root without a password.
root_is_locked() {
  case $INSTALLER in
  el) grep -qE '^rootpw .*--lock' "$1" ;;
  el6) grep -qE '^rootpw --iscrypted \*$' "$1" ;;
  autoyast) grep -q '<user_password>!</user_password>' "$1" ;;
  agama) grep -q '"password": "!"' "$1" && grep -q '"hashedPassword": true' "$1" ;;
  azure) ! grep -q '"Password"' "$1" ;;
  esac
}

# A file that the last step of the installation carries in base64.
carried() {
  grep -o "$1='[A-Za-z0-9+/=]*'" "$2" | sed "s/^$1='//; s/'$//" | head -n 1 | base64 -d
}

# install_system ANSWER LAST-STEP
install_system() {
  while read -r pattern; do
    grep -qE -e "$pattern" "$1" || stop "the answer file has no line like: $pattern"
  done </policy
  case "$(partitions "$1" | tr '\n' ' ')" in
  "/ ")
    root=/dev/vda1
    printf 'n\np\n1\n2048\n\nw\n'
    ;;
  "/boot/efi / ")
    root=/dev/vda2
    # Without a first sector busybox takes one of the gap before 2048.
    printf 'n\np\n1\n2048\n411647\nt\nef\nn\np\n2\n411648\n\nw\n'
    ;;
  *) stop "unexpected partitions: $(partitions "$1" | tr '\n' ' ')" ;;
  # GPT by hand is no work for busybox: an MBR table has the same partitions.
  esac >/tmp/fdisk
  fdisk /dev/vda </tmp/fdisk >/dev/null 2>&1
  sleep 1
  [ -b "$root" ] || stop "there is no $root"
  zcat /root.img.gz | dd of="$root" bs=1M 2>/dev/null
  mount -t ext4 "$root" /target || stop "cannot mount $root"
  if root_is_locked "$1"; then
    echo 'root:!locked:19000:0:99999:7:::' >/target/etc/shadow
  else
    echo "root:\$6\$salt\$hash:19000:0:99999:7:::" >/target/etc/shadow
  fi
  if grep -q "HOOK='[A-Za-z0-9]" "$2"; then
    mkdir -p /target/curtin
    carried HOOK "$2" >/target/curtin/curtin-hooks
    carried HOOKLIB "$2" >/target/curtin/hooklib.py
    chmod 755 /target/curtin/curtin-hooks
  fi
  umount /target
  sync
  marker=$(grep -o "MARKER='[^']*'" "$2" | sed "s/^MARKER='//; s/'$//" | head -n 1)
  [ -n "$marker" ] || stop "the answer file promises no marker"
  echo "$marker" >"/dev/$CONSOLE"
}
