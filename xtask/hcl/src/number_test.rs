//! Expected texts come from Go's `math/big` through `packer console` 1.16.0.

use super::*;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap_or_else(|| panic!("{text} does not parse"))
}

#[test]
fn literals_print_as_cty() {
    let table = [
        ("0", "0"),
        ("-0", "-0"),
        ("00012", "12"),
        (".5", "0.5"),
        ("5.", "5"),
        ("0.1", "0.1"),
        (
            "1e100",
            "10000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        ),
        ("1E-7", "0.0000001"),
        ("9007199254740993", "9007199254740993"),
        ("1p3", "8"),
        ("123.4560", "123.456"),
        ("+7", "7"),
        ("inf", "+Inf"),
        ("1e999999999", "+Inf"),
    ];
    for (text, want) in table {
        assert_eq!(number(text).text(), want, "{text}");
    }
}

#[test]
fn not_a_number() {
    for text in
        ["", "-", ".", "e5", "1e", "1e+", "0x10", "1_000", " 1", "1 ", "--1", "NaN", "1.2.3"]
    {
        assert!(Number::parse(text).is_none(), "{text:?}");
    }
}

#[test]
fn arithmetic_rounds_to_the_greater_precision() {
    let sum = number("0.1").add(&number("0.2")).unwrap();
    assert_eq!(sum.text(), "0.3");
    let third = number("1").div(&number("3")).unwrap();
    assert_eq!(third.text().len(), "0.".len() + 155);
    let third = Number::from_i64(1).div(&Number::from_i64(3)).unwrap();
    assert_eq!(third.text(), "0.33333333333333333334");
    assert_eq!(Number::from_f64(0.1).unwrap().text(), "0.1");
    assert_eq!(number("7").rem(&number("-3")).unwrap().text(), "1");
    assert_eq!(number("-7").rem(&number("3")).unwrap().text(), "-1");
    assert_eq!(number("5.5").rem(&number("2")).unwrap().text(), "1.5");
    assert_eq!(number("3").rem(&number("0")).unwrap().text(), "3");
}

#[test]
fn undefined_results_are_none() {
    let (zero, infinity) = (number("0"), Number::infinity(false));
    assert!(zero.div(&zero).is_none());
    assert!(infinity.sub(&infinity).is_none());
    assert!(zero.mul(&infinity).is_none());
    assert_eq!(number("-1").div(&zero).unwrap().text(), "-Inf");
}

#[test]
fn comparison_and_conversion() {
    assert!(number("-0").equals(&number("0")));
    assert_eq!(number("2").compare(&number("10")), Ordering::Less);
    assert_eq!(number("-2").compare(&number("-10")), Ordering::Greater);
    assert_eq!(number("-9223372036854775808").to_i64(), Some(i64::MIN));
    assert_eq!(number("9223372036854775808").to_i64(), None);
    assert_eq!(number("1.5").to_i64(), None);
    assert_eq!(number("1e3").to_usize(), Some(1000));
    assert!((number("1e-3").to_f64() - 0.001).abs() < f64::EPSILON);
}
