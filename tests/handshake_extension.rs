//! The grammar of `Sec-WebSocket-Extensions` (§4.3, §9.1).

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
fn the_grammar_is_read() {
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
fn what_breaks_the_grammar_is_refused() {
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
fn several_fields_say_the_same_as_one() {
    let expected = vec![extension("foo", &[]), extension("bar", &[("baz", Some("2"))])];
    assert_eq!(decode(&["foo", "bar; baz=2"]).as_ref(), Ok(&expected));
    assert_eq!(decode(&["foo, bar; baz=2"]).as_ref(), Ok(&expected));
    assert_eq!(decode(&["foo,", " ,bar; baz=2"]).as_ref(), Ok(&expected));
    assert_eq!(decode(&[]), Ok(Vec::new()));
}

// proves 6455-9.1-3
#[test]
fn what_is_printed_is_read_as_the_same_in_the_same_order() {
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
fn names_are_kept_as_they_are_written() {
    let list = decode(&["Foo; Bar=Baz"]).unwrap();
    assert_eq!(list, [extension("Foo", &[("Bar", Some("Baz"))])]);
    assert_ne!(list, decode(&["foo; bar=baz"]).unwrap());
}

#[test]
fn long_values_of_nothing_are_read_too() {
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
