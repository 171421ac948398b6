//! The checks themselves.

use super::{Check, Expect};
use crate::deploy::config::{HOSTNAME, INTERFACE};
use crate::deploy::maas::PROOF;
use crate::deploy::machine::{Firmware, GATEWAY, GUEST_ADDRESS, NAME_SERVER};

/// What is known about the deployment before the checks.
#[derive(Clone, Debug)]
pub struct Known {
    /// What started the machine.
    pub firmware: Firmware,
    /// Loader for removable media, such as `BOOTX64.EFI`.
    pub efi_boot_file: &'static str,
    /// machine-id that the image brought; empty is right.
    pub image_machine_id: String,
    /// Public host keys that the image brought; none is right.
    pub image_host_keys: Vec<String>,
    /// Versions of the kernels in `/boot`.
    pub kernels: Vec<String>,
    /// cloud-init's default user.
    pub user: String,
    /// Public key that MAAS gave.
    pub ssh_key: String,
    /// Bytes of the disk.
    pub disk_bytes: u64,
    /// The user that operators are told to log in as.
    pub login_user: Option<String>,
}

/// Every check, in order of their meaning for an operator.
#[must_use]
pub fn table(known: &Known) -> Vec<Check> {
    let parts = [
        cloud_init(),
        identity(known),
        system(known),
        storage(known),
        boot(known),
        accounts(known),
        leftovers(),
    ];
    parts.into_iter().flatten().collect()
}

pub(super) fn check(
    id: &'static str,
    command: impl Into<String>,
    expect: Expect,
    why: &'static str,
) -> Check {
    Check { id, command: command.into(), expect, why }
}

pub(super) fn is(text: impl Into<String>) -> Expect {
    Expect::Is(text.into())
}

fn cloud_init() -> Vec<Check> {
    vec![
        check(
            "cloud-init-done",
            "timeout 600 cloud-init status --wait >/dev/null 2>&1; \
             cloud-init status 2>/dev/null | head -n 1",
            is("status: done"),
            "a machine whose cloud-init fails is half configured",
        ),
        check(
            "datasource",
            "cat /run/cloud-init/cloud-id",
            is("maas"),
            "cloud-init must take MAAS's metadata, nothing left from the build",
        ),
        check(
            "user-data",
            format!("cat {}", PROOF.0),
            is(PROOF.1),
            "what the operator gives at deployment must be applied",
        ),
    ]
}

fn identity(known: &Known) -> Vec<Check> {
    let old_ids = vec![known.image_machine_id.clone()];
    let mut keys = known.image_host_keys.clone();
    keys.retain(|key| !key.is_empty());
    vec![
        check(
            "machine-id",
            "cat /etc/machine-id",
            Expect::FreshHex(32, old_ids),
            "machines with one id get one DHCP lease and one journal",
        ),
        check(
            "dbus-machine-id",
            "[ ! -e /var/lib/dbus/machine-id ] || cmp /etc/machine-id /var/lib/dbus/machine-id",
            Expect::Nothing,
            "a second copy of the id must not come from the image",
        ),
        check(
            "host-keys",
            "cut -d' ' -f1,2 /etc/ssh/ssh_host_*_key.pub 2>/dev/null",
            Expect::LinesWithout(keys),
            "host keys that several machines share identify none of them",
        ),
        check(
            "hostname",
            "hostname -s; grep -c '^127.*debian$' /etc/hosts || true",
            is(format!("{HOSTNAME}\n0")),
            "MAAS names machines",
        ),
        check(
            "network",
            format!("ip -4 -brief address show {INTERFACE} | awk '{{print $1, $3}}'"),
            is(format!("{INTERFACE} {GUEST_ADDRESS}/24")),
            "the interface must have the name and address that MAAS configured",
        ),
        check(
            "route",
            "ip -4 route show default | awk '{print $3, $5}'",
            is(format!("{GATEWAY} {INTERFACE}")),
            "the machine must leave its network by the gateway that MAAS configured",
        ),
        check(
            "name-server",
            "cat /run/systemd/resolve/resolv.conf /etc/resolv.conf 2>/dev/null | grep '^nameserver'",
            Expect::Contains(NAME_SERVER.into()),
            "names must be resolved where MAAS configured it",
        ),
    ]
}

fn system(known: &Known) -> Vec<Check> {
    vec![
        check(
            "failed-units",
            "timeout 300 systemctl is-system-running --wait >/dev/null 2>&1; \
             systemctl --failed --no-legend --plain | cut -d' ' -f1",
            Expect::Nothing,
            "every unit that the image starts must work on a deployed machine",
        ),
        check(
            "packages",
            "! command -v dpkg >/dev/null || dpkg --audit",
            Expect::Nothing,
            "half configured packages block the next upgrade",
        ),
        check(
            "diversions",
            "! command -v dpkg-divert >/dev/null || dpkg-divert --list | grep curtin-disabled; \
             ls /usr/sbin/policy-rc.d 2>/dev/null",
            Expect::Nothing,
            "what the installer switches off must be on again",
        ),
        check(
            "selinux",
            "[ -e /etc/selinux/config ] && command -v getenforce >/dev/null || exit 0; \
             want=$(sed -n 's/^SELINUX=//p' /etc/selinux/config | tail -n 1); \
             now=$(getenforce | tr A-Z a-z); \
             [ \"$want\" = \"$now\" ] || echo \"$now, but the configuration says $want\"; \
             [ \"$now\" = disabled ] || restorecon -nRv /etc /root /usr/sbin /var/lib/cloud 2>&1 | head -n 20",
            Expect::Nothing,
            "SELinux must be in its configured mode, and no file without its label",
        ),
        check(
            "kernel",
            "uname -r",
            Expect::OneOf(known.kernels.clone()),
            "the machine must run the kernel that was deployed",
        ),
        check(
            "kernel-modules",
            "[ -d /lib/modules/$(uname -r)/kernel ] || echo missing",
            Expect::Nothing,
            "a kernel without its modules has no drivers",
        ),
        check(
            "initrd",
            "ls /boot/initrd.img-$(uname -r) /boot/initramfs-$(uname -r).img 2>/dev/null \
             | wc -l",
            is("1"),
            "the next boot needs it too",
        ),
    ]
}

fn storage(known: &Known) -> Vec<Check> {
    // Less ESP, swap (a quarter at most is a file inside the root) and what
    // ext4 needs for itself.
    let least = known.disk_bytes / 100 * 85;
    vec![
        check(
            "root-grown",
            "df --block-size=1 --output=size / | tail -n 1",
            Expect::AtLeast(least),
            "the root must use the disk it was deployed to",
        ),
        check(
            "fstab-uuid",
            "grep -E '^(/dev/(sd|vd|nvme|hd|xvd)|LABEL=)' /etc/fstab",
            Expect::Nothing,
            "device names change with the next disk",
        ),
        check(
            "fstab-devices",
            "awk '!/^#/ && NF {print $1}' /etc/fstab | while read -r s; do \
             case $s in UUID=*) s=/dev/disk/by-uuid/${s#UUID=} ;; esac; \
             case $s in /*) [ -e \"$s\" ] || echo \"$s\" ;; esac; done",
            Expect::Nothing,
            "a file system of the build machine stops the boot for 90 s or for good",
        ),
        check(
            "fstab-root",
            "awk '!/^#/ && $2 == \"/\"' /etc/fstab | wc -l",
            is("1"),
            "the root must be in fstab once",
        ),
        check(
            "swap",
            "[ $(awk '!/^#/ && $3 == \"swap\"' /etc/fstab | wc -l) \
             = $(tail -n +2 /proc/swaps | wc -l) ] || cat /etc/fstab /proc/swaps",
            Expect::Nothing,
            "swap must be as MAAS made it",
        ),
    ]
}

fn boot(known: &Known) -> Vec<Check> {
    let firmware = known.firmware.name();
    let mut checks = vec![check(
        "firmware",
        "[ -d /sys/firmware/efi ] && echo uefi || echo bios",
        is(firmware),
        "the machine must start by the firmware it was deployed with",
    )];
    if known.firmware == Firmware::Uefi {
        checks.push(check(
            "esp",
            "findmnt --noheadings --output FSTYPE /boot/efi",
            is("vfat"),
            "loader updates need the ESP",
        ));
        checks.push(check(
            "boot-entries",
            format!(
                "ls /boot/efi/EFI/BOOT/{} >/dev/null; \
                 find /boot/efi/EFI -mindepth 1 -maxdepth 1 -not -iname BOOT | wc -l",
                known.efi_boot_file
            ),
            is("1"),
            "firmware falls back to EFI/BOOT; MAAS and NVRAM entries want one vendor directory",
        ));
    }
    checks
}

fn accounts(known: &Known) -> Vec<Check> {
    let Known { user, ssh_key, .. } = known;
    let key = ssh_key.split_whitespace().nth(1).unwrap_or_default();
    let told = known.login_user.as_ref().map(|told| {
        check(
            "login-user",
            format!("echo {user}"),
            is(told),
            "operators are told to log in as this user, so cloud-init must give it their keys",
        )
    });
    let mut checks = vec![
        check(
            "default-user",
            format!("id -un {user}; passwd --status {user} | cut -d' ' -f2"),
            Expect::OneOf(vec![format!("{user}\nL"), format!("{user}\nLK")]),
            "the login user exists, and no password opens it",
        ),
        check(
            "sudo",
            format!("runuser -u {user} -- sudo --non-interactive id -u"),
            is("0"),
            "the operator's key must lead to root",
        ),
        check(
            "root-locked",
            "passwd --status root | cut -d' ' -f2 | cut -c1",
            is("L"),
            "a root password that the image brings is known to others",
        ),
        check(
            "users",
            format!(
                "awk -F: '$3 >= 1000 && $3 < 60000 && $1 != \"{user}\" {{print $1}}' /etc/passwd"
            ),
            Expect::Nothing,
            "users of the build have no place in the image",
        ),
        check(
            "keys",
            format!(
                "cat /root/.ssh/authorized_keys* /home/*/.ssh/authorized_keys* 2>/dev/null \
                 | grep -v '^#' | grep -v '^$' | grep -vF '{key}'"
            ),
            Expect::Nothing,
            "keys of the build open every machine",
        ),
        check(
            "sudoers",
            "ls /etc/sudoers.d | grep -vxE 'README|90-cloud-init-users'",
            Expect::Nothing,
            "rules of the build give rights to whoever takes its user name",
        ),
        check(
            "sshd-root",
            "sshd -T 2>/dev/null | grep -x 'permitrootlogin yes'",
            Expect::Nothing,
            "a build opens sshd for root; the image must not stay open",
        ),
    ];
    checks.extend(told);
    checks
}

fn leftovers() -> Vec<Check> {
    vec![
        check("curtin", "ls -d /curtin 2>/dev/null", Expect::Nothing, "the hook removes itself"),
        check(
            "proxies",
            "grep -ris 'proxy.*://' /etc/apt/apt.conf /etc/apt/apt.conf.d /etc/environment \
             /etc/profile.d /etc/dnf/dnf.conf /etc/yum.conf /etc/systemd/system.conf.d",
            Expect::Nothing,
            "the proxy of the build is not there",
        ),
        check(
            "sources",
            "grep -hsrE '^(deb |URIs:)' /etc/apt/sources.list /etc/apt/sources.list.d \
             | grep -E '//(10[.]|127[.]|192[.]168[.]|localhost)|ubuntu' \
             | if grep -q '^ID=ubuntu' /etc/os-release; then grep -v ubuntu; else cat; fi",
            Expect::Nothing,
            "repositories of the build host, or MAAS's Ubuntu archive in another system",
        ),
        check(
            "packer",
            "find /etc /root /home /opt /srv /tmp /usr/local /var/lib/cloud/seed /var/tmp -xdev \
             \\( -iname '*packer*' -o -path '/var/lib/cloud/seed/*' \\) 2>/dev/null | head -n 20; \
             ls -d /packer* 2>/dev/null",
            Expect::Nothing,
            "files of the build have no place in the image",
        ),
        check(
            "netplan",
            "ls /etc/netplan 2>/dev/null | grep -vx '50-cloud-init.yaml'; \
             grep -hs '^iface' /etc/network/interfaces | grep -vw lo",
            Expect::Nothing,
            "network configuration of the build fights with MAAS's",
        ),
        check(
            "histories",
            "ls /root/.*_history /home/*/.*_history /root/.cache /root/.wget-hsts 2>/dev/null",
            Expect::Nothing,
            "they tell about the build",
        ),
    ]
}
