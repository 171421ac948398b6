//! The public threads that rules are there for: what people lost hours to.

/// Rule and threads; a rule that is not here prevents something that nobody has
/// reported in public, as far as we know.
pub(super) const THREADS: &[(&str, &[&str])] = &[
    ("CAT007", &["https://github.com/canonical/packer-maas/issues/49"]),
    ("HCL001", &["https://github.com/canonical/packer-maas/issues/10"]),
    ("SRC004", &["https://github.com/hashicorp/packer/issues/12830"]),
    ("PLG001", &["https://github.com/hashicorp/packer/issues/12830"]),
    (
        "PLG002",
        &[
            "https://github.com/hashicorp/packer-plugin-qemu/issues/197",
            "https://github.com/canonical/packer-maas/issues/318",
            "https://github.com/canonical/packer-maas/issues/323",
            "https://github.com/canonical/packer-maas/issues/326",
            "https://github.com/hashicorp/packer/issues/10167",
        ],
    ),
    (
        "PLG003",
        &[
            "https://github.com/canonical/packer-maas/issues/88",
            "https://github.com/canonical/packer-maas/issues/70",
        ],
    ),
    (
        "MED001",
        &[
            "https://github.com/canonical/packer-maas/issues/85",
            "https://github.com/canonical/packer-maas/issues/97",
            "https://github.com/canonical/packer-maas/issues/253",
            "https://github.com/canonical/packer-maas/issues/339",
        ],
    ),
    ("NET001", &["https://github.com/hashicorp/packer/issues/4520"]),
    (
        "OUT001",
        &[
            "https://github.com/hashicorp/packer/issues/4863",
            "https://github.com/hashicorp/packer/issues/163",
        ],
    ),
    (
        "FW001",
        &[
            "https://github.com/canonical/packer-maas/issues/216",
            "https://github.com/canonical/packer-maas/issues/276",
            "https://github.com/canonical/packer-maas/issues/279",
            "https://github.com/hashicorp/packer-plugin-qemu/issues/217",
        ],
    ),
    (
        "ACC001",
        &[
            "https://github.com/canonical/packer-maas/issues/56",
            "https://github.com/canonical/packer-maas/issues/65",
            "https://github.com/hashicorp/packer/issues/8894",
        ],
    ),
    (
        "QMU001",
        &[
            "https://github.com/hashicorp/packer-plugin-qemu/issues/58",
            "https://github.com/hashicorp/packer/issues/8379",
        ],
    ),
    (
        "PTH001",
        &[
            "https://github.com/canonical/packer-maas/issues/105",
            "https://github.com/canonical/packer-maas/issues/117",
        ],
    ),
    ("VAR002", &["https://github.com/hashicorp/packer/issues/10127"]),
    ("VAR004", &["https://github.com/hashicorp/packer/issues/9168"]),
    (
        "MAA001",
        &[
            "https://github.com/canonical/packer-maas/issues/49",
            "https://github.com/canonical/packer-maas/issues/57",
        ],
    ),
    (
        "MAA002",
        &[
            "https://github.com/canonical/packer-maas/issues/49",
            "https://github.com/canonical/packer-maas/issues/57",
        ],
    ),
    (
        "MAA003",
        &[
            "https://github.com/canonical/packer-maas/issues/271",
            "https://github.com/canonical/packer-maas/issues/278",
            "https://github.com/canonical/packer-maas/issues/304",
        ],
    ),
    (
        "MAA004",
        &[
            "https://github.com/canonical/packer-maas/issues/41",
            "https://github.com/canonical/packer-maas/issues/343",
            "https://github.com/canonical/packer-maas/issues/347",
        ],
    ),
    (
        "DOC001",
        &[
            "https://github.com/canonical/packer-maas/issues/75",
            "https://github.com/canonical/packer-maas/issues/106",
        ],
    ),
    ("DOC002", &["https://github.com/canonical/packer-maas/issues/106"]),
    ("DOC004", &["https://github.com/canonical/packer-maas/issues/304"]),
    (
        "DUP001",
        &[
            "https://github.com/canonical/packer-maas/issues/150",
            "https://github.com/canonical/packer-maas/issues/189",
            "https://github.com/canonical/packer-maas/issues/361",
        ],
    ),
    (
        "TXT001",
        &[
            "https://github.com/hashicorp/packer/issues/12671",
            "https://github.com/hashicorp/packer/issues/2489",
        ],
    ),
    (
        "RUN001",
        &[
            "https://github.com/canonical/packer-maas/issues/106",
            "https://github.com/canonical/packer-maas/issues/246",
        ],
    ),
    ("RUN002", &["https://github.com/canonical/packer-maas/issues/333"]),
    (
        "REF001",
        &[
            "https://github.com/canonical/packer-maas/issues/60",
            "https://github.com/canonical/packer-maas/issues/105",
            "https://github.com/canonical/packer-maas/issues/117",
        ],
    ),
    (
        "LNK001",
        &[
            "https://github.com/canonical/packer-maas/issues/60",
            "https://github.com/canonical/packer-maas/issues/105",
        ],
    ),
    ("LNK003", &["https://github.com/canonical/packer-maas/issues/105"]),
    (
        "ANS002",
        &[
            "https://github.com/canonical/packer-maas/issues/180",
            "https://github.com/canonical/packer-maas/issues/333",
        ],
    ),
    ("EXT001", &["https://github.com/canonical/packer-maas/issues/10"]),
];

/// Threads of a rule, as addresses.
#[must_use]
pub fn threads(id: &str) -> &'static [&'static str] {
    THREADS.iter().find(|(rule, _)| *rule == id).map_or(&[], |(_, threads)| *threads)
}
