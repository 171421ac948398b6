#!/bin/busybox sh
# Stands in for an installer: see README.md. Filled in when the medium is made:
ARGUMENT='@ARGUMENT@'
CONSOLE='@CONSOLE@'
INSTALLER='@INSTALLER@'

/bin/busybox mkdir -p /usr/bin /usr/sbin /sbin /dev /proc /sys /tmp /target
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
. /lib.sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev

# Their order is modprobe's work, which is not here: who comes too early gets in
# with the second or third round.
for _ in 1 2 3; do
  for file in /modules/*.ko*; do
    insmod "$file" 2>/dev/null
  done
done

# QEMU's user network: fixed addresses, no DHCP client needed.
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2

if [ "$INSTALLER" = azure ]; then
  # A live system: its graphical installer has the screen until Ctrl-C ends it.
  # Ctrl-C reaches the outer shell as well, which must outlive it.
  setsid -c /bin/sh -c 'trap : INT; /bin/sh -c "trap \"exit 0\" INT; while :; do sleep 1; done"; exec /bin/bash --norc -i' </dev/tty1 >/dev/tty1 2>&1
  stop "the shell of the live system ended"
fi

url=$(sed -n "s/.*[[:space:]]$ARGUMENT=\([^[:space:]]*\).*/\1/p" /proc/cmdline)
[ -n "$url" ] || stop "there is no $ARGUMENT on the command line: $(cat /proc/cmdline)"
grep -q rd.live.check /proc/cmdline && stop "the entry that tests the medium was taken"
grep -qw -e upgrade=1 -e nomodeset -e rescue /proc/cmdline && stop "another entry was taken: $(cat /proc/cmdline)"
grep -qw "console=$CONSOLE" /proc/cmdline || stop "there is no console=$CONSOLE on the command line"
wget -q -O /tmp/answer "$url" || stop "cannot fetch $url"
install_system /tmp/answer /tmp/answer
sleep 1
poweroff -f
