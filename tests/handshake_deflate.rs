//! Tests permessage-deflate in the opening handshake (RFC 7692 §5, §7.1): offers, responses and
//! their validation. None of it needs the feature `deflate`.

mod support;

use proptest::prelude::*;
use support::deflate::{accept, agree, client, extensions, offered, request, verify};
use tightwire::deflate::{DeflateConfig, DirectionParams, EXTENSION, Params, ParamsError};
use tightwire::handshake::{AcceptOptions, Extension, HandshakeError, Offer, Response, Upgrade};

const fn plain() -> DeflateConfig {
    DeflateConfig::new()
}

/// Returns the parameters in short form: "server 15 takeover, client 9".
fn summary(params: &Params) -> String {
    let one = |name, coding: DirectionParams| {
        let DirectionParams { context_takeover, window_bits, .. } = coding;
        format!("{name} {window_bits}{}", if context_takeover { " takeover" } else { "" })
    };
    format!("{}, {}", one("server", params.server), one("client", params.client))
}

const NO_TAKEOVERS: &str = "server_no_context_takeover; client_no_context_takeover";

// proves 7692-4-2, 7692-5-1, 7692-5-10, 7692-5-15, 7692-7-1, 7692-7.1.1.1-1, 7692-7.1.1.2-1,
// 7692-7.1.2.1-1, 7692-7.1.2.1-3, 7692-7.1.2.2-1, 7692-7.1.2.2-3,
// 6455-9.1-7, 6455-9.1-8, 6455-9.2-1
#[test]
fn a_client_offers_its_configuration() {
    let cases = [
        (plain(), "client_max_window_bits"),
        (
            plain().recv_context_takeover(false),
            "server_no_context_takeover; client_max_window_bits",
        ),
        (
            plain().send_context_takeover(false),
            "client_no_context_takeover; client_max_window_bits",
        ),
        (plain().no_context_takeover(), &format!("{NO_TAKEOVERS}; client_max_window_bits")),
        (plain().recv_window_bits(10), "server_max_window_bits=10; client_max_window_bits"),
        (plain().recv_window_bits(8), "server_max_window_bits=8; client_max_window_bits"),
        (plain().recv_window_bits(0), "server_max_window_bits=8; client_max_window_bits"),
        (plain().recv_window_bits(200), "client_max_window_bits"),
        (plain().send_window_bits(9), "client_max_window_bits=9"),
        (plain().send_window_bits(14), "client_max_window_bits=14"),
        (
            plain().no_context_takeover().send_window_bits(12).recv_window_bits(11),
            "server_no_context_takeover; server_max_window_bits=11; \
             client_no_context_takeover; client_max_window_bits=12",
        ),
        // Local settings are not sent.
        (plain().level(9).min_len(0), "client_max_window_bits"),
    ];
    for (config, params) in cases {
        let expected = format!("permessage-deflate; {params}");
        assert_eq!(offered(&[config]).as_deref(), Some(&*expected));
    }
    assert_eq!(offered(&[]), None, "nothing by itself");
    assert_eq!(EXTENSION, "permessage-deflate");
}

// proves 7692-5-2, 7692-5-3, 7692-5-4
#[test]
fn a_client_offers_several_configurations_in_order_before_other_extensions() {
    let config = [plain().recv_window_bits(10), plain()];
    let expected = "permessage-deflate; server_max_window_bits=10; client_max_window_bits, \
                    permessage-deflate; client_max_window_bits";
    assert_eq!(offered(&config).as_deref(), Some(expected));
    let offer = Offer::new().deflate([plain()]).extensions([Extension::new("x-own")]);
    let uri = "ws://localhost/".parse().unwrap();
    let key = tightwire::handshake::Key::new(*b"the sample nonce");
    let client = tightwire::handshake::ClientHandshake::new(&uri, &offer, key).unwrap();
    assert_eq!(
        client.request().headers().get("Sec-WebSocket-Extensions"),
        Some("permessage-deflate; client_max_window_bits, x-own")
    );
}

/// The settings of a server, an offer, the parameters of its response or `None`, and the result.
type Answer = (DeflateConfig, &'static str, Option<&'static str>, &'static str);

fn answers() -> Vec<Answer> {
    let with = |params, answer, summary| (plain(), params, Some(answer), summary);
    vec![
        with("", "", "server 15 takeover, client 15 takeover"),
        with("; client_max_window_bits", "", "server 15 takeover, client 15 takeover"),
        with(
            "; client_max_window_bits=12",
            "; client_max_window_bits=12",
            "server 15 takeover, client 12 takeover",
        ),
        with("; client_max_window_bits=15", "", "server 15 takeover, client 15 takeover"),
        with(
            "; server_max_window_bits=10",
            "; server_max_window_bits=10",
            "server 10 takeover, client 15 takeover",
        ),
        with(
            "; server_max_window_bits=15",
            "; server_max_window_bits=15",
            "server 15 takeover, client 15 takeover",
        ),
        with(
            "; server_max_window_bits=8",
            "; server_max_window_bits=8",
            "server 8 takeover, client 15 takeover",
        ),
        // Quotes make no difference (RFC 6455 §9.1).
        with(
            "; server_max_window_bits=\"10\"",
            "; server_max_window_bits=10",
            "server 10 takeover, client 15 takeover",
        ),
        with(
            "; server_no_context_takeover",
            "; server_no_context_takeover",
            "server 15, client 15 takeover",
        ),
        with(
            "; client_no_context_takeover",
            "; client_no_context_takeover",
            "server 15 takeover, client 15",
        ),
        // The order of parameters has no meaning. The response has its own order.
        with(
            "; client_max_window_bits; server_max_window_bits=10",
            "; server_max_window_bits=10",
            "server 10 takeover, client 15 takeover",
        ),
        with(
            ";client_max_window_bits=9 ; client_no_context_takeover; server_max_window_bits = 11;\
             server_no_context_takeover",
            "; server_no_context_takeover; server_max_window_bits=11; \
             client_no_context_takeover; client_max_window_bits=9",
            "server 11, client 9",
        ),
        // Settings of the server that need no offer.
        (
            plain().no_context_takeover(),
            "",
            Some("; server_no_context_takeover; client_no_context_takeover"),
            "server 15, client 15",
        ),
        (
            // The response has no parameter that the client did not offer, because some clients
            // would refuse it.
            plain().send_window_bits(9),
            "",
            Some(""),
            "server 15 takeover, client 15 takeover",
        ),
        (
            plain().send_window_bits(9),
            "; server_max_window_bits=12",
            Some("; server_max_window_bits=9"),
            "server 9 takeover, client 15 takeover",
        ),
        (
            plain().send_window_bits(12),
            "; server_max_window_bits=9",
            Some("; server_max_window_bits=9"),
            "server 9 takeover, client 15 takeover",
        ),
        // Settings of the server that depend on the offer.
        (plain().recv_window_bits(10), "", Some(""), "server 15 takeover, client 15 takeover"),
        (
            plain().recv_window_bits(10),
            "; client_max_window_bits",
            Some("; client_max_window_bits=10"),
            "server 15 takeover, client 10 takeover",
        ),
        (
            plain().recv_window_bits(10),
            "; client_max_window_bits=13",
            Some("; client_max_window_bits=10"),
            "server 15 takeover, client 10 takeover",
        ),
        (
            plain().recv_window_bits(13),
            "; client_max_window_bits=10",
            Some("; client_max_window_bits=10"),
            "server 15 takeover, client 10 takeover",
        ),
        (
            plain().recv_window_bits(8),
            "; client_max_window_bits",
            Some("; client_max_window_bits=8"),
            "server 15 takeover, client 8 takeover",
        ),
    ]
}

// proves 7692-3-3, 7692-4-2, 7692-5-6, 7692-5-11, 7692-5-16, 7692-5-17, 7692-5-19, 7692-5-20,
// 7692-5.1-2, 7692-5.1-3, 7692-7-2, 7692-7-4, 7692-7.1.1.1-5, 7692-7.1.1.1-7, 7692-7.1.1.1-8,
// 7692-7.1.1.2-3, 7692-7.1.1.2-4, 7692-7.1.1.2-5, 7692-7.1.2.1-7, 7692-7.1.2.1-9,
// 7692-7.1.2.2-2, 7692-7.1.2.2-6, 7692-7.1.2.2-7, 7692-7.1.2.2-9,
// 7692-7.1.2.2-11, 7692-7.1.3-1, 7692-7.1.3-2,
// 6455-4.2.2-28, 6455-9-2, 6455-9-4, 6455-9.1-14
#[test]
fn a_server_answers_offers_by_its_configuration() {
    for (config, offer, expected, negotiated) in answers() {
        let offer = format!("permessage-deflate{offer}");
        let (answer, settled) = accept(&[&offer], &config);
        let expected = expected.map(|params| format!("permessage-deflate{params}"));
        assert_eq!(answer, expected, "{offer} {config:?}");
        let params = settled.deflate.expect("it is agreed on");
        assert_eq!(summary(&params), negotiated, "{offer} {config:?}");
        assert_eq!(settled.extensions.len(), 1, "{offer}");
        assert_eq!(Some(settled.extensions[0].to_string()), answer);
    }
}

/// Parameters that are well-formed, but that no offer may have.
const DECLINED: &[&str] = &[
    "; foo",
    "; foo=1",
    "; server_no_context_takeover; foo",
    "; Server_no_context_takeover",
    "; SERVER_MAX_WINDOW_BITS=10",
    "; server_max_window_bits",
    "; server_no_context_takeover=1",
    "; server_no_context_takeover=\"true\"",
    "; client_no_context_takeover=x",
    "; client_no_context_takeover=0",
    "; server_no_context_takeover; server_no_context_takeover",
    "; client_no_context_takeover; client_no_context_takeover",
    "; server_max_window_bits=10; server_max_window_bits=10",
    "; server_max_window_bits=10; server_max_window_bits=11",
    "; client_max_window_bits; client_max_window_bits",
    "; client_max_window_bits; client_max_window_bits=10",
];

/// Invalid values for window bits.
const INVALID_BITS: &[&str] = &[
    "0",
    "7",
    "16",
    "08",
    "010",
    "1",
    "00",
    "+9",
    "-8",
    "9a",
    "1e1",
    "0x9",
    "10.0",
    "256",
    "264",
    "4294967304",
    "18446744073709551624",
    "\"08\"",
    "\"+9\"",
    "x",
    "%31",
];

// proves 7692-3-3, 7692-5-18, 7692-5-26, 7692-7-2, 7692-7-5, 7692-7-6, 7692-7-7, 7692-7-8,
// 7692-7.1.1.1-2, 7692-7.1.1.2-2, 7692-7.1.2.1-2, 7692-7.1.2.2-2,
// 6455-9-4, 6455-9.1-8
#[test]
fn an_unacceptable_offer_is_declined_and_the_next_is_tried() {
    let bits = INVALID_BITS.iter().flat_map(|value| {
        ["server", "client"].map(|side| format!("; {side}_max_window_bits={value}"))
    });
    for params in DECLINED.iter().map(ToString::to_string).chain(bits) {
        let bad = format!("permessage-deflate{params}");
        let (answer, negotiated) = accept(&[&bad], &plain());
        assert_eq!(answer, None, "{bad}");
        assert_eq!((negotiated.deflate, negotiated.extensions), (None, vec![]), "{bad}");
        let good = "permessage-deflate; server_max_window_bits=9";
        for offers in [&[&*format!("{bad}, {good}")][..], &[&bad, good]] {
            let (answer, _) = accept(offers, &plain());
            assert_eq!(answer.as_deref(), Some(good), "{offers:?}");
        }
    }
}

// proves 7692-7.1.2.1-2, 7692-7.1.2.2-2
#[test]
fn window_bits_from_8_to_15_are_accepted() {
    for bits in 8..=15 {
        let (_, negotiated) =
            accept(&[&format!("permessage-deflate; server_max_window_bits={bits}")], &plain());
        assert_eq!(negotiated.deflate.unwrap().server.window_bits, bits);
        let (_, negotiated) =
            accept(&[&format!("permessage-deflate; client_max_window_bits={bits}")], &plain());
        assert_eq!(negotiated.deflate.unwrap().client.window_bits, bits);
    }
}

// proves 7692-7-7
#[test]
fn malformed_parameters_fail_the_handshake() {
    let cases = [
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=\"\"",
        "permessage-deflate; client_max_window_bits=\"\"",
        "permessage-deflate; server_no_context_takeover=\"\"",
        "permessage-deflate; server_max_window_bits=\"10",
        "permessage-deflate; server_max_window_bits=1 0",
        "permessage-deflate; server_max_window_bits=\" 10\"",
        "permessage-deflate; =10",
        "permessage-deflate;; client_max_window_bits",
        "permessage-deflate;",
        "permessage-deflate client_max_window_bits",
        "permessage-deflate, permessage-deflate;",
        "permessage-deflate=1",
        ", ,",
    ];
    for offer in cases {
        let rejection = Upgrade::from_request(&request(&[offer])).expect_err(offer);
        assert_eq!(rejection.response().status(), 400, "{offer}");
        assert!(matches!(rejection.error(), HandshakeError::Extensions(_)), "{offer}");
        let outcome = verify(&[plain()], &[offer]);
        assert!(matches!(outcome, Err(HandshakeError::Extensions(_))), "{offer}: {outcome:?}");
    }
}

// proves 7692-5-4, 7692-5-5, 7692-7.1.3-3,
// 6455-9.1-11
#[test]
fn the_first_acceptable_offer_is_taken() {
    let cases: &[(&[&str], &str)] = &[
        (
            &["permessage-deflate; client_max_window_bits; server_max_window_bits=10, \
               permessage-deflate; client_max_window_bits"],
            "permessage-deflate; server_max_window_bits=10",
        ),
        (&["x-other, permessage-deflate"], "permessage-deflate"),
        (&["x-other; a=1", "permessage-deflate", "permessage-deflate; foo"], "permessage-deflate"),
        (
            &["permessage-deflate; server_max_window_bits=16, permessage-deflate; foo, \
               permessage-deflate; server_max_window_bits=12, permessage-deflate"],
            "permessage-deflate; server_max_window_bits=12",
        ),
    ];
    for (offers, expected) in cases {
        let (answer, _) = accept(offers, &plain());
        assert_eq!(answer.as_deref(), Some(*expected), "{offers:?}");
    }
}

// proves 7692-5-18, 7692-5-26, 7692-7-1
#[test]
fn a_server_does_not_answer_without_an_offer() {
    let offers = [
        &[][..],
        &["x-other"],
        &["permessage-bzip2"],
        // Names are compared with their case.
        &["Permessage-Deflate"],
        &["PERMESSAGE-DEFLATE; server_max_window_bits=10"],
        &["deflate", "permessage-deflate2", "x-webkit-deflate-frame"],
    ];
    for offers in offers {
        let (answer, negotiated) = accept(offers, &plain());
        assert_eq!(answer, None, "{offers:?}");
        assert_eq!((negotiated.deflate, negotiated.extensions), (None, vec![]), "{offers:?}");
    }
}

// proves 7692-5-27, 7692-3-3
#[test]
fn a_server_without_compression_does_not_answer_the_offer() {
    let request = request(&["permessage-deflate; client_max_window_bits"]);
    let upgrade = Upgrade::from_request(&request).unwrap();
    let (response, negotiated) = upgrade.accept(&AcceptOptions::new()).unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(extensions(&response), None);
    assert_eq!(negotiated.deflate, None);
    assert_eq!(verify(&[plain()], &[]).unwrap(), None, "and a client takes it");
}

/// The settings of a client, the parameters of a response, and the result.
type ResponseCase = (DeflateConfig, &'static str, Result<&'static str, ParamsError>);

fn response_cases() -> Vec<ResponseCase> {
    const SERVER_BITS: &str = "server_max_window_bits";
    const NO_TAKEOVER: &str = "server_no_context_takeover";
    let value = |name: &str| Err(ParamsError::Value(name.to_owned()));
    let repeated = |name: &str| Err(ParamsError::Repeated(name.to_owned()));
    let unknown = |name: &str| Err(ParamsError::Unknown(name.to_owned()));
    let both = Ok("server 15 takeover, client 15 takeover");
    let mut cases = vec![
        (plain(), "", both.clone()),
        // The client did not ask for this, but it may be granted.
        (plain(), "; server_no_context_takeover", Ok("server 15, client 15 takeover")),
        (plain(), "; client_no_context_takeover", Ok("server 15 takeover, client 15")),
        (plain(), "; server_max_window_bits=9", Ok("server 9 takeover, client 15 takeover")),
        (plain(), "; server_max_window_bits=15", both.clone()),
        (plain(), "; client_max_window_bits=8", Ok("server 15 takeover, client 8 takeover")),
        (plain(), "; client_max_window_bits=15", both.clone()),
        (plain(), "; client_max_window_bits=\"10\"", Ok("server 15 takeover, client 10 takeover")),
        (
            plain(),
            "; client_max_window_bits=11;server_max_window_bits=12 ; client_no_context_takeover;\
             server_no_context_takeover",
            Ok("server 12, client 11"),
        ),
        // The server may ignore hints.
        (plain().send_context_takeover(false), "", both.clone()),
        (plain().send_window_bits(9), "", both),
        (
            plain().send_window_bits(9),
            "; client_max_window_bits=12",
            Ok("server 15 takeover, client 12 takeover"),
        ),
        // The server must grant requests.
        (plain().recv_context_takeover(false), "", Err(ParamsError::NotGranted(NO_TAKEOVER))),
        (
            plain().recv_context_takeover(false),
            "; client_no_context_takeover",
            Err(ParamsError::NotGranted(NO_TAKEOVER)),
        ),
        (
            plain().recv_context_takeover(false),
            "; server_no_context_takeover",
            Ok("server 15, client 15 takeover"),
        ),
        (plain().recv_window_bits(10), "", Err(ParamsError::NotGranted(SERVER_BITS))),
        (
            plain().recv_window_bits(10),
            "; server_max_window_bits=8",
            Ok("server 8 takeover, client 15 takeover"),
        ),
        (
            plain().recv_window_bits(10),
            "; server_max_window_bits=10",
            Ok("server 10 takeover, client 15 takeover"),
        ),
        // Unknown parameters, and known ones in an invalid form.
        (plain(), "; foo", unknown("foo")),
        (plain(), "; foo=1", unknown("foo")),
        (plain(), "; Server_no_context_takeover", unknown("Server_no_context_takeover")),
        (plain(), "; server_no_context_takeover=1", value(NO_TAKEOVER)),
        (plain(), "; client_no_context_takeover=1", value("client_no_context_takeover")),
        (plain(), "; server_max_window_bits", value(SERVER_BITS)),
        (plain(), "; client_max_window_bits", value("client_max_window_bits")),
        (
            plain(),
            "; server_no_context_takeover; server_no_context_takeover",
            repeated(NO_TAKEOVER),
        ),
        (plain(), "; server_max_window_bits=9; server_max_window_bits=9", repeated(SERVER_BITS)),
        (
            plain(),
            "; client_max_window_bits=9; client_max_window_bits=10",
            repeated("client_max_window_bits"),
        ),
    ];
    for bits in ["; server_max_window_bits=11", "; server_max_window_bits=15"] {
        let config = plain().recv_window_bits(10);
        cases.push((config, bits, Err(ParamsError::NotGranted(SERVER_BITS))));
    }
    cases
}

// proves 7692-5-28, 7692-5-20, 7692-7-2, 7692-7-4, 7692-7-10, 7692-7-11, 7692-7-12, 7692-7-13,
// 7692-7-14, 7692-7.1.1.1-5, 7692-7.1.1.1-6, 7692-7.1.1.1-8, 7692-7.1.1.2-3, 7692-7.1.1.2-4,
// 7692-7.1.1.2-5, 7692-7.1.1.2-6, 7692-7.1.1.2-9, 7692-7.1.2.1-7, 7692-7.1.2.1-8,
// 7692-7.1.2.1-10, 7692-7.1.2.2-4, 7692-7.1.2.2-5, 7692-7.1.2.2-8
#[test]
fn a_client_checks_the_response_against_its_offer() {
    for (config, params, expected) in response_cases() {
        let answer = format!("permessage-deflate{params}");
        let outcome = verify(std::slice::from_ref(&config), &[&answer]);
        match expected {
            Ok(negotiated) => {
                let params = outcome.expect(&answer).expect("it is agreed on");
                assert_eq!(summary(&params), negotiated, "{answer} {config:?}");
            }
            Err(error) => {
                assert_eq!(outcome, Err(HandshakeError::Deflate(error)), "{answer} {config:?}");
            }
        }
    }
}

// proves 7692-7-12, 7692-7.1.2.1-8, 7692-7.1.2.2-8
#[test]
fn a_client_refuses_invalid_window_bits() {
    for name in ["server_max_window_bits", "client_max_window_bits"] {
        for value in INVALID_BITS {
            let answer = format!("permessage-deflate; {name}={value}");
            let expected = HandshakeError::Deflate(ParamsError::Value(name.to_owned()));
            assert_eq!(verify(&[plain()], &[&answer]), Err(expected), "{answer}");
        }
    }
}

// proves 7692-3-2, 7692-5-20, 7692-7.1.3-3
#[test]
fn a_response_may_match_any_of_the_offers() {
    let small = plain().recv_window_bits(10).recv_context_takeover(false);
    let cases = [
        (
            "; server_max_window_bits=10; server_no_context_takeover",
            "server 10, client 15 takeover",
        ),
        ("", "server 15 takeover, client 15 takeover"),
        ("; server_max_window_bits=10", "server 10 takeover, client 15 takeover"),
        ("; server_max_window_bits=12", "server 12 takeover, client 15 takeover"),
    ];
    for (params, expected) in cases {
        let answer = format!("permessage-deflate{params}");
        for offers in [[small.clone(), plain()], [plain(), small.clone()]] {
            let params = verify(&offers, &[&answer]).expect(&answer).expect("it is agreed on");
            assert_eq!(summary(&params), expected, "{answer}");
        }
    }
    // If the response matches no offer, the error explains what is missing for the preferred one.
    let offers = [small, plain().recv_window_bits(9)];
    let outcome = verify(&offers, &["permessage-deflate; server_max_window_bits=10"]);
    let expected = ParamsError::NotGranted("server_no_context_takeover");
    assert_eq!(outcome, Err(HandshakeError::Deflate(expected)));
}

// proves 7692-5-23
#[test]
fn two_responses_to_one_offer_fail() {
    for answers in [
        &["permessage-deflate, permessage-deflate"][..],
        &["permessage-deflate", "permessage-deflate"],
        &["permessage-deflate; server_max_window_bits=10, permessage-deflate"],
    ] {
        for offers in [&[plain()][..], &[plain(), plain().recv_window_bits(10)]] {
            let expected = HandshakeError::RepeatedExtension(EXTENSION.to_owned());
            assert_eq!(verify(offers, answers), Err(expected), "{answers:?}");
        }
    }
}

// proves 7692-5-28, 7692-7-1
#[test]
fn a_response_without_an_offer_fails() {
    let cases = [
        (&[][..], "permessage-deflate"),
        (&[], "permessage-deflate; server_max_window_bits=10"),
        (&[plain()][..], "Permessage-Deflate"),
        (&[plain()], "permessage-deflate, x-other"),
        (&[plain()], "x-webkit-deflate-frame"),
    ];
    for (offers, answer) in cases {
        let outcome = verify(offers, &[answer]);
        let fails = matches!(outcome, Err(HandshakeError::UnofferedExtension(_)));
        assert!(fails, "{answer}: {outcome:?}");
    }
}

#[test]
fn errors_name_the_parameter_and_its_fault() {
    let cases = [
        ("; foo", "permessage-deflate has no parameter \"foo\""),
        (
            "; server_max_window_bits=9; server_max_window_bits=9",
            "\"server_max_window_bits\" is repeated",
        ),
        ("; server_max_window_bits=7", "server_max_window_bits has an invalid value"),
        ("", "did not grant server_max_window_bits: add a second offer"),
    ];
    for (params, expected) in cases {
        let answer = format!("permessage-deflate{params}");
        let error = verify(&[plain().recv_window_bits(10)], &[&answer]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
        assert!(text.ends_with("(RFC 7692 §7)"), "{text}");
        assert!(std::error::Error::source(&error).is_none(), "it prints itself: {text}");
    }
    let long = "x".repeat(10_000);
    for params in [format!("; {long}"), format!("; {long}; {long}")] {
        let error = verify(&[plain()], &[&format!("permessage-deflate{params}")]).unwrap_err();
        assert!(error.to_string().len() < 400, "{error}");
    }
    let error = verify(&[plain()], &["permessage-deflate, permessage-deflate"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the extension \"permessage-deflate\" is named twice (RFC 7692 §5)"
    );
}

#[test]
fn a_refusal_is_reported_before_its_extensions_are_checked() {
    let response =
        Response::new(400).with_header("Sec-WebSocket-Extensions", "permessage-deflate; foo");
    let outcome = client(&[plain()]).verify(&response.unwrap());
    assert!(matches!(outcome, Err(HandshakeError::Refused(_))), "{outcome:?}");
}

fn config() -> impl Strategy<Value = DeflateConfig> {
    (any::<[bool; 2]>(), 8..=15_u8, 8..=15_u8).prop_map(|([send, recv], send_bits, recv_bits)| {
        plain()
            .send_context_takeover(send)
            .recv_context_takeover(recv)
            .send_window_bits(send_bits)
            .recv_window_bits(recv_bits)
    })
}

proptest! {
    /// Any settings at both ends lead to an agreement, and each end gets at least what it
    /// requested.
    // proves 7692-5-6, 7692-7.1.1.1-5, 7692-7.1.2.1-7, 7692-7.1.2.2-6
    #[test]
    fn client_and_server_always_agree(client in config(), server in config()) {
        let params = agree(&client, &server);
        let bits = |config: &DeflateConfig, key| {
            // The value in the offer of this end.
            let offer = offered(std::slice::from_ref(config)).unwrap();
            let list = Extension::decode_list([&*offer]).unwrap();
            let value = list[0].params.iter().find(|(name, _)| name == key);
            value.and_then(|(_, value)| value.as_deref()).map_or(15, |value| value.parse().unwrap())
        };
        let smaller = |a: u8, b: u8| a.min(b);
        let by_client = bits(&client, "server_max_window_bits");
        let by_server = bits(&server, "client_max_window_bits");
        // A server applies its own window only if the client offered a limit.
        let of_server = if by_client == 15 { 15 } else { smaller(by_client, by_server) };
        prop_assert_eq!(params.server.window_bits, of_server);
        prop_assert_eq!(
            params.client.window_bits,
            smaller(bits(&client, "client_max_window_bits"), bits(&server, "server_max_window_bits"))
        );
        let is_without = |config: &DeflateConfig, key| offered(std::slice::from_ref(config)).unwrap().contains(key);
        prop_assert_eq!(
            params.server.context_takeover,
            !is_without(&client, "server_no") && !is_without(&server, "client_no")
        );
        prop_assert_eq!(
            params.client.context_takeover,
            !is_without(&client, "client_no") && !is_without(&server, "server_no")
        );
    }
}

#[test]
fn the_compression_chosen_by_a_server_can_be_read() {
    let config = plain().level(9).min_len(1);
    let accept = AcceptOptions::new().deflate(config.clone());
    assert_eq!(accept.chosen_deflate(), Some(&config));
    assert_eq!(AcceptOptions::new().chosen_deflate(), None);
}
