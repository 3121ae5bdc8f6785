//! Tests the grammar of `Sec-WebSocket-Extensions` (§4.3, §9.1).

use proptest::collection::vec;
use proptest::prelude::*;
use tightwire::handshake::{Extension, ExtensionSyntaxError};

fn decode(values: &[&str]) -> Result<Vec<Extension>, ExtensionSyntaxError> {
    Extension::decode_list(values.iter().copied())
}

fn extension(name: &str, params: &[(&str, Option<&str>)]) -> Extension {
    let mut extension = Extension::new(name);
    for &(name, value) in params {
        extension.params.push((name.to_owned(), value.map(ToOwned::to_owned)));
    }
    extension
}

// proves 6455-9.1-3, 6455-4.3-1, 6455-4.3-5, 6455-4.3-7
#[test]
fn valid_lists_are_decoded() {
    let a = || extension("a", &[]);
    let cases: &[(&str, Vec<Extension>)] = &[
        ("a", vec![a()]),
        ("a,a", vec![a(), a()]),
        (" \ta\t ", vec![a()]),
        (",a,,b, ,", vec![a(), extension("b", &[])]),
        ("a;b", vec![extension("a", &[("b", None)])]),
        ("a;b;b", vec![extension("a", &[("b", None), ("b", None)])]),
        ("a;b;c=1, d", vec![extension("a", &[("b", None), ("c", Some("1"))]), extension("d", &[])]),
        ("foo ; a = 1 ,\tbar", vec![extension("foo", &[("a", Some("1"))]), extension("bar", &[])]),
        ("foo;a=1,bar", vec![extension("foo", &[("a", Some("1"))]), extension("bar", &[])]),
        ("a; b = \"1\" ;c", vec![extension("a", &[("b", Some("1")), ("c", None)])]),
        ("constructor; __proto__=1", vec![extension("constructor", &[("__proto__", Some("1"))])]),
        ("!#$%&'*+-.^_`|~", vec![extension("!#$%&'*+-.^_`|~", &[])]),
        (
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
            vec![extension(
                "permessage-deflate",
                &[("client_max_window_bits", None), ("server_max_window_bits", Some("10"))],
            )],
        ),
    ];
    for (value, expected) in cases {
        assert_eq!(decode(&[value]).as_ref(), Ok(expected), "{value:?}");
    }
}

// proves 6455-9.1-2, 6455-9.1-3, 6455-4.3-5
#[test]
fn malformed_lists_are_refused() {
    let cases = [
        "",
        " ",
        ",",
        ",   ,",
        "\t,",
        ";",
        "a;",
        "a;;b",
        "a; ;b",
        ";a",
        "a=1",
        "a =1",
        "=",
        "=1",
        "foo;;",
        "foo; =1",
        "foo bar",
        "foo;a b",
        "foo=1",
        "a;b=",
        "a;b= ",
        "a;b=;c",
        "a;b==1",
        "a;b=1 2",
        "a;b=1=2",
        "a/b",
        "a:b",
        "a(b)",
        "a\\b",
        "\"a\"",
        "a;\"b\"",
        "a,b c",
        "a\u{e9}",
        "\u{e9}",
        "a;\u{e9}=1",
        "a;b=\u{e9}",
        "a;b=\"\u{e9}\"",
        "a\u{a0}",
        "a\0",
        "a,\u{b}b",
        "a;b=\"",
        "a;b=\"1",
        "a;b=\"1\\",
        "a;b=\"1\\\"",
        "a;b=\"1\"2",
        "a;b=\"1\"\"2\"",
        "a;b=1\"2\"",
    ];
    for value in cases {
        assert_eq!(decode(&[value]), Err(ExtensionSyntaxError), "{value:?}");
        assert_eq!(decode(&["good", value]), Err(ExtensionSyntaxError), "{value:?} as second");
        assert_eq!(decode(&[value, "good"]), Err(ExtensionSyntaxError), "{value:?} as first");
    }
}

// proves 6455-4.3-6, 6455-9.1-4
#[test]
fn a_quoted_value_is_a_token_once_unescaped() {
    let plain = decode(&["a;x=10"]);
    for value in ["a;x=\"10\"", "a;x=\"\\1\\0\"", "a;x=\"1\\0\"", "a; x = \"10\" "] {
        assert_eq!(decode(&[value]), plain, "{value}");
    }
    let bad = ["", "a b", "a,b", "a;b", "\\\"", "\\\\", " ", "\\ ", "a\tb", "a\\,b", "(", "\u{ff}"];
    for content in bad {
        let value = format!("a;x=\"{content}\"");
        assert_eq!(decode(&[&value]), Err(ExtensionSyntaxError), "{value}");
    }
}

// proves 6455-9.1-5, 6455-9.1-6, 6455-11.3.2-1
#[test]
fn several_fields_mean_the_same_as_one() {
    let expected = vec![extension("foo", &[]), extension("bar", &[("baz", Some("2"))])];
    assert_eq!(decode(&["foo", "bar; baz=2"]).as_ref(), Ok(&expected));
    assert_eq!(decode(&["foo, bar; baz=2"]).as_ref(), Ok(&expected));
    assert_eq!(decode(&["foo,", " ,bar; baz=2"]).as_ref(), Ok(&expected));
    assert_eq!(decode(&[]), Ok(Vec::new()));
}

// proves 6455-9.1-3
#[test]
fn a_printed_list_decodes_to_the_same_list() {
    let list = vec![
        extension("foo", &[("a", Some("1")), ("b", None), ("a", Some("2"))]),
        extension("bar", &[]),
        extension("foo", &[]),
    ];
    let printed: Vec<String> = list.iter().map(ToString::to_string).collect();
    assert_eq!(printed, ["foo; a=1; b; a=2", "bar", "foo"]);
    assert_eq!(decode(&[&printed.join(", ")]).as_ref(), Ok(&list));
    assert_eq!(decode(&["x;y=\"z\""]).unwrap()[0].to_string(), "x; y=z");
}

#[test]
fn names_keep_their_case() {
    let list = decode(&["Foo; Bar=Baz"]).unwrap();
    assert_eq!(list, [extension("Foo", &[("Bar", Some("Baz"))])]);
    assert_ne!(list, decode(&["foo; bar=baz"]).unwrap());
}

#[test]
fn long_lists_of_separators_are_decoded() {
    const LEN: usize = 64 << 10;
    for filler in [",", " ", "\t", " ,"] {
        let filler = filler.repeat(LEN);
        assert_eq!(decode(&[&filler]), Err(ExtensionSyntaxError));
        let value = format!("a{filler},b{filler}");
        assert_eq!(decode(&[&value]), Ok(vec![extension("a", &[]), extension("b", &[])]));
    }
    let many = "a;b=\"c\",".repeat(LEN);
    assert_eq!(decode(&[&many]).map(|list| list.len()), Ok(LEN));
    let quoted = format!("a;b=\"{}", "\\c".repeat(LEN));
    assert_eq!(decode(&[&quoted]), Err(ExtensionSyntaxError));
}

#[test]
fn the_error_cites_its_section() {
    assert!(ExtensionSyntaxError.to_string().contains("§9.1"));
}

/// Names with a meaning for parsers that keep parameters in an object (ws before 3.3.1).
#[test]
fn odd_names_are_treated_like_any_other() {
    let names = [
        "constructor",
        "__proto__",
        "prototype",
        "toString",
        "hasOwnProperty",
        "valueOf",
        "length",
        "null",
        "undefined",
        "0",
        "-1",
        "_",
        "'",
        "%00",
        "*",
    ];
    for name in names {
        let text = format!("{name}; {name}; {name}={name}; {name}=\"{name}\"");
        let params = [(name, None), (name, Some(name)), (name, Some(name))];
        assert_eq!(decode(&[&text]), Ok(vec![extension(name, &params)]), "{text}");
    }
}

// proves 6455-9.1-3
#[test]
fn each_character_is_accepted_only_where_the_grammar_allows_it() {
    let is_token_char = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    for c in (0..=0xff).map(char::from).chain(['\u{17f}', '\u{20ac}', '\u{1f980}']) {
        let is_taken = |text: String| decode(&[&text]).is_ok();
        // Between two names, these characters form a valid list. Others would have to belong to one
        // name.
        assert_eq!(is_taken(format!("a{c}b")), is_token_char(c) || ",;".contains(c), "name, {c:?}");
        let taken_in_param = is_token_char(c) || ",;=".contains(c);
        assert_eq!(is_taken(format!("a;b{c}d")), taken_in_param, "parameter, {c:?}");
        assert_eq!(is_taken(format!("a;b=d{c}e")), is_token_char(c) || ",;".contains(c), "{c:?}");
        for quoted in [format!("a;b=\"d{c}e\""), format!("a;b=\"d\\{c}e\"")] {
            // A quotation mark ends the value, and a backslash escapes the next character.
            let expected = is_token_char(c) || (c == '\\' && !quoted.contains("\\\\"));
            assert_eq!(is_taken(quoted.clone()), expected, "{quoted:?}");
        }
        let is_space = matches!(c, ' ' | '\t');
        // Spaces around a word are skipped. A comma there adds an empty element, unless it cuts off
        // a parameter.
        let spaced = [("", "a", true), ("a", "", true), ("a;b=", "d", false), ("a", ";b", false)];
        for (before, after, may_be_comma) in spaced {
            let expected = is_token_char(c) || is_space || (c == ',' && may_be_comma);
            assert_eq!(is_taken(format!("{before}{c}{after}")), expected, "{before}, {c:?}");
        }
    }
}

/// All values within the limits are processed in linear time (CVE-2021-32640).
#[test]
fn long_malformed_values_are_refused() {
    const LEN: usize = 64 << 10;
    for filler in [";", " ;", "; ", ";,", ",;", "=", "\"", "\\", "a;", "a=", "; a;,", "\u{e9}"] {
        let filler = filler.repeat(LEN);
        for value in [filler.clone(), format!("a{filler}"), format!("a;b=\"{filler}")] {
            assert_eq!(decode(&[&value]), Err(ExtensionSyntaxError), "{:?}", value.get(..9));
        }
    }
    let values = vec!["a"; LEN];
    assert_eq!(decode(&values).map(|list| list.len()), Ok(LEN));
    let params = format!("a{}", ";b".repeat(LEN));
    assert_eq!(decode(&[&params]).map(|list| list[0].params.len()), Ok(LEN));
    let token = "a".repeat(LEN);
    let text = format!("{token};{token}=\"{token}\"");
    assert_eq!(decode(&[&text]), Ok(vec![extension(&token, &[(&token, Some(&token))])]));
}

/// A parameter may have no value, but the grammar does not allow an empty one.
#[test]
fn an_empty_value_is_refused_but_a_missing_one_is_not() {
    assert_eq!(decode(&["a;b"]), Ok(vec![extension("a", &[("b", None)])]));
    for value in ["a;b=", "a;b=\"\"", "a;b= ;c", "a;b=,c"] {
        assert_eq!(decode(&[value]), Err(ExtensionSyntaxError), "{value}");
    }
}

const TOKEN: &str = "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,9}";

fn any_extension() -> impl Strategy<Value = Extension> {
    let param = (TOKEN, prop::option::of(TOKEN));
    (TOKEN, vec(param, 0..4)).prop_map(|(name, params)| {
        let mut extension = Extension::new(name);
        extension.params = params;
        extension
    })
}

/// Writes an extension with optional spaces wherever they are allowed, with or without quotes.
fn written(extension: &Extension, spaces: &[String], quoted: bool, escaped: bool) -> String {
    let mut spaces = spaces.iter().map(String::as_str).cycle();
    let mut space = || spaces.next().unwrap_or_default();
    let mut text = format!("{}{}{}", space(), extension.name, space());
    for (name, value) in &extension.params {
        text += &format!(";{}{name}{}", space(), space());
        if let Some(value) = value {
            let value = match (quoted, escaped) {
                (true, true) => {
                    format!("\"{}\"", value.chars().map(|c| format!("\\{c}")).collect::<String>())
                }
                (true, false) => format!("\"{value}\""),
                (false, _) => value.clone(),
            };
            text += &format!("={}{value}{}", space(), space());
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    // proves 6455-9.1-3, 6455-9.1-5, 6455-9.1-6, 6455-11.3.2-1
    #[test]
    fn any_printed_list_decodes_to_the_same_list(list in vec(any_extension(), 1..5)) {
        let printed: Vec<_> = list.iter().map(ToString::to_string).collect();
        prop_assert_eq!(decode(&[&printed.join(", ")]), Ok(list.clone()));
        let lines: Vec<_> = printed.iter().map(String::as_str).collect();
        prop_assert_eq!(decode(&lines), Ok(list));
    }

    // proves 6455-4.3-1, 6455-4.3-6, 6455-9.1-4
    #[test]
    fn spaces_quotes_and_empty_elements_change_nothing(
        list in vec(any_extension(), 1..4),
        spaces in vec("[ \t]{0,2}", 1..6),
        quoted in any::<bool>(),
        escaped in any::<bool>(),
        separators in vec("(,[ \t]*){1,3}", 4),
    ) {
        let mut text = String::new();
        for (extension, separator) in list.iter().zip(&separators) {
            text += &written(extension, &spaces, quoted, escaped);
            text += separator;
        }
        prop_assert_eq!(decode(&[&text]), Ok(list), "{:?}", text);
    }

    #[test]
    fn no_text_causes_a_panic(values in vec(any::<String>(), 0..4)) {
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        let _ = decode(&values);
    }

    #[test]
    fn a_list_decoded_from_any_text_survives_a_round_trip(text in "([a\" \t,;=\\\\é\0]|x=){0,12}") {
        if let Ok(list) = decode(&[&text]) {
            prop_assert!(!list.is_empty());
            let printed: Vec<_> = list.iter().map(ToString::to_string).collect();
            prop_assert_eq!(decode(&[&printed.join(",")]), Ok(list));
        }
    }
}
