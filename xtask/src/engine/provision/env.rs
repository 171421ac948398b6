//! Environment variables as Packer passes them to scripts.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::Provisioner;
use crate::engine::error::Trouble;

impl Provisioner<'_> {
    /// Packer's own variables and the step's, rendered, sorted by name.
    pub(super) fn environment(
        &self,
        own: &IndexMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Trouble> {
        let (ip, port) = &self.http;
        let mut all = BTreeMap::from([
            ("PACKER_BUILD_NAME".to_owned(), self.spec.name.clone()),
            ("PACKER_BUILDER_TYPE".to_owned(), "qemu".to_owned()),
            ("PACKER_HTTP_ADDR".to_owned(), format!("{ip}:{port}")),
            ("PACKER_HTTP_IP".to_owned(), ip.clone()),
            ("PACKER_HTTP_PORT".to_owned(), port.to_string()),
        ]);
        for (key, value) in own {
            all.insert(key.clone(), self.render(value)?);
        }
        Ok(all)
    }
}

/// Joins variables by a format with two `%s`: name, and value with its single
/// quotes escaped for a shell.
pub(super) fn flatten(all: &BTreeMap<String, String>, format: &str) -> String {
    let one = |(key, value): (&String, &String)| {
        let value = value.replace('\'', r#"'"'"'"#);
        format.replacen("%s", key, 1).replacen("%s", &value, 1)
    };
    all.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_survive_and_order_is_by_name() {
        let all = BTreeMap::from([
            ("B".to_owned(), "it's %s".to_owned()),
            ("A".to_owned(), String::new()),
        ]);
        assert_eq!(flatten(&all, "%s='%s' "), r#"A='' B='it'"'"'s %s' "#);
        assert_eq!(flatten(&all, "export %s='%s'\n").lines().next(), Some("export A=''"));
    }
}
