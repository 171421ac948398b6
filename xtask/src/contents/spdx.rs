//! The bill of materials: SPDX 2.3 in JSON (spdx.github.io/spdx-spec/v2.3).
//!
//! The image is one package that contains those of its database. Nothing is
//! concluded: licences are what packagers wrote, as comments, because most of
//! them are no SPDX expressions.

use std::time::SystemTime;

use disk_image::artifact::{Package, Packages};
use serde_json::{Value, json};

use super::Contents;
use crate::date;
use crate::plan::fingerprint::hex;

const NOASSERTION: &str = "NOASSERTION";
const IMAGE: &str = "SPDXRef-Image";

pub(super) fn document(contents: Contents<'_>, now: SystemTime) -> Value {
    let list = contents.manifest.packages.list().unwrap_or_default();
    let installed: Vec<&Package> = list.iter().filter(|package| package.is_installed()).collect();
    let ids: Vec<String> = (1..=installed.len()).map(|n| format!("SPDXRef-Package-{n}")).collect();
    let mut packages = vec![image(contents)];
    packages.extend(ids.iter().zip(&installed).map(|(id, it)| package(contents, id, it)));
    let related = |a: &str, kind: &str, b: &str| json!({"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b});
    let mut relationships = vec![related("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)];
    relationships.extend(ids.iter().map(|id| related(IMAGE, "CONTAINS", id)));
    let sha256 = hex(&contents.artifact.sha256);
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": contents.name,
        // Unique, and no promise that there is anything.
        "documentNamespace": format!("https://spdx.org/spdxdocs/{}-{sha256}", encoded(contents.name)),
        "creationInfo": {
            "created": date::stamp(now),
            "creators": [concat!("Tool: maas-image-xtask-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relationships,
    });
    if let (Packages::Unknown(reason), Some(fields)) =
        (&contents.manifest.packages, document.as_object_mut())
    {
        fields.insert("comment".into(), format!("Packages are not listed: {reason}").into());
    }
    document
}

fn image(contents: Contents<'_>) -> Value {
    let os = &contents.manifest.os_release;
    json!({
        "SPDXID": IMAGE,
        "name": if os.get("ID").is_empty() { "image" } else { os.get("ID") },
        "versionInfo": if os.get("VERSION_ID").is_empty() { "unknown" } else { os.get("VERSION_ID") },
        "packageFileName": contents.name,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": false,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": NOASSERTION,
        "copyrightText": NOASSERTION,
        "checksums": [
            {"algorithm": "SHA256", "checksumValue": hex(&contents.artifact.sha256)}
        ],
    })
}

fn package(contents: Contents<'_>, id: &str, package: &Package) -> Value {
    let mut value = json!({
        "SPDXID": id,
        "name": package.name,
        "versionInfo": package.version,
        "supplier": supplier(&package.supplier),
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": false,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": NOASSERTION,
        "copyrightText": NOASSERTION,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": purl(contents, package),
        }],
    });
    if let (false, Some(fields)) = (package.license.is_empty(), value.as_object_mut()) {
        fields.insert("licenseComments".into(), format!("As packaged: {}", package.license).into());
    }
    value
}

/// `NAME <MAIL>` as `Organization: NAME (MAIL)`: most are teams.
fn supplier(text: &str) -> String {
    let (name, mail) = text.split_once('<').unwrap_or((text, ""));
    let plain = |text: &str| text.replace(['(', ')', '<', '>'], "").trim().to_owned();
    match (plain(name), plain(mail)) {
        (name, _) if name.is_empty() => NOASSERTION.into(),
        // Vendors give an address of the web; only mail belongs there.
        (name, mail) if !mail.contains('@') => format!("Organization: {name}"),
        (name, mail) => format!("Organization: {name} ({mail})"),
    }
}

/// Package URL (github.com/package-url/purl-spec): what scanners look up.
fn purl(contents: Contents<'_>, package: &Package) -> String {
    let os = &contents.manifest.os_release;
    let kind = if matches!(contents.manifest.packages, Packages::Rpm(_)) { "rpm" } else { "deb" };
    let vendor = if os.get("ID").is_empty() { "unknown" } else { os.get("ID") };
    // rpm's epoch is a qualifier, dpkg's belongs to the version.
    let (epoch, version) = match package.version.split_once(':') {
        Some((epoch, version)) if kind == "rpm" => (format!("&epoch={epoch}"), version),
        _ => (String::new(), package.version.as_str()),
    };
    let distro = match os.get("VERSION_ID") {
        "" => String::new(),
        version => format!("&distro={}-{}", encoded(vendor), encoded(version)),
    };
    let (name, arch) = (encoded(&package.name), encoded(&package.arch));
    format!("pkg:{kind}/{}/{name}@{}?arch={arch}{distro}{epoch}", encoded(vendor), encoded(version))
}

/// Percent-encoded as in RFC 3986: all but unreserved characters.
fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        match keep(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::supplier;

    #[test]
    fn suppliers() {
        for (text, expected) in [
            ("", "NOASSERTION"),
            ("SUSE LLC <https://www.suse.com/>", "Organization: SUSE LLC"),
            ("Red Hat, Inc.", "Organization: Red Hat, Inc."),
            ("A (b) <a@b.org>", "Organization: A b (a@b.org)"),
            ("<a@b.org>", "NOASSERTION"),
        ] {
            assert_eq!(supplier(text), expected);
        }
    }
}
