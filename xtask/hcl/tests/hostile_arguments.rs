//! No function panics, hangs or takes all memory, whatever it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use packer_hcl::function::{Context, Impure};
use packer_hcl::functions;
use packer_hcl::number::Number;
use packer_hcl::types::Type;
use packer_hcl::value::Value;

/// Texts that have broken one function or another somewhere.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "é🇩🇪e\u{301}",
    "\0",
    "\n\r\n",
    "-",
    "%",
    "%[9]s",
    "%99999999999d",
    "%.9999999f",
    "%5.3[1]q",
    "$1${x}$",
    "(",
    "[",
    "a**",
    "(?P<x>a)(?P<x>b)",
    "\\",
    "{",
    "{a,b}{c,d}/**",
    "**/*",
    "/dev/null",
    "/proc/self/mem",
    "~",
    "~/x",
    "2024-02-29T23:59:59.999999999+23:59",
    "0000-01-01T00:00:00-23:59",
    "9999-12-31T23:59:59Z",
    "YYYYMMDD''hh'",
    "-9223372036854775808h",
    "1h",
    "0.0.0.0/0",
    "255.255.255.255/32",
    "::/0",
    "ffff::/128",
    "::ffff:1.2.3.4/96",
    "dns",
    "UTF-16",
    "latin1",
    "AAAA",
    "====",
    "a: &x [*x]",
    "&a [&b [*a]]",
    "<<: 1",
    "? ",
    "- - - -",
    "\"a\",b\n\"",
    "a,b\n1",
    "{\"a\":[1,{",
    "1e99999999",
    "-0",
    "0x",
    "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----",
];

/// The same for numbers.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "3.5",
    "62",
    "128",
    "1e30",
    "-1e30",
    "9223372036854775807",
    "-9223372036854775808",
    "1e-300",
    "1e400",
    "-1e20000",
    "Inf",
    "-Inf",
    "16777217",
];

/// Simple and oversized values.
fn simple() -> Vec<Value> {
    let mut values: Vec<Value> = TEXTS.iter().map(Value::string).collect();
    values.push(Value::string("[".repeat(100_000)));
    values.push(Value::string("ab".repeat(50_000)));
    values.push(Value::string("(".repeat(2_000)));
    values.push(Value::string(format!("{}a", "- ".repeat(3_000))));
    values.extend(NUMBERS.iter().filter_map(|text| Number::parse(text)).map(Value::number));
    values.extend([Value::bool(true), Value::bool(false)]);
    values
}

/// Nulls and unknowns of every kind of type.
fn nothings() -> Vec<Value> {
    let mut values = Vec::new();
    for ty in [
        Type::Dynamic,
        Type::Bool,
        Type::Number,
        Type::String,
        Type::list(Type::String),
        Type::set(Type::Dynamic),
        Type::map(Type::Number),
        Type::tuple(vec![Type::String, Type::Dynamic]),
        Type::empty_object(),
    ] {
        values.push(Value::null(ty.clone()));
        values.push(Value::unknown(ty, Some("build.ID".into())));
    }
    values
}

/// Collections with holes, secrets and unknown parts.
fn collections() -> Vec<Value> {
    let list = |values: Vec<Value>| Value::list(Type::String, values);
    let secret = Value::string("secret").mark(true);
    vec![
        Value::tuple(Vec::new()),
        Value::object(BTreeMap::new()),
        Value::set(Type::Dynamic, Vec::new()),
        list(Vec::new()),
        list(vec![
            Value::string("b"),
            Value::null(Type::String),
            Value::unknown(Type::String, None),
        ]),
        list(vec![secret.clone(), Value::string("a")]).mark(true),
        Value::set(Type::Number, vec![Value::int(3), Value::unknown(Type::Number, None)]),
        Value::tuple(vec![
            Value::int(1),
            secret.clone(),
            Value::null(Type::Dynamic),
            Value::dynamic(None),
        ]),
        Value::tuple(vec![
            Value::tuple(vec![Value::tuple(vec![Value::string("x")])]),
            list(Vec::new()),
        ]),
        Value::object([("a".into(), secret), ("é".into(), Value::null(Type::Bool))].into()),
        Value::map(Type::Dynamic, BTreeMap::new()),
        Value::map(Type::String, [("k\n".into(), Value::unknown(Type::String, None))].into()),
        list(vec![Value::string("x"); 3_000]),
    ]
}

fn pool() -> Vec<Value> {
    [simple(), nothings(), collections()].concat()
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit
    }
}

#[test]
fn no_argument_breaks_a_function() {
    let directory = tempfile::tempdir().expect("a directory");
    let env = BTreeMap::from([("HOME".to_owned(), "/nowhere".to_owned())]);
    let context = Context {
        base_dir: Path::new("."),
        cwd: directory.path(),
        env: &env,
        impure: Impure::Placeholder,
        reads: BTreeSet::new().into(),
        steps: 0.into(),
    };
    let pool = pool();
    let mut random = Random(1);
    let mut done = 0;
    for name in functions::names() {
        // A bcrypt of the highest cost takes days, as it should.
        let Some(function) = functions::lookup(name).filter(|_| name != "bcrypt") else { continue };
        for _ in 0..200 {
            let count = function.params.len() + function.variadic.map_or(0, |_| random.below(4));
            let args: Vec<Value> =
                (0..count).map(|_| pool[random.below(pool.len())].clone()).collect();
            let Ok(args) = function.convert_args(&args) else { continue };
            if let Ok(value) = function.call(&context, &args) {
                let secret = args.iter().any(Value::is_sensitive);
                assert!(!secret || value.contains_sensitive(), "{name} unmarks: {args:?}");
                done += 1;
            }
        }
    }
    assert!(done > 2_000, "only {done} calls succeeded");
}
