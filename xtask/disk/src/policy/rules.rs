//! The standard rules.

use super::{Action, Family, Kind, Rule};

const DEBIAN: &[Family] = &[Family::Debian];
const RED_HAT: &[Family] = &[Family::RedHat];
const SUSE: &[Family] = &[Family::Suse];

/// A rule for every family and kind, to be narrowed.
const fn rule(
    id: &'static str,
    action: Action,
    paths: &'static [&'static str],
    why: &'static str,
) -> Rule {
    Rule { id, paths, except: &[], action, families: &[], kinds: &[], why }
}

const fn only(families: &'static [Family], rule: Rule) -> Rule {
    Rule { families, ..rule }
}

const fn except(spared: &'static [&'static str], rule: Rule) -> Rule {
    Rule { except: spared, ..rule }
}

/// What every image must lose before it is cloned. Order matters: the first
/// match decides.
pub static STANDARD: &[Rule] = &[
    // Identity: two machines must not share it.
    rule(
        "machine-id",
        Action::Empty,
        &["/etc/machine-id", "/var/lib/dbus/machine-id"],
        "machines with one id share DHCP leases and journal names",
    ),
    rule(
        "host-keys",
        Action::Drop,
        &["/etc/ssh/ssh_host_*_key", "/etc/ssh/ssh_host_*_key.pub"],
        "every machine would have the same SSH host key",
    ),
    rule(
        "random-seed",
        Action::Drop,
        &[
            "/var/lib/systemd/random-seed",
            "/var/lib/systemd/credential.secret",
            "/var/lib/urandom/random-seed",
            "/var/lib/misc/random-seed",
            "/boot/efi/loader/random-seed",
        ],
        "machines would start with the same randomness",
    ),
    only(
        DEBIAN,
        rule(
            "iscsi-name",
            // Debian's open-iscsi makes a name when it finds this, and does
            // not start when it finds nothing.
            Action::Replace(b"GenerateName=yes\n"),
            &["/etc/iscsi/initiatorname.iscsi"],
            "two machines with one initiator name corrupt each other's disks",
        ),
    ),
    rule(
        "network-identity",
        Action::Drop,
        &[
            "/etc/iscsi/initiatorname.iscsi",
            "/etc/lvm/devices/system.devices",
            "/etc/nvme/hostid",
            "/etc/nvme/hostnqn",
            "/etc/udev/rules.d/70-persistent-net.rules",
            "/etc/udev/rules.d/75-persistent-net-generator.rules",
        ],
        "storage targets and interface names would belong to the build VM",
    ),
    // Network of the build VM.
    rule(
        "network-config",
        Action::Drop,
        &[
            "/etc/netplan/50-cloud-init.yaml",
            "/etc/netplan/00-installer-config*.yaml",
            "/etc/netplan/01-netcfg.yaml",
            "/etc/network/interfaces.d/50-cloud-init*",
            "/etc/systemd/network/10-cloud-init-*",
            "/etc/NetworkManager/system-connections/*.nmconnection",
            "/etc/NetworkManager/conf.d/*cloud-init*",
            "/etc/sysconfig/network-scripts/ifcfg-e*",
            "/etc/sysconfig/network/ifcfg-e*",
            "/etc/cloud/cloud.cfg.d/*installer*.cfg",
            "/etc/cloud/cloud.cfg.d/50-curtin-networking.cfg",
            "/etc/cloud/cloud.cfg.d/subiquity-disable-cloudinit-networking.cfg",
        ],
        "the build VM's interfaces do not exist on the machine",
    ),
    rule(
        "leases",
        Action::Drop,
        &[
            "/var/lib/dhcp/*.lease*",
            "/var/lib/dhclient/*.lease*",
            "/var/lib/dhcpcd/*.lease*",
            "/var/lib/NetworkManager/*.lease",
            "/var/lib/NetworkManager/secret_key",
            "/var/lib/NetworkManager/seen-bssids",
            "/var/lib/NetworkManager/timestamps",
            "/var/lib/wicked/*.xml",
            "/run/systemd/netif/**",
        ],
        "a client would ask for the build VM's address",
    ),
    // Access.
    rule(
        "authorized-keys",
        Action::Drop,
        &[
            "/root/.ssh/authorized_keys*",
            "/root/.ssh/known_hosts*",
            "/root/.ssh/id_*",
            "/home/*/.ssh/authorized_keys*",
            "/home/*/.ssh/known_hosts*",
        ],
        "whoever built the image could log in everywhere",
    ),
    rule(
        "sudoers",
        Action::Drop,
        &["/etc/sudoers.d/90-cloud-init-users", "/etc/sudoers.d/*packer*"],
        "the build user would be root without a password",
    ),
    rule(
        "password-backups",
        Action::Drop,
        &["/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/sub?id-"],
        "backups still hold the hashes that were locked",
    ),
    rule(
        "sshd-of-cloud-init",
        Action::Drop,
        &["/etc/ssh/sshd_config.d/*cloud-init*.conf", "/etc/ssh/sshd_config.d/*packer*.conf"],
        "password logins that the build switched on would stay on",
    ),
    // Traces of cloud-init and of installers.
    rule(
        "cloud-init-state",
        Action::Clear,
        &["/var/lib/cloud"],
        "cloud-init would believe that it already ran, or replay the build's seed",
    ),
    rule(
        "cloud-init-status",
        Action::Drop,
        &[
            "/var/log/cloud-init*",
            "/run/cloud-init",
            "/etc/cloud/cloud-init.disabled",
            "/etc/cloud/clean.d/99-installer",
        ],
        "the datasource of the build would be looked for, or none at all",
    ),
    rule(
        "installer-answers",
        Action::Drop,
        &[
            "/root/anaconda-ks.cfg",
            "/root/original-ks.cfg",
            "/root/ks-*.log",
            "/root/initial-setup-ks.cfg",
            "/root/autoinst.xml",
            "/root/inst-sys",
            "/var/log/anaconda",
            "/var/log/installer",
            "/var/log/YaST2",
            "/var/log/agama*",
            "/var/adm/autoinstall",
            "/var/lib/autoinstall",
        ],
        "answer files hold password hashes and addresses of the build",
    ),
    rule(
        "packer-leftovers",
        Action::Drop,
        &["/packer*", "/tmp/packer*", "/var/tmp/packer*", "/run/packer*", "/tmp/script_*.sh"],
        "files of the build have no place on the machine",
    ),
    rule(
        "histories",
        Action::Drop,
        &[
            "/root/.*_history",
            "/root/.lesshst",
            "/root/.viminfo",
            "/root/.wget-hsts",
            "/root/.cache",
            "/home/*/.*_history",
            "/home/*/.lesshst",
            "/home/*/.cache",
        ],
        "commands of the build may hold credentials",
    ),
    rule(
        "temporary-files",
        Action::Clear,
        &["/tmp", "/var/tmp", "/run", "/var/crash", "/var/spool/mail"],
        "they belong to the build VM",
    ),
    rule(
        "lost-and-found",
        Action::Drop,
        &["/lost+found", "/boot/lost+found"],
        "it belongs to the ext4 of the build, not to the tree",
    ),
    // Logs: directories and files stay, with their owners, so that daemons
    // which do not run as root can still write.
    rule(
        "old-logs",
        Action::Drop,
        &[
            "/var/log/journal/*",
            "/var/log/**.gz",
            "/var/log/**.xz",
            "/var/log/**.old",
            "/var/log/**.?",
            "/var/log/**-20??????",
        ],
        "they tell about the build, not about the machine",
    ),
    rule("logs", Action::Empty, &["/var/log/**"], "they tell about the build, not the machine"),
    // Package managers.
    only(
        DEBIAN,
        rule(
            "apt-lists",
            Action::Clear,
            &["/var/lib/apt/lists"],
            "they are stale at once and take tens of megabytes",
        ),
    ),
    only(
        DEBIAN,
        rule(
            "apt-cache",
            Action::Drop,
            &[
                "/var/cache/apt/*.bin",
                "/var/cache/apt/archives/*.deb",
                "/var/cache/apt/archives/partial/*",
                "/var/cache/debconf/*-old",
                "/var/lib/dpkg/*-old",
            ],
            "they take room and are made again",
        ),
    ),
    only(
        DEBIAN,
        except(
            // A package's own file: what auto-apt-proxy does is found anew.
            &["/etc/apt/apt.conf.d/auto-apt-proxy.conf"],
            rule(
                "apt-proxy",
                Action::Drop,
                &[
                    "/etc/apt/apt.conf.d/*proxy*",
                    "/etc/apt/apt.conf.d/*packer*",
                    "/etc/apt/apt.conf.d/*mmdebstrap*",
                ],
                "the proxy of the build host is not reachable from the machine",
            ),
        ),
    ),
    only(
        RED_HAT,
        rule(
            "dnf-cache",
            Action::Clear,
            &["/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"],
            "they take room and are made again",
        ),
    ),
    only(
        RED_HAT,
        rule(
            "subscription",
            Action::Clear,
            &["/etc/pki/consumer", "/etc/pki/entitlement", "/var/lib/rhsm/facts"],
            "machines would share the subscription of the build",
        ),
    ),
    only(
        RED_HAT,
        rule(
            "resolver",
            Action::Empty,
            &["/etc/resolv.conf"],
            "the name server of the build is not reachable from the machine",
        ),
    ),
    only(
        RED_HAT,
        Rule {
            kinds: &[Kind::Tgz],
            ..rule(
                "efi-grub-config",
                Action::Drop,
                &["/boot/efi/EFI/*/grub.cfg"],
                "grub2-mkconfig refuses to write it at deployment if it is there",
            )
        },
    ),
    only(
        SUSE,
        rule(
            "zypp-cache",
            Action::Clear,
            &["/var/cache/zypp"],
            "they take room and are made again",
        ),
    ),
    only(
        SUSE,
        rule(
            "registration",
            Action::Drop,
            &["/etc/zypp/credentials.d/*", "/var/lib/zypp/AnonymousUniqueId"],
            "machines would share the registration of the build",
        ),
    ),
    // What the deployment writes itself.
    Rule {
        kinds: &[Kind::Tgz],
        ..rule(
            "fstab",
            Action::Empty,
            &["/etc/fstab", "/etc/crypttab"],
            "the machine has other file systems; a memory-only boot would wait for them",
        )
    },
    rule(
        "swap",
        Action::Drop,
        &["/swapfile", "/swap.img", "/swap/swapfile", "/var/swap"],
        "swap space of the build VM has no place in an archive",
    ),
];
