//! A reader of XML for our rules: elements with their lines. No DTD is
//! followed and nothing is fetched.

use super::Problem;

/// Deeper answer files do not exist; deeper input would only cost stack.
const MAX_DEPTH: usize = 128;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Name as written, prefix included.
    pub name: String,
    /// Attributes in order.
    pub attributes: Vec<(String, String)>,
    /// The text directly inside, trimmed.
    pub text: String,
    /// Elements directly inside.
    pub children: Vec<Element>,
    /// Line of its start tag, from 1.
    pub line: usize,
}

impl Element {
    /// An attribute's value.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The first element of that name directly inside.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Calls `visit` for this element and all inside, with their parents' names.
    pub fn walk<'a>(
        &'a self,
        parents: &mut Vec<&'a str>,
        visit: &mut dyn FnMut(&'a Self, &[&str]),
    ) {
        visit(self, parents);
        parents.push(&self.name);
        self.children.iter().for_each(|child| child.walk(parents, visit));
        parents.pop();
    }
}

/// Reads a document.
///
/// # Errors
/// The first place where the text is not well-formed.
pub fn parse(text: &str) -> Result<Element, Problem> {
    let mut reader = Reader { rest: text, line: 1, open: vec![], root: None };
    while !reader.rest.is_empty() {
        reader.step()?;
    }
    match (reader.open.last(), reader.root) {
        (Some(open), _) => Err((open.line, format!("<{}> is not closed", open.name))),
        (None, Some(root)) => Ok(root),
        (None, None) => Err((1, "there is no element".into())),
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    open: Vec<Element>,
    root: Option<Element>,
}

impl<'a> Reader<'a> {
    /// Takes `count` bytes; they end at a character.
    fn take(&mut self, count: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, ""));
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Takes everything up to and with `end`.
    fn until(&mut self, end: &str, what: &str) -> Result<&'a str, Problem> {
        match self.rest.find(end) {
            Some(at) => Ok(self.take(at + end.len())),
            None => Err((self.line, format!("{what} is not closed"))),
        }
    }

    fn step(&mut self) -> Result<(), Problem> {
        if self.rest.starts_with("<!--") {
            self.take(4);
            let line = self.line;
            let comment = self.until("-->", "a comment")?;
            let inner = comment.strip_suffix("-->").unwrap_or(comment);
            return match inner.contains("--") {
                true => Err((line, "`--` inside a comment".into())),
                false => Ok(()),
            };
        }
        if self.rest.starts_with("<![CDATA[") {
            self.take(9);
            let line = self.line;
            let text = self.until("]]>", "a CDATA section")?;
            return self.text(text.strip_suffix("]]>").unwrap_or(text), line);
        }
        if self.rest.starts_with("<?") {
            return self.until("?>", "an instruction").map(drop);
        }
        if self.rest.starts_with("<!") {
            return self.until(">", "a declaration").map(drop);
        }
        if self.rest.starts_with("</") {
            return self.close();
        }
        if self.rest.starts_with('<') {
            return self.element();
        }
        self.space();
        let line = self.line;
        let text = self.take(self.rest.find('<').unwrap_or(self.rest.len()));
        references(text).map_err(|why| (line, why))?;
        self.text(text, line)
    }

    fn text(&mut self, text: &str, line: usize) -> Result<(), Problem> {
        let text = text.trim();
        match self.open.last_mut() {
            Some(open) => open.text.push_str(text),
            None if !text.trim_start_matches('\u{feff}').is_empty() => {
                return Err((line, "there is text outside of the document's element".into()));
            }
            None => {}
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        let line = self.line;
        let tag = self.until(">", "a tag")?;
        let name = tag.trim_start_matches("</").trim_end_matches('>').trim();
        let Some(element) = self.open.pop() else {
            return Err((line, format!("</{name}> closes nothing")));
        };
        if element.name != name {
            let opened = element.line;
            return Err((line, format!("</{name}> closes <{}> of line {opened}", element.name)));
        }
        self.finish(element, line)
    }

    fn finish(&mut self, element: Element, line: usize) -> Result<(), Problem> {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None if self.root.is_some() => {
                return Err((line, "there is a second element beside the document's".into()));
            }
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn element(&mut self) -> Result<(), Problem> {
        let line = self.line;
        self.take(1);
        let name = self.name().ok_or((line, "`<` without the name of an element".to_owned()))?;
        let mut element = Element { name: name.to_owned(), line, ..Element::default() };
        loop {
            self.space();
            if self.rest.starts_with("/>") {
                self.take(2);
                self.declared(&element)?;
                return self.finish(element, line);
            }
            if self.rest.starts_with('>') {
                self.take(1);
                self.declared(&element)?;
                if self.open.len() >= MAX_DEPTH {
                    return Err((
                        line,
                        format!("more than {MAX_DEPTH} elements inside each other"),
                    ));
                }
                self.open.push(element);
                return Ok(());
            }
            let (key, value) = self.attribute(&element.name)?;
            if element.attribute(&key).is_some() {
                return Err((self.line, format!("<{}> has `{key}` twice", element.name)));
            }
            element.attributes.push((key, value));
        }
    }

    fn attribute(&mut self, element: &str) -> Result<(String, String), Problem> {
        let wrong = |line, what: &str| (line, format!("<{element}>: {what}"));
        let key = self.name().ok_or_else(|| wrong(self.line, "no end of the tag"))?;
        self.space();
        if !self.rest.starts_with('=') {
            return Err(wrong(self.line, "an attribute without a value"));
        }
        self.take(1);
        self.space();
        let Some(quote) = self.rest.chars().next().filter(|c| ['"', '\''].contains(c)) else {
            return Err(wrong(self.line, "an attribute's value without quotes"));
        };
        self.take(1);
        let line = self.line;
        let end = self.rest.find(quote).ok_or_else(|| wrong(line, "a value is not closed"))?;
        let value = self.take(end);
        self.take(1);
        if value.contains('<') {
            return Err(wrong(line, "`<` in an attribute's value"));
        }
        references(value).map_err(|why| (line, why))?;
        Ok((key.to_owned(), value.to_owned()))
    }

    fn name(&mut self) -> Option<&'a str> {
        let is_name = |c: char| c.is_alphanumeric() || ['_', '-', '.', ':'].contains(&c);
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let starts = self.rest.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == ':');
        (end > 0 && starts).then(|| self.take(end))
    }

    fn space(&mut self) {
        let end = self.rest.find(|c: char| !c.is_whitespace()).unwrap_or(self.rest.len());
        self.take(end);
    }

    /// Every prefix of the tag is bound by it or by an element around it.
    fn declared(&self, element: &Element) -> Result<(), Problem> {
        let names = element.attributes.iter().map(|(name, _)| name).chain([&element.name]);
        for name in names {
            let Some((prefix, _)) = name.split_once(':') else { continue };
            let binding = format!("xmlns:{prefix}");
            let bound = |e: &Element| e.attribute(&binding).is_some();
            let known = ["xml", "xmlns"].contains(&prefix);
            if !known && !bound(element) && !self.open.iter().any(bound) {
                return Err((
                    element.line,
                    format!("`{prefix}:` is not declared (xmlns:{prefix})"),
                ));
            }
        }
        Ok(())
    }
}

/// Every `&` begins a reference that XML itself knows.
fn references(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('&') {
        let rest = text.get(at + 1..).unwrap_or_default();
        let name = rest.split(';').next().filter(|name| name.len() < rest.len()).unwrap_or("");
        let number = name.strip_prefix('#').is_some_and(|digits| {
            let hex = digits.strip_prefix('x');
            let all =
                |text: &str, f: fn(&char) -> bool| !text.is_empty() && text.chars().all(|c| f(&c));
            hex.map_or_else(
                || all(digits, char::is_ascii_digit),
                |h| all(h, char::is_ascii_hexdigit),
            )
        });
        if !number && !["amp", "lt", "gt", "quot", "apos"].contains(&name) {
            return Err("`&` that begins no reference: write &amp;".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_lines_and_text() {
        let root = parse("<?xml version=\"1.0\"?>\n<!DOCTYPE a>\n<a x='1'>\n  <b>t &amp; u</b><c/>\n<![CDATA[<raw>]]></a>\n").unwrap();
        assert_eq!((root.name.as_str(), root.line, root.attribute("x")), ("a", 3, Some("1")));
        assert_eq!(root.text, "<raw>");
        let names: Vec<_> = root.children.iter().map(|c| (c.name.as_str(), c.line)).collect();
        assert_eq!(names, [("b", 4), ("c", 4)]);
    }

    #[test]
    fn what_is_not_well_formed_has_its_line() {
        for (text, line) in [
            ("<a>\n<b>\n</a>", 3),
            ("<a>\n", 1),
            ("", 1),
            ("<a/>\n<b/>", 2),
            ("<a/>\nx", 2),
            ("<a\nx=1/>", 2),
            ("<a x='1'\nx='2'/>", 2),
            ("<a>\n&nbsp;</a>", 2),
            ("<a>\n<!-- -- --></a>", 2),
            ("<a>\n<w:b/></a>", 2),
            ("<a x='<'/>", 1),
            ("</a>", 1),
            ("<a>\n<", 2),
        ] {
            let found = parse(text).unwrap_err();
            assert_eq!(found.0, line, "{text:?}: {found:?}");
        }
        assert!(parse(&"<a>".repeat(100_000)).is_err());
    }
}
