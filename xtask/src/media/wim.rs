//! Which editions an installation medium of Windows has: the XML at the end of
//! `sources/install.wim`, held against what an answer file asks for.

use std::path::Path;

use super::MediaError;
use super::iso::{Medium, Place};

/// Where Setup finds the images: whole, compressed harder, or in parts.
const FILES: [&str; 3] = ["sources/install.wim", "sources/install.esd", "sources/install.swm"];

/// Bytes of the header, and where in it the XML's size and place are
/// (`WIMHEADER_V1_PACKED` in Microsoft's description of the format).
const HEADER: usize = 208;
const XML: usize = 72;

/// Larger than the XML of any medium: a few KiB per edition.
const MAX_XML: u64 = 16 << 20;

/// `PROCESSOR_ARCHITECTURE_AMD64`.
const AMD64: &str = "9";

/// One image of Windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edition {
    /// Number, from 1.
    pub index: String,
    /// Such as `Windows Server 2022 SERVERSTANDARD`.
    pub name: String,
    /// Such as `Windows Server 2022 Standard Evaluation (Desktop Experience)`.
    pub description: String,
    /// Windows' number of the architecture; empty if it is not said.
    pub arch: String,
    /// Languages it has; empty if it is not said.
    pub languages: Vec<String>,
}

/// What an answer file asks of the medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `/IMAGE/NAME`, `/IMAGE/INDEX` or `/IMAGE/DESCRIPTION`.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Language of Setup and of Windows.
    pub language: Option<String>,
}

impl Wanted {
    /// What an answer file selects; `None` if it selects nothing.
    #[must_use]
    pub fn of(answers: &str) -> Option<Self> {
        let document = roxmltree::Document::parse(answers.trim_start()).ok()?;
        let named = |node: roxmltree::Node<'_, '_>, name: &str| {
            let found = node.descendants().find(|child| child.has_tag_name((NAMESPACE, name)))?;
            Some(found.text()?.trim().to_owned())
        };
        let meta = document.descendants().find(|n| n.has_tag_name((NAMESPACE, "MetaData")))?;
        Some(Self {
            key: named(meta, "Key")?,
            value: named(meta, "Value")?,
            language: named(document.root(), "UILanguage"),
        })
    }
}

/// Namespace of answer files.
pub const NAMESPACE: &str = "urn:schemas-microsoft-com:unattend";

/// The editions on a medium; `None` if it is no medium of Windows.
///
/// # Errors
/// The file cannot be read.
pub fn editions(path: &Path) -> Result<Option<Vec<Edition>>, MediaError> {
    let medium = Medium::open(path)?;
    let found = FILES.iter().find_map(|file| medium.find(file));
    Ok(found.and_then(|place| list(&medium, &place)))
}

fn list(medium: &Medium, place: &Place) -> Option<Vec<Edition>> {
    let header = medium.read(place, 0, HEADER)?;
    if !header.starts_with(b"MSWIM\0\0\0") {
        return None;
    }
    let number = |at: usize| {
        let bytes = header.get(at..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    };
    // The upper byte of the size holds flags.
    let (size, offset) = (number(XML)? & 0xff_ffff_ffff_ffff, number(XML + 8)?);
    let size = usize::try_from(size.min(MAX_XML)).ok()?;
    let raw = medium.read(place, offset, size)?;
    let units = raw.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect();
    parse(text.trim_start_matches('\u{feff}'))
}

fn parse(xml: &str) -> Option<Vec<Edition>> {
    let document = roxmltree::Document::parse(xml).ok()?;
    let images = document.descendants().filter(|node| node.has_tag_name("IMAGE"));
    let edition = |image: roxmltree::Node<'_, '_>| {
        let texts = |name: &str| -> Vec<String> {
            let found = image.descendants().filter(|node| node.has_tag_name(name));
            found.filter_map(|node| Some(node.text()?.trim().to_owned())).collect()
        };
        let text = |name: &str| texts(name).into_iter().next().unwrap_or_default();
        Edition {
            index: image.attribute("INDEX").unwrap_or_default().to_owned(),
            name: text("NAME"),
            description: text("DESCRIPTION"),
            arch: text("ARCH"),
            languages: texts("LANGUAGE"),
        }
    };
    Some(images.map(edition).collect())
}

/// Why Setup would stop with this medium and these answers; `None` if it would
/// not.
#[must_use]
pub fn mismatch(editions: &[Edition], wanted: &Wanted) -> Option<String> {
    let same = |text: &str| text.eq_ignore_ascii_case(&wanted.value);
    let found = editions.iter().find(|edition| match wanted.key.as_str() {
        "/IMAGE/INDEX" => same(&edition.index),
        "/IMAGE/DESCRIPTION" => same(&edition.description),
        _ => same(&edition.name),
    });
    let Some(found) = found else {
        return Some(format!(
            "it has no image with {} = {:?}; it has\n{}",
            wanted.key.trim_start_matches("/IMAGE/"),
            wanted.value,
            table(editions)
        ));
    };
    if !found.arch.is_empty() && found.arch != AMD64 {
        return Some(format!("{:?} on it is not for amd64", found.name));
    }
    let language = wanted.language.as_ref()?;
    let has = found.languages.iter().any(|known| known.eq_ignore_ascii_case(language));
    (!has && !found.languages.is_empty()).then(|| {
        let known = found.languages.join(", ");
        format!("{:?} on it has no language {language:?}, only {known}", found.name)
    })
}

fn table(editions: &[Edition]) -> String {
    let line = |edition: &Edition| {
        format!("    {:>2}  {}  ({})", edition.index, edition.name, edition.description)
    };
    editions.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Synthetic, with the elements that `wimlib-imagex info --xml` shows of
    /// Microsoft's media.
    const TEXT: &str = "<WIM><TOTALBYTES>1</TOTALBYTES>\
        <IMAGE INDEX=\"1\"><WINDOWS><ARCH>9</ARCH><LANGUAGES><LANGUAGE>en-US</LANGUAGE>\
        <DEFAULT>en-US</DEFAULT></LANGUAGES></WINDOWS><NAME>Windows Server 2022 SERVERSTANDARDCORE</NAME>\
        <DESCRIPTION>Core</DESCRIPTION></IMAGE>\
        <IMAGE INDEX=\"2\"><WINDOWS><ARCH>12</ARCH></WINDOWS><NAME>Windows 11 Pro</NAME></IMAGE></WIM>";

    fn wanted(key: &str, value: &str, language: &str) -> Wanted {
        let language = Some(language.to_owned());
        Wanted { key: format!("/IMAGE/{key}"), value: value.into(), language }
    }

    #[test]
    fn names_numbers_languages_and_architectures_decide() {
        let editions = parse(TEXT).unwrap();
        for (wanted, part) in [
            (wanted("NAME", "Windows Server 2022 serverstandardcore", "en-us"), None),
            (wanted("INDEX", "1", "en-US"), None),
            (wanted("DESCRIPTION", "Core", "en-US"), None),
            (wanted("NAME", "Windows 10 PRO", "en-US"), Some(" 1  Windows Server 2022 SERVER")),
            (wanted("INDEX", "3", "en-US"), Some("INDEX = \"3\"")),
            (wanted("INDEX", "1", "de-DE"), Some("no language \"de-DE\", only en-US")),
            (wanted("INDEX", "2", "de-DE"), Some("not for amd64")),
        ] {
            let found = mismatch(&editions, &wanted);
            match part {
                None => assert_eq!(found, None),
                Some(part) => assert!(found.as_ref().unwrap().contains(part), "{found:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_wim_has_no_editions() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for bytes in [vec![], vec![0; 1 << 20], vec![0xff; 1 << 20]] {
            std::fs::write(file.path(), bytes).unwrap();
            assert_eq!(editions(file.path()).unwrap(), None);
        }
        assert!(editions(Path::new("/nowhere.iso")).is_err());
        assert_eq!(Wanted::of("<unattend/>"), None);
        assert_eq!(Wanted::of("no xml"), None);
    }
}
