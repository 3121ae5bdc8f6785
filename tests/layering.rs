//! Tests which modules import which. The core computes on bytes and values. Only `net` has sockets,
//! threads, clocks and entropy. The compiler does not enforce that between modules of one crate, so
//! this test does.
//!
//! The test reads sources as tokens, without comments and strings. It follows each path, in a `use`
//! or inline, to a module of this crate or to another crate.
//!
//! No file may need a file that needs it, not even through other files, because then neither could
//! be read first. The same holds for the folders of `net`. A name is followed through the `use`
//! items that re-export it, to the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules of the crate that each part may name, in addition to itself. `None` allows all.
const MAY_IMPORT: &[(&str, Option<&[&str]>)] = &[
    ("lib", None),
    ("error", Some(&[])),
    ("frame", Some(&["error"])),
    ("excerpt", Some(&[])),
    ("deflate", Some(&["error", "excerpt"])),
    ("protocol", Some(&["frame", "error", "deflate"])),
    ("handshake", Some(&["deflate", "excerpt"])),
    ("guide", Some(&[])),
    ("net", None),
];

/// Crates, and modules of `std`, that only files with this prefix may name.
const CONFINED: &[(&str, &str)] = &[
    ("std::net", "net/"),
    ("std::io", "net/"),
    ("std::thread", "net/"),
    ("std::time", "net/"),
    ("std::fs", "net/"),
    ("std::env", "net/"),
    ("std::process", "net/"),
    ("std::os", "net/"),
    ("rand", "net/"),
    ("sha1", "handshake/key.rs"),
    ("base64", "handshake/key.rs"),
    ("zlib_rs", "deflate/"),
    ("rustls", "net/tls/"),
    ("rustls_native_certs", "net/tls/"),
    ("simdutf8", "frame/utf8.rs"),
];

/// Macros of the standard library that do I/O without naming it.
const TALKING_MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

#[derive(Clone, Debug, Eq, PartialEq)]
enum Token {
    Word(String),
    /// `::`
    Colons,
    Sign(char),
}

/// Returns the tokens of a source text that matter for paths.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            i = end_of_block_comment(&chars, i);
        } else if c == '"' {
            i = end_of_string(&chars, i);
        } else if c == '\'' && at(i + 1) == '\\' {
            i += 3;
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
        } else if c == '\'' && at(i + 2) == '\'' {
            i += 3;
        } else if c == '\'' {
            // A lifetime. Its name is not a path.
            i += 1;
            while is_word(at(i)) {
                i += 1;
            }
        } else if is_word(c) {
            let start = i;
            while is_word(at(i)) {
                i += 1;
            }
            let word: String = chars[start..i].iter().collect();
            let is_raw = matches!(word.as_str(), "r" | "br" | "cr");
            let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
            if is_raw && at(i + hashes) == '"' {
                i = end_of_raw_string(&chars, i + hashes, hashes);
            } else if word == "r" && hashes == 1 {
                i += 1;
            } else {
                tokens.push(Token::Word(word));
            }
        } else if c == ':' && at(i + 1) == ':' {
            tokens.push(Token::Colons);
            i += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(Token::Sign(c));
            }
            i += 1;
        }
    }
    tokens
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut i = start;
    while i < chars.len() {
        match chars[i..] {
            ['/', '*', ..] => (depth, i) = (depth + 1, i + 2),
            ['*', '/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn end_of_raw_string(chars: &[char], quote: usize, hashes: usize) -> usize {
    let is_end = |i: usize| chars[i] == '"' && (1..=hashes).all(|n| chars.get(i + n) == Some(&'#'));
    (quote + 1..chars.len()).find(|i| is_end(*i)).map_or(chars.len(), |end| end + hashes + 1)
}

/// A path, with the module that contains it: `["frame", "header"]` for `src/frame/header.rs`.
#[derive(Clone, Debug)]
struct Named {
    module: Vec<String>,
    segments: Vec<String>,
    /// The path only re-exports a name (`pub use`) or restricts visibility (`pub(in ...)`).
    needs_nothing: bool,
}

fn word(text: &str) -> Token {
    Token::Word(text.to_owned())
}

/// Returns all paths of a file. `use a::{b, c as d}` gives `a::b` and `a::c`; `use a::*` gives
/// `a::*`.
fn paths(file: &str, source: &str) -> Vec<Named> {
    let tokens = tokens(source);
    let mut module = module_of(file);
    // For each open brace, whether it belongs to an inline module.
    let mut braces = Vec::new();
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        match &tokens[i..] {
            [Token::Word(m), Token::Word(name), Token::Sign('{'), ..] if m == "mod" => {
                module.push(name.clone());
                braces.push(true);
                i += 3;
            }
            [Token::Word(keyword), ..] if keyword == "use" => {
                let mut tree = Vec::new();
                let before = i.checked_sub(1).and_then(|i| tokens.get(i));
                let needs_nothing =
                    before.is_some_and(|token| *token == word("pub") || *token == Token::Sign(')'));
                i = use_tree(&tokens, i + 1, &[], &mut tree);
                found.extend(tree.into_iter().map(|segments| Named {
                    module: module.clone(),
                    segments,
                    needs_nothing,
                }));
            }
            [Token::Word(e), Token::Word(c), Token::Word(name), ..]
                if e == "extern" && c == "crate" =>
            {
                let segments = vec![name.clone()];
                found.push(Named { module: module.clone(), segments, needs_nothing: false });
                i += 3;
            }
            [Token::Word(name), Token::Sign('!'), ..] => {
                let segments = vec![format!("{name}!")];
                found.push(Named { module: module.clone(), segments, needs_nothing: false });
                i += 2;
            }
            [Token::Word(_), Token::Colons, ..] => {
                let before = i.checked_sub(1).and_then(|i| tokens.get(i));
                let needs_nothing = before == Some(&word("in"));
                let mut segments = Vec::new();
                while let [Token::Word(segment), rest @ ..] = &tokens[i..] {
                    segments.push(segment.clone());
                    i += 1;
                    if rest.first() != Some(&Token::Colons) {
                        break;
                    }
                    i += 1;
                }
                found.push(Named { module: module.clone(), segments, needs_nothing });
            }
            [Token::Sign('{'), ..] => {
                braces.push(false);
                i += 1;
            }
            [Token::Sign('}'), ..] => {
                if braces.pop() == Some(true) {
                    module.pop();
                }
                i += 1;
            }
            // The rest of a path after `<..>` or a call does not start at a root.
            [Token::Sign('>'), Token::Colons, Token::Word(_), ..] => i += 3,
            _ => i += 1,
        }
    }
    found
}

/// Reads one branch of a `use` that begins at `i`, and returns the index after it.
fn use_tree(tokens: &[Token], i: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut i = i;
    let mut path = before.to_vec();
    loop {
        match &tokens[i..] {
            [Token::Colons, ..] => i += 1,
            [Token::Word(word), _, ..] if word == "as" => i += 2,
            [Token::Word(word), ..] => {
                path.push(word.clone());
                i += 1;
            }
            [Token::Sign('*'), ..] => {
                path.push("*".to_owned());
                i += 1;
            }
            [Token::Sign('{'), ..] => {
                i += 1;
                while !matches!(tokens[i..], [] | [Token::Sign('}'), ..]) {
                    i = use_tree(tokens, i, &path, found);
                    if tokens.get(i) == Some(&Token::Sign(',')) {
                        i += 1;
                    }
                }
                return i + 1;
            }
            _ => {
                // In `a::{self, b}`, `self` is `a`.
                if path.len() > 1 {
                    path.retain(|segment| segment != "self");
                }
                found.push(path);
                return i;
            }
        }
    }
}

fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").expect("a Rust file");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" {
        return Vec::new();
    }
    path.split('/').map(str::to_owned).collect()
}

/// Returns the path from the root of the crate, if `crate` or `super` leads into the crate.
fn inside_crate(named: &Named) -> Option<Vec<String>> {
    let mut segments = named.segments.iter().peekable();
    let mut path = match segments.next()?.as_str() {
        "crate" => Vec::new(),
        "self" => named.module.clone(),
        "super" => {
            let mut path = named.module.clone();
            path.pop();
            while segments.next_if(|segment| *segment == "super").is_some() {
                path.pop();
            }
            path
        }
        _ => return None,
    };
    path.extend(segments.cloned());
    Some(path)
}

/// Returns the paths of this file that break the layers.
fn violations(file: &str, source: &str) -> BTreeSet<String> {
    let part = file.split(['/', '.']).next().expect("a name");
    let row = MAY_IMPORT.iter().find(|(name, _)| *name == part);
    let Some((_, allowed)) = row else {
        return BTreeSet::from([format!("{file} is in no layer")]);
    };
    let mut found = BTreeSet::new();
    for named in paths(file, source) {
        let written = named.segments.join("::");
        if let Some(path) = inside_crate(&named) {
            let target = path.first().map_or("the crate root", |name| name.as_str());
            let is_allowed = allowed.is_none_or(|allowed| allowed.contains(&target));
            if target != part && !is_allowed {
                found.insert(format!("{file}: {written}"));
            }
            continue;
        }
        let is_talking = TALKING_MACROS.iter().any(|name| written.strip_suffix('!') == Some(name));
        // The test could not follow a confined name under an alias or through its parent module.
        let hides_std = matches!(written.as_str(), "std" | "std::*");
        if (is_talking || hides_std) && part != "net" {
            found.insert(format!("{file}: {written}"));
        }
        for (confined, home) in CONFINED {
            let is_inside = written
                .strip_prefix(confined)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
            if is_inside && !file.starts_with(home) {
                found.insert(format!("{file}: {written}"));
            }
        }
    }
    found
}

/// The modules of a crate, and the names that they re-export.
struct Modules {
    /// The file of each module.
    files: BTreeMap<Vec<String>, String>,
    /// For a module and a name in it: the path of a `use` that ends in this name.
    names: BTreeMap<(Vec<String>, String), Vec<String>>,
}

/// The files from which each file names something.
type Imports = BTreeMap<String, BTreeSet<String>>;

impl Modules {
    fn of(files: &[(String, String)]) -> Self {
        let modules = files.iter().map(|(file, _)| (module_of(file), file.clone())).collect();
        let mut all = Self { files: modules, names: BTreeMap::new() };
        for (file, source) in files {
            for named in paths(file, source) {
                if let (Some(path), Some(last)) = (all.absolute(&named), named.segments.last()) {
                    if path.last() == Some(last) {
                        all.names.insert((named.module.clone(), last.clone()), path);
                    }
                }
            }
        }
        all
    }

    /// Returns the path from the root of the crate, if it leads into the crate.
    fn absolute(&self, named: &Named) -> Option<Vec<String>> {
        let child = [&named.module[..], &named.segments[..1]].concat();
        if self.files.contains_key(&child) {
            return Some([&named.module[..], &named.segments[..]].concat());
        }
        inside_crate(named)
    }

    /// Returns the file that defines the item of this path.
    fn file_of(&self, path: &[String], most_steps: usize) -> Option<&str> {
        let mut module = Vec::new();
        for segment in path {
            let child = [&module[..], std::slice::from_ref(segment)].concat();
            if self.files.contains_key(&child) {
                module = child;
                continue;
            }
            match self.names.get(&(module.clone(), segment.clone())) {
                Some(next) if next != path && most_steps > 0 => {
                    return self.file_of(next, most_steps - 1);
                }
                _ => break,
            }
        }
        self.files.get(&module).map(String::as_str)
    }

    fn imports(&self, files: &[(String, String)]) -> Imports {
        let mut imports = Imports::new();
        for (file, source) in files {
            let found = paths(file, source);
            let needed = found.iter().filter(|named| !named.needs_nothing);
            let found = needed.filter_map(|named| self.absolute(named));
            let found = found.filter_map(|path| self.file_of(&path, 8).map(str::to_owned));
            imports.insert(file.clone(), found.filter(|other| other != file).collect());
        }
        imports
    }
}

/// Returns the shortest circle through each node that is in one.
fn circles(imports: &Imports) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in imports.keys() {
        let mut ways = vec![vec![start.as_str()]];
        let mut seen = BTreeSet::new();
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in &ways {
                let nexts = way.last().and_then(|last| imports.get(*last)).into_iter().flatten();
                for next in nexts {
                    if next == start {
                        let mut circle = way.clone();
                        let first = circle.iter().min().copied();
                        let at = circle.iter().position(|file| Some(*file) == first);
                        circle.rotate_left(at.unwrap_or(0));
                        found.insert(circle.join(" -> "));
                    } else if seen.insert(next.as_str()) {
                        longer.push([&way[..], &[next.as_str()]].concat());
                    }
                }
            }
            ways = longer;
        }
    }
    found
}

/// Returns the imports between the files and the folders of `net`.
fn between_folders(imports: &Imports) -> Imports {
    let folder = |file: &str| match file.strip_prefix("net/")?.split_once('/') {
        Some((folder, _)) => Some(format!("net/{folder}")),
        None => Some(file.to_owned()),
    };
    let mut folders = Imports::new();
    for (file, others) in imports {
        let Some(from) = folder(file) else { continue };
        let others = others.iter().filter_map(|other| folder(other));
        let to: Vec<_> = others.filter(|to| *to != from).collect();
        folders.entry(from).or_default().extend(to);
    }
    folders
}

/// Collects all Rust files under `dir`, each with its path below `src` and its text.
fn sources(dir: &Path, prefix: &str, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(dir)
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().expect("a name").to_str().expect("UTF-8");
        if path.is_dir() {
            sources(&path, &format!("{prefix}{name}/"), found);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).expect("a readable file");
            found.push((format!("{prefix}{name}"), text));
        }
    }
}

#[test]
fn the_sources_respect_the_layers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, "", &mut files);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["lib.rs", "error.rs", "frame/mod.rs", "protocol/mod.rs"] {
        assert!(names.contains(&name), "{name} is read: {names:?}");
    }
    let found: Vec<String> =
        files.iter().flat_map(|(file, source)| violations(file, source)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Returns the Rust files below this folder of the repository.
fn all_sources(dir: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), "", &mut files);
    files
}

#[test]
fn no_files_import_each_other_in_circles() {
    for dir in ["src", "fuzz/oracles"] {
        let files = all_sources(dir);
        let found = circles(&Modules::of(&files).imports(&files));
        assert!(found.is_empty(), "{dir}: {found:#?}");
    }
}

#[test]
fn no_folders_of_net_import_each_other_in_circles() {
    let files = all_sources("src");
    let found = circles(&between_folders(&Modules::of(&files).imports(&files)));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_file_that_defines_a_name_is_found() {
    let files = all_sources("src");
    let modules = Modules::of(&files);
    for (path, file) in [
        ("crate::ProtocolError", "error.rs"),
        ("crate::net::Error", "net/error.rs"),
        ("crate::net::Sender", "net/connection/write/sender.rs"),
        ("crate::net::State", "protocol/mod.rs"),
        ("crate::handshake::Uri", "handshake/http/uri.rs"),
        ("crate::net::connection::WebSocket", "net/connection/websocket.rs"),
    ] {
        let path: Vec<String> = path.split("::").skip(1).map(str::to_owned).collect();
        assert_eq!(modules.file_of(&path, 8), Some(file), "{path:?}");
    }
}

#[test]
fn circles_are_found() {
    let file = |name: &str, source: &str| (name.to_owned(), source.to_owned());
    let files = [
        file("lib.rs", "mod a; mod net;"),
        file("a.rs", "use crate::net::Item;"),
        file("net/mod.rs", "mod one; mod two; pub use two::Item;"),
        file("net/one/mod.rs", "pub use self::deep::Deep; mod deep;"),
        file("net/one/deep.rs", "fn f(_: crate::net::Item) {}"),
        file("net/two/mod.rs", "mod item; pub use item::Item;"),
        file("net/two/item.rs", "use crate::net::one::Deep;"),
    ];
    let imports = Modules::of(&files).imports(&files);
    assert_eq!(circles(&imports), ["net/one/deep.rs -> net/two/item.rs".to_owned()].into());
    let folders = circles(&between_folders(&imports));
    assert_eq!(folders, ["net/one -> net/two".to_owned()].into());
}

#[test]
fn paths_in_the_real_sources_are_found() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let source = fs::read_to_string(src.join("protocol/inbound.rs")).expect("a readable file");
    let inside: BTreeSet<String> = paths("protocol/inbound.rs", &source)
        .iter()
        .filter_map(inside_crate)
        .filter_map(|path| path.into_iter().next())
        .collect();
    assert_eq!(inside, ["deflate", "error", "frame", "protocol"].map(str::to_owned).into());
}

/// Sources that break the layers, and the path at fault.
const BAD: &[(&str, &str, &str)] = &[
    ("error.rs", "use crate::frame::CloseCode;", "crate::frame::CloseCode"),
    ("error.rs", "use super::frame;", "super::frame"),
    ("error.rs", "use crate::*;", "crate::*"),
    ("frame/header.rs", "use crate::protocol::Role;", "crate::protocol::Role"),
    ("frame/header.rs", "use super::super::protocol;", "super::super::protocol"),
    ("frame/mod.rs", "use super::net::connect;", "super::net::connect"),
    ("frame/mask.rs", "fn f() { crate::net::g() }", "crate::net::g"),
    ("frame/mask.rs", "use crate as root;", "crate"),
    ("frame/mask.rs", "use crate::ProtocolError;", "crate::ProtocolError"),
    ("frame/mask.rs", "use crate::{error::E, protocol::{Role, State}};", "crate::protocol::Role"),
    (
        "frame/mask.rs",
        "mod tests { use super::super::super::protocol::Role; }",
        "super::super::super::protocol::Role",
    ),
    (
        "frame/mask.rs",
        "mod a { fn f() {} } fn g() { super::super::net::h() }",
        "super::super::net::h",
    ),
    ("frame/mod.rs", "use crate::deflate::TAIL;", "crate::deflate::TAIL"),
    ("error.rs", "use super::deflate::Params;", "super::deflate::Params"),
    ("deflate/inflater.rs", "use crate::frame::Opcode;", "crate::frame::Opcode"),
    ("deflate/params.rs", "use crate::handshake::Extension;", "crate::handshake::Extension"),
    ("deflate/mod.rs", "use crate::protocol::Role;", "crate::protocol::Role"),
    ("deflate/deflater.rs", "use crate::net::PreparedMessage;", "crate::net::PreparedMessage"),
    ("deflate/deflater.rs", "use std::io::Write;", "std::io::Write"),
    ("deflate/deflater.rs", "use rand::rng;", "rand::rng"),
    ("deflate/stub.rs", "fn f() { std::time::Instant::now(); }", "std::time::Instant::now"),
    ("protocol/outbound/mod.rs", "use zlib_rs::Deflate;", "zlib_rs::Deflate"),
    (
        "handshake/extension.rs",
        "fn f() { zlib_rs::crc32::crc32(0, b\"\") }",
        "zlib_rs::crc32::crc32",
    ),
    ("net/broadcast/hub.rs", "use zlib_rs::{Deflate as Stream, Status};", "zlib_rs::Deflate"),
    ("lib.rs", "pub use zlib_rs;", "zlib_rs"),
    ("protocol/inbound.rs", "use crate::handshake::Uri;", "crate::handshake::Uri"),
    ("protocol/inbound.rs", "use crate::net;", "crate::net"),
    ("handshake/client.rs", "use crate::frame::Opcode;", "crate::frame::Opcode"),
    ("handshake/client.rs", "use crate::error::ProtocolError;", "crate::error::ProtocolError"),
    ("handshake/key.rs", "use rand::TryRng;", "rand::TryRng"),
    ("handshake/http/head.rs", "use std::io::Read;", "std::io::Read"),
    ("handshake/http/uri.rs", "use std::{fmt, net::IpAddr};", "std::net::IpAddr"),
    ("handshake/http/uri.rs", "use std::net;", "std::net"),
    ("handshake/client.rs", "use sha1::{Digest, Sha1};", "sha1::Digest"),
    ("net/connect/mod.rs", "use base64::Engine;", "base64::Engine"),
    ("net/connect/mod.rs", "use sha1;", "sha1"),
    ("net/connect/mod.rs", "use rustls::ClientConfig;", "rustls::ClientConfig"),
    ("lib.rs", "pub use rustls;", "rustls"),
    ("frame/close.rs", "fn f() { simdutf8::basic::from_utf8(&[]) }", "simdutf8::basic::from_utf8"),
    ("protocol/pending.rs", "use std::time::{self, Instant};", "std::time"),
    ("protocol/pending.rs", "type T = std::time::Instant;", "std::time::Instant"),
    ("protocol/pending.rs", "fn f() { ::std::thread::yield_now() }", "std::thread::yield_now"),
    ("protocol/pending.rs", "fn f<R>(r: R) where R: std::io::Read {}", "std::io::Read"),
    ("protocol/pending.rs", "fn f() { <A as std::io::Read>::read() }", "std::io::Read"),
    ("protocol/pending.rs", "m!(std::fs::read(\"x\"))", "std::fs::read"),
    ("protocol/pending.rs", "use std as s;", "std"),
    ("protocol/pending.rs", "use std::{self as s};", "std"),
    ("protocol/pending.rs", "use std::*;", "std::*"),
    ("protocol/pending.rs", "extern crate rand;", "rand"),
    ("protocol/pending.rs", "/* a /* b */ */ use std::env;", "std::env"),
    ("protocol/pending.rs", "const A: &str = \"\\\"\"; use std::env;", "std::env"),
    ("protocol/pending.rs", "const A: &str = r#\"\"\"#; use std::env;", "std::env"),
    ("protocol/pending.rs", "const A: char = '\"'; use std::env;", "std::env"),
    ("protocol/pending.rs", "const A: char = '\\''; use std::env;", "std::env"),
    ("protocol/pending.rs", "const A: char = '\\u{22}'; use std::env;", "std::env"),
    ("protocol/pending.rs", "fn f<'a>(a: &'a str) {} use std::env;", "std::env"),
    ("protocol/pending.rs", "pub(in crate::net) fn f() {}", "crate::net"),
    ("frame/mod.rs", "fn f() { println!(\"heard\") }", "println!"),
    ("lib.rs", "use std::net::TcpStream;", "std::net::TcpStream"),
    ("lib.rs", "use rand::rng;", "rand::rng"),
];

#[test]
fn violations_of_the_layers_are_found() {
    for (file, source, path) in BAD {
        let found = violations(file, source);
        assert!(found.contains(&format!("{file}: {path}")), "{source}: {found:?}");
    }
    let found = violations("helpers/mod.rs", "");
    assert_eq!(found, ["helpers/mod.rs is in no layer".to_owned()].into());
}

/// Sources that respect the layers, some of which look as if they did not.
const GOOD: &[(&str, &str)] = &[
    ("lib.rs", "mod net; pub use net::connect; pub use crate::net::Client;"),
    ("error.rs", "use core::fmt; use std::borrow::Cow;"),
    ("frame/mod.rs", "pub use header::FrameHeader; use self::mask::MaskingKey;"),
    ("frame/header.rs", "use super::Opcode; use crate::error::ProtocolError;"),
    ("frame/header.rs", "mod tests { use super::*; use super::super::Opcode; }"),
    ("frame/header.rs", "pub(crate) fn f() {} pub(super) fn g() {}"),
    ("frame/header.rs", "//! [`net`](crate::net)\n/// use std::io;\nfn f() {}"),
    ("frame/header.rs", "/* use std::io; /* nested */ std::net::f() */"),
    ("frame/header.rs", "const A: &str = \"crate::net::f() \\\" std::io\";"),
    ("frame/header.rs", "const A: &[u8] = br##\"\"# use std::io;\"##;"),
    ("frame/header.rs", "const A: char = '\"'; const B: &str = \"std::io::x\";"),
    ("frame/header.rs", "#[doc = \"std::io::Read\"] fn f<'std>(a: &'std u8) {}"),
    ("protocol/mod.rs", "use crate::frame::{CloseFrame, Opcode}; use crate::error as e;"),
    ("protocol/mod.rs", "use core::time::Duration; fn f() { my_std::io::f(); net::g(); }"),
    ("protocol/mod.rs", "struct S { io: u8, std: u8 } fn f(s: S) { s.io; rand(); }"),
    ("deflate/mod.rs", "mod params; pub use params::Params; use crate::error::ProtocolError;"),
    (
        "deflate/deflater.rs",
        "use zlib_rs::{Deflate as Stream, Status}; use super::{DirectionParams, TAIL};",
    ),
    ("deflate/deflater.rs", "use core::fmt; use super::config::Deflate;"),
    ("protocol/inbound.rs", "use crate::deflate::Inflater;"),
    ("handshake/extension.rs", "use crate::deflate::{self, Deflate, Params};"),
    ("net/broadcast/hub.rs", "use crate::deflate::Deflater; fn f() { deflate::zlib_rs(); }"),
    ("handshake/key.rs", "use base64::Engine; use sha1::{Digest, Sha1}; use super::Head;"),
    ("handshake/http/uri.rs", "use crate::handshake::http; use core::net::IpAddr;"),
    (
        "net/connect/mod.rs",
        "use std::{io, net::TcpStream, time::Duration}; use rand::rngs::SysRng;",
    ),
    ("net/connect/mod.rs", "use crate::{Message, frame, handshake, protocol};"),
    ("net/tls/client.rs", "use rustls::ClientConfig; use crate::net::Client;"),
    ("net/mod.rs", "pub use tls::rustls;"),
];

#[test]
fn valid_imports_are_not_reported() {
    for (file, source) in GOOD {
        assert_eq!(violations(file, source), BTreeSet::new(), "{source}");
    }
}
