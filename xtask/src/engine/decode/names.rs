//! Attributes of Packer's qemu builder that the engine does not read, and what
//! that means.

use packer_hcl::diagnostic::{Diagnostic, suggest};
use packer_hcl::source::Span;

/// Attributes that change nothing here. Why:
///
/// * media are fetched and verified before the engine starts (`iso_*`)
/// * the disk is left in the work directory, packing reads it as it is
///   (`output_directory`, `skip_compaction`, `efi_drop_efivars`)
/// * ports and screens are chosen by the engine, on loopback only (`vnc_*`,
///   `host_port_*`, `http_bind_address`, `display`)
/// * keys are typed through QMP (`disable_vnc`, `boot_keygroup_interval`, which
///   Packer's qemu builder ignores too)
/// * files go through the one SSH connection (`ssh_file_transfer_method`)
/// * no agent and no cloud key pair takes part (`ssh_disable_agent_forwarding`,
///   `ssh_keypair_name`, ...)
/// * they belong to another communicator (`winrm_*`, matched by prefix)
const WITHOUT_EFFECT: &[&str] = &[
    "boot_keygroup_interval",
    "disable_vnc",
    "display",
    "efi_drop_efivars",
    "host_port_max",
    "host_port_min",
    "http_bind_address",
    "http_interface",
    "http_network_protocol",
    "iso_checksum",
    "iso_skip_cache",
    "iso_target_extension",
    "iso_target_path",
    "iso_url",
    "iso_urls",
    "output_directory",
    "run_once",
    "skip_compaction",
    "ssh_clear_authorized_keys",
    "ssh_disable_agent_forwarding",
    "ssh_file_transfer_method",
    "ssh_host_port_max",
    "ssh_host_port_min",
    "ssh_keypair_name",
    "ssh_read_write_timeout",
    "temporary_key_pair_name",
    "use_default_display",
    "vnc_bind_address",
    "vnc_password",
    "vnc_port_max",
    "vnc_port_min",
    "vnc_use_password",
];

/// Attributes that only Packer knows. `false`, `0`, `""` and `[]` are their
/// defaults and fine.
const ONLY_PACKER: &[&str] = &[
    "floppy_content",
    "floppy_dirs",
    "floppy_files",
    "floppy_label",
    "net_bridge",
    "skip_nat_mapping",
    "ssh_agent_auth",
    "ssh_bastion_agent_auth",
    "ssh_bastion_certificate_file",
    "ssh_bastion_host",
    "ssh_bastion_interactive",
    "ssh_bastion_password",
    "ssh_bastion_port",
    "ssh_bastion_private_key_file",
    "ssh_bastion_username",
    "ssh_certificate_file",
    "ssh_host",
    "ssh_local_tunnels",
    "ssh_private_key",
    "ssh_proxy_host",
    "ssh_proxy_password",
    "ssh_proxy_port",
    "ssh_proxy_username",
    "ssh_public_key",
    "ssh_remote_tunnels",
];

/// What it means that nobody read an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It changes nothing here.
    WithoutEffect,
    /// Only Packer can do it.
    OnlyPacker,
    /// Packer does not know it either.
    Unknown,
}

/// Looks up an attribute of the qemu builder.
pub(super) fn unread(name: &str) -> Unread {
    if WITHOUT_EFFECT.contains(&name) || name.starts_with("winrm_") {
        Unread::WithoutEffect
    } else if ONLY_PACKER.contains(&name) {
        Unread::OnlyPacker
    } else {
        Unread::Unknown
    }
}

/// Something that only Packer can do.
pub(super) fn only_packer(what: &str, span: Span) -> Diagnostic {
    let detail = format!("The built-in engine does not know {what}. Build with --engine packer.");
    Diagnostic::error("Only Packer can do this", detail, span)
}

/// Something that nobody knows.
pub(super) fn unknown<'a>(
    name: &str,
    span: Span,
    known: impl IntoIterator<Item = &'a str>,
) -> Diagnostic {
    let detail = format!(
        "An argument named \"{name}\" is not expected here by the built-in engine. If your \
         version of Packer knows it, build with --engine packer."
    );
    let label = suggest(name, known).map(|known| format!("did you mean `{known}`?"));
    Diagnostic::error("Unsupported argument", detail, span).with_label(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_disjoint() {
        assert!(WITHOUT_EFFECT.is_sorted() && ONLY_PACKER.is_sorted());
        assert!(ONLY_PACKER.iter().all(|name| !WITHOUT_EFFECT.contains(name)));
        assert_eq!(unread("winrm_port"), Unread::WithoutEffect);
        assert_eq!(unread("floppy_files"), Unread::OnlyPacker);
        assert_eq!(unread("acelerator"), Unread::Unknown);
    }
}
