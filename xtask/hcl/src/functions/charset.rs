//! Character sets by their IANA names, for `textencodebase64` and
//! `textdecodebase64`.
//!
//! Packer also knows the code pages IBM037 to IBM1140, HZ-GB-2312 and
//! ISO-8859-9, which no image has needed: they are "not supported" here.

use encoding_rs::{DecoderResult, EncoderResult, Encoding};

/// A character set.
#[derive(Clone, Copy)]
pub(super) struct Charset {
    name: &'static str,
    /// Other names in lower case, separated by spaces.
    aliases: &'static str,
    codec: Codec,
}

/// How characters become bytes.
#[derive(Clone, Copy)]
enum Codec {
    Utf8,
    /// `mark`: a byte order mark is written, and obeyed when reading.
    Utf16 {
        little: bool,
        mark: bool,
    },
    /// Every character up to this code is the byte of the same value.
    SingleByte(u32),
    Table(&'static Encoding),
}

const fn row(name: &'static str, aliases: &'static str, codec: Codec) -> Charset {
    Charset { name, aliases, codec }
}

impl Charset {
    /// The character set of that name; case does not matter.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let matches = |charset: &&Self| {
            charset.name.to_lowercase() == name
                || charset.aliases.split_ascii_whitespace().any(|alias| alias == name)
        };
        TABLE.iter().find(matches).copied()
    }

    /// The name in IANA's register.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// `None` if a character cannot be represented.
    pub(super) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        match self.codec {
            Codec::Utf8 => Some(text.as_bytes().to_vec()),
            Codec::SingleByte(last) => text
                .chars()
                .map(|c| u8::try_from(u32::from(c)).ok().filter(|byte| u32::from(*byte) <= last))
                .collect(),
            Codec::Utf16 { little, mark } => {
                let order =
                    |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
                let mark = mark.then_some(0xfeff);
                Some(mark.into_iter().chain(text.encode_utf16()).flat_map(order).collect())
            }
            Codec::Table(encoding) => encode_by_table(encoding, text),
        }
    }

    /// `None` if bytes are not defined in this character set.
    pub(super) fn decode(&self, bytes: &[u8]) -> Option<String> {
        let text = match self.codec {
            Codec::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
            Codec::SingleByte(last) => bytes
                .iter()
                .map(|byte| Some(char::from(*byte)).filter(|c| u32::from(*c) <= last))
                .collect(),
            Codec::Utf16 { little, mark } => decode_utf16(bytes, little, mark),
            Codec::Table(encoding) => decode_by_table(encoding, bytes),
        };
        // Packer takes this character for the sign of a wrong byte.
        text.filter(|text| !text.contains(char::REPLACEMENT_CHARACTER))
    }
}

fn encode_by_table(encoding: &'static Encoding, text: &str) -> Option<Vec<u8>> {
    let mut encoder = encoding.new_encoder();
    let length = encoder.max_buffer_length_from_utf8_without_replacement(text.len())?;
    let mut bytes = Vec::with_capacity(length);
    let (result, _) = encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true);
    (result == EncoderResult::InputEmpty).then_some(bytes)
}

fn decode_by_table(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text =
        String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(bytes.len())?);
    let (result, _) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
    (result == DecoderResult::InputEmpty).then_some(text)
}

fn decode_utf16(bytes: &[u8], little: bool, mark: bool) -> Option<String> {
    let (little, bytes) = match bytes {
        [0xff, 0xfe, rest @ ..] if mark => (true, rest),
        [0xfe, 0xff, rest @ ..] if mark => (false, rest),
        _ => (little, bytes),
    };
    let (units, odd) = bytes.as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    let order =
        |unit: &[u8; 2]| if little { u16::from_le_bytes(*unit) } else { u16::from_be_bytes(*unit) };
    String::from_utf16(&units.iter().map(order).collect::<Vec<u16>>()).ok()
}

/// Names from IANA's register of character sets.
#[rustfmt::skip]
static TABLE: &[Charset] = &[
    row("Big5", "csbig5", Codec::Table(encoding_rs::BIG5)),
    row("EUC-KR", "cseuckr", Codec::Table(encoding_rs::EUC_KR)),
    row("Extended_UNIX_Code_Packed_Format_for_Japanese", "euc-jp cseucpkdfmtjapanese", Codec::Table(encoding_rs::EUC_JP)),
    row("GB18030", "csgb18030", Codec::Table(encoding_rs::GB18030)),
    row("GBK", "cp936 ms936 csgbk windows-936", Codec::Table(encoding_rs::GBK)),
    row("IBM866", "866 cp866 csibm866", Codec::Table(encoding_rs::IBM866)),
    row("ISO-2022-JP", "csiso2022jp", Codec::Table(encoding_rs::ISO_2022_JP)),
    row("ISO-8859-10", "iso_8859-10:1992 csisolatin6 iso-ir-157 l6 latin6", Codec::Table(encoding_rs::ISO_8859_10)),
    row("ISO-8859-13", "csiso885913", Codec::Table(encoding_rs::ISO_8859_13)),
    row("ISO-8859-14", "iso_8859-14 iso_8859-14:1998 csiso885914 iso-celtic iso-ir-199 l8 latin8", Codec::Table(encoding_rs::ISO_8859_14)),
    row("ISO-8859-15", "iso_8859-15 latin-9 csiso885915", Codec::Table(encoding_rs::ISO_8859_15)),
    row("ISO-8859-16", "iso_8859-16 iso_8859-16:2001 csiso885916 iso-ir-226 l10 latin10", Codec::Table(encoding_rs::ISO_8859_16)),
    row("ISO_8859-1:1987", "cp819 ibm819 iso-8859-1 iso_8859-1 csisolatin1 iso-ir-100 l1 latin1", Codec::SingleByte(0xff)),
    row("ISO_8859-2:1987", "iso-8859-2 iso_8859-2 csisolatin2 iso-ir-101 l2 latin2", Codec::Table(encoding_rs::ISO_8859_2)),
    row("ISO_8859-3:1988", "iso-8859-3 iso_8859-3 csisolatin3 iso-ir-109 l3 latin3", Codec::Table(encoding_rs::ISO_8859_3)),
    row("ISO_8859-4:1988", "iso-8859-4 iso_8859-4 csisolatin4 iso-ir-110 l4 latin4", Codec::Table(encoding_rs::ISO_8859_4)),
    row("ISO_8859-5:1988", "iso-8859-5 iso_8859-5 csisolatincyrillic cyrillic iso-ir-144", Codec::Table(encoding_rs::ISO_8859_5)),
    row("ISO_8859-6-E", "iso-8859-6-e csiso88596e", Codec::Table(encoding_rs::ISO_8859_6)),
    row("ISO_8859-6-I", "iso-8859-6-i csiso88596i", Codec::Table(encoding_rs::ISO_8859_6)),
    row("ISO_8859-6:1987", "asmo-708 ecma-114 iso-8859-6 iso_8859-6 arabic csisolatinarabic iso-ir-127", Codec::Table(encoding_rs::ISO_8859_6)),
    row("ISO_8859-7:1987", "ecma-118 elot_928 iso-8859-7 iso_8859-7 csisolatingreek greek greek8 iso-ir-126", Codec::Table(encoding_rs::ISO_8859_7)),
    row("ISO_8859-8-E", "iso-8859-8-e csiso88598e", Codec::Table(encoding_rs::ISO_8859_8)),
    row("ISO_8859-8-I", "iso-8859-8-i csiso88598i", Codec::Table(encoding_rs::ISO_8859_8_I)),
    row("ISO_8859-8:1988", "iso-8859-8 iso_8859-8 csisolatinhebrew hebrew iso-ir-138", Codec::Table(encoding_rs::ISO_8859_8)),
    row("KOI8-R", "cskoi8r", Codec::Table(encoding_rs::KOI8_R)),
    row("KOI8-U", "cskoi8u", Codec::Table(encoding_rs::KOI8_U)),
    row("Shift_JIS", "ms_kanji csshiftjis", Codec::Table(encoding_rs::SHIFT_JIS)),
    row("US-ASCII", "ansi_x3.4-1968 ansi_x3.4-1986 ibm367 iso646-us iso_646.irv:1991 cp367 csascii iso-ir-6 us", Codec::SingleByte(0x7f)),
    row("UTF-16", "csutf16", Codec::Utf16 { little: false, mark: true }),
    row("UTF-16BE", "csutf16be", Codec::Utf16 { little: false, mark: false }),
    row("UTF-16LE", "csutf16le", Codec::Utf16 { little: true, mark: false }),
    row("UTF-8", "csutf8", Codec::Utf8),
    row("macintosh", "csmacintosh mac", Codec::Table(encoding_rs::MACINTOSH)),
    row("windows-1250", "cswindows1250", Codec::Table(encoding_rs::WINDOWS_1250)),
    row("windows-1251", "cswindows1251", Codec::Table(encoding_rs::WINDOWS_1251)),
    row("windows-1252", "cswindows1252", Codec::Table(encoding_rs::WINDOWS_1252)),
    row("windows-1253", "cswindows1253", Codec::Table(encoding_rs::WINDOWS_1253)),
    row("windows-1254", "cswindows1254", Codec::Table(encoding_rs::WINDOWS_1254)),
    row("windows-1255", "cswindows1255", Codec::Table(encoding_rs::WINDOWS_1255)),
    row("windows-1256", "cswindows1256", Codec::Table(encoding_rs::WINDOWS_1256)),
    row("windows-1257", "cswindows1257", Codec::Table(encoding_rs::WINDOWS_1257)),
    row("windows-1258", "cswindows1258", Codec::Table(encoding_rs::WINDOWS_1258)),
    row("windows-874", "cswindows874", Codec::Table(encoding_rs::WINDOWS_874)),
];
