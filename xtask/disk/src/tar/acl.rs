//! POSIX ACLs as text.

/// The xattrs that hold ACLs, and the pax keywords of their text form.
pub(crate) const ACL_XATTRS: [(&[u8], &str); 2] = [
    (b"system.posix_acl_access", "SCHILY.acl.access"),
    (b"system.posix_acl_default", "SCHILY.acl.default"),
];

/// Version number in front of the entries, `linux/posix_acl_xattr.h`.
const VERSION: [u8; 4] = 2u32.to_le_bytes();

/// The text form (`user::rw-,user:1000:r--,...`) with numeric ids of the xattr
/// value of an ACL; `None` if it is not one. GNU tar restores ACLs from this
/// when given `--acls`, and then ignores the xattr.
pub(crate) fn to_text(value: &[u8]) -> Option<String> {
    let entries = value.strip_prefix(&VERSION)?;
    if entries.is_empty() || entries.len() % 8 != 0 {
        return None;
    }
    let parts: Option<Vec<String>> = entries.chunks_exact(8).map(entry).collect();
    Some(parts?.join(","))
}

fn entry(bytes: &[u8]) -> Option<String> {
    let [tag0, tag1, perm0, perm1, id @ ..] = bytes else { return None };
    let id = u32::from_le_bytes(id.try_into().ok()?);
    let who = match u16::from_le_bytes([*tag0, *tag1]) {
        0x01 => "user:".to_string(),
        0x02 => format!("user:{id}"),
        0x04 => "group:".to_string(),
        0x08 => format!("group:{id}"),
        0x10 => "mask:".to_string(),
        0x20 => "other:".to_string(),
        _ => return None,
    };
    let perm = u16::from_le_bytes([*perm0, *perm1]);
    let flag = |bit: u16, letter: char| if perm & bit == 0 { '-' } else { letter };
    Some(format!("{who}:{}{}{}", flag(4, 'r'), flag(2, 'w'), flag(1, 'x')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbers_and_garbage_is_refused() {
        // `setfacl -m u:1234:r,g:5:rwx` on a file of mode 0644, own run.
        let value = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xd2\x04\0\0\
            \x04\0\x04\0\xff\xff\xff\xff\x08\0\x07\0\x05\0\0\0\
            \x10\0\x07\0\xff\xff\xff\xff \0\x04\0\xff\xff\xff\xff";
        let text = "user::rw-,user:1234:r--,group::r--,group:5:rwx,mask::rwx,other::r--";
        assert_eq!(to_text(value).as_deref(), Some(text));
        assert_eq!(to_text(&value[..20]).as_deref(), Some("user::rw-,user:1234:r--"));
        for bad in [&value[..4], &value[..7], b"\x01\0\0\0\x01\0\x06\0\xff\xff\xff\xff"] {
            assert_eq!(to_text(bad), None);
        }
    }
}
