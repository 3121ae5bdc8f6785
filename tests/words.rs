//! Finds the patterns that `docs/style.md` warns of, as far as a program can find them, in
//! documents, in comments and in the names of tests.
//!
//! Text is divided into paragraphs, and a paragraph into words, so a pattern is also found across
//! the end of a line. Code blocks, inline code and the targets of links are not text.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A hit that is correct English in its place. An exception without a hit fails the test.
struct Exception {
    file: &'static str,
    pattern: &'static str,
    /// Words of the excerpt in the report.
    text: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[];

/// The longest line of prose, in characters.
const WIDTH: usize = 100;

/// Documents at the top of the repository, and folders whose documents are all checked.
const DOCUMENTS: [&str; 4] = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
const DOCUMENT_FOLDERS: [&str; 5] = ["docs", "fuzz", "benches", "examples", "tests"];
const SOURCE_FOLDERS: [&str; 3] = ["src", "tests", "examples"];

/// Folders whose text is generated or downloaded.
const SKIPPED_FOLDERS: [&str; 7] =
    ["conformance", "target", "corpus", "artifacts", "results", "node_modules", ".venv"];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    Document,
    Comment,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Prose,
    Heading,
    /// A cell in the first row of a table.
    HeaderCell,
}

/// A word. The text of inline code is `CODE`.
#[derive(Debug)]
struct Word {
    text: String,
    lower: String,
    line: usize,
    /// The characters between the previous word and this one. The end of a line counts as a space.
    before: String,
}

const CODE: &str = "`";

#[derive(Debug)]
struct Paragraph {
    origin: Origin,
    kind: Kind,
    words: Vec<Word>,
    /// The characters after the last word.
    end: String,
}

impl Paragraph {
    /// Returns the word at `index` in lower case, or an empty text outside of the paragraph.
    fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| &word.lower)
    }

    /// Returns the word that is `distance` words before `index`, if it is in the same sentence.
    fn earlier(&self, index: usize, distance: usize) -> &str {
        let Some(first) = index.checked_sub(distance) else { return "" };
        let crosses = (first + 1..=index).any(|index| self.starts_sentence(index));
        if crosses { "" } else { self.word(first) }
    }

    /// Returns the characters between the word at `index` and the one before it, or those at the
    /// end for the index after the last word.
    fn before(&self, index: usize) -> &str {
        self.words.get(index).map_or(&self.end, |word| &word.before)
    }

    fn starts_sentence(&self, index: usize) -> bool {
        let before = self.before(index);
        index == 0 || before.contains(['.', '!', '?']) && before.contains(' ')
    }

    /// Whether the sentence with the word at `index` ends with a question mark.
    fn is_question(&self, index: usize) -> bool {
        let next = (index + 1..self.words.len()).find(|&index| self.starts_sentence(index));
        self.before(next.unwrap_or(self.words.len())).trim_start().starts_with('?')
    }

    /// Whether these words are at `index`, with only spaces between them.
    fn has(&self, index: usize, words: &[&[&str]]) -> bool {
        words.iter().enumerate().all(|(offset, allowed)| {
            let index = index + offset;
            let follows = offset == 0 || self.before(index).trim().is_empty();
            follows && allowed.contains(&self.word(index))
        })
    }

    /// Returns the words from `first` to `last`, with a few around them.
    fn excerpt(&self, first: usize, last: usize) -> String {
        let first = first.saturating_sub(4);
        let mut text = String::new();
        for word in self.words.iter().take(last + 6).skip(first) {
            let before = if text.is_empty() { word.before.trim_start() } else { &word.before };
            text.extend([before, &word.text]);
        }
        text
    }
}

/// A pattern. Its function returns how many of its words begin at an index, or 0 for no hit.
struct Pattern {
    name: &'static str,
    find: fn(&Paragraph, usize) -> usize,
}

const PATTERNS: &[Pattern] = &[
    Pattern { name: "headless who", find: headless_who },
    Pattern { name: "headless what", find: headless_what },
    Pattern { name: "is no", find: is_no },
    Pattern { name: "anew", find: |text, at| find(text, at, &[&["anew"]]) },
    Pattern { name: "in vain", find: |text, at| find(text, at, &[&["in"], &["vain"]]) },
    Pattern { name: "blank", find: blank },
    Pattern { name: "but for", find: but_for },
    Pattern { name: "so long as", find: |text, at| find(text, at, SO_LONG_AS) },
    Pattern { name: "has to be", find: has_to_be },
    Pattern { name: "by hand", find: by_hand },
    Pattern { name: "time-out", find: |text, at| find(text, at, &[&["time-out", "time-outs"]]) },
    Pattern { name: "own accord", find: |text, at| find(text, at, &[&["own"], &["accord"]]) },
    Pattern { name: "beside", find: beside },
    Pattern { name: "amid", find: |text, at| find(text, at, &[&["amid", "amidst"]]) },
    Pattern { name: "meanwhile", find: |text, at| find(text, at, &[&["meanwhile"]]) },
];

/// The names of the hits that do not come from a pattern.
const LONG_LINE: &str = "long line";
const TEST_NAME: &str = "test name";

const SO_LONG_AS: &[&[&str]] = &[&["so"], &["long", "many", "much"], &["as"]];

fn find(text: &Paragraph, at: usize, words: &[&[&str]]) -> usize {
    if text.has(at, words) { words.len() } else { 0 }
}

/// `who`, `whom` or `whoever` without a noun before it.
fn headless_who(text: &Paragraph, at: usize) -> usize {
    const AFTER: [&str; 13] = [
        "for", "than", "by", "of", "from", "to", "with", "without", "at", "upon", "against",
        "like", "so",
    ];
    // `regardless of who` begins an indirect question.
    const BEFORE_OF: [&str; 6] =
        ["regardless", "irrespective", "independent", "independently", "question", "matter"];

    let before = text.before(at);
    match text.word(at) {
        "whoever" | "whomever" | "whosoever" => 1,
        word @ ("who" | "whom") => {
            let starts = text.starts_sentence(at) && !text.is_question(at);
            let starts = starts && (text.kind == Kind::Prose || word == "whom");
            let is_list = before.contains(';') || word == "whom" && before.contains(':');
            let previous = text.earlier(at, 1);
            let follows = word == "who" && before.trim().is_empty() && AFTER.contains(&previous);
            let is_indirect = previous == "of" && BEFORE_OF.contains(&text.earlier(at, 2));
            usize::from(starts || is_list || follows && !is_indirect)
        }
        _ => 0,
    }
}

/// A sentence that begins with a clause in place of a noun: `What is left is sent`.
fn headless_what(text: &Paragraph, at: usize) -> usize {
    let is_capital = text.words.get(at).is_some_and(|word| word.text == "What");
    let starts = is_capital && text.starts_sentence(at) && !text.is_question(at);
    usize::from(starts && text.kind == Kind::Prose)
}

/// `is no message` in place of `is not a message`.
fn is_no(text: &Paragraph, at: usize) -> usize {
    const BE: &[&str] = &["is", "are", "was", "were", "be", "been", "being"];
    const COMPARISONS: &str = "longer more less fewer better worse different larger bigger smaller \
        greater higher lower later earlier sooner shorter faster slower older newer wider";

    let is_existential = (1..=4).any(|distance| text.earlier(at, distance) == "there");
    let is_comparison = COMPARISONS.split(' ').any(|word| word == text.word(at + 2));
    let has_noun = text.words.len() > at + 2 && text.before(at + 2).trim().is_empty();
    let is_hit = text.has(at, &[BE, &["no"]]) && has_noun;
    if is_hit && !is_existential && !is_comparison { 3 } else { 0 }
}

/// `blank` in place of `space`.
fn blank(text: &Paragraph, at: usize) -> usize {
    let is_blank = text.has(at, &[&["blank", "blanks"]]);
    usize::from(is_blank && !["line", "lines", "page", "pages"].contains(&text.word(at + 1)))
}

/// `, but for` in place of `except`.
fn but_for(text: &Paragraph, at: usize) -> usize {
    if text.before(at).contains(',') { find(text, at, &[&["but"], &["for"]]) } else { 0 }
}

/// `has to be` and `is to be` in place of `must be` and `should be`.
fn has_to_be(text: &Paragraph, at: usize) -> usize {
    const HAVE: &[&str] = &["has", "have", "had"];
    const BE: &[&str] = &["is", "are", "was", "were"];

    // `need not` and `must` have no other form after these.
    let previous = text.earlier(at, 1);
    let is_needed = ["not", "would", "may", "might", "could", "will", "can"].contains(&previous);
    if is_needed || previous.ends_with("n't") {
        return 0;
    }
    find(text, at, &[HAVE, &["to"], &["be"]]).max(find(text, at, &[BE, &["to"], &["be"]]))
}

/// `by hand` in a comment, which should be more exact.
fn by_hand(text: &Paragraph, at: usize) -> usize {
    if text.origin == Origin::Comment { find(text, at, &[&["by"], &["hand"]]) } else { 0 }
}

/// `beside`, and `besides` with a noun.
fn beside(text: &Paragraph, at: usize) -> usize {
    let follows = text.words.len() > at + 1 && text.before(at + 1).trim().is_empty();
    match text.word(at) {
        "beside" => 1,
        "besides" => usize::from(follows),
        _ => 0,
    }
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Hit {
    file: String,
    line: usize,
    pattern: &'static str,
    text: String,
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.pattern, self.text)
    }
}

/// A line of Markdown.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    number: usize,
    text: &'a str,
    /// The whole line in the file. `text` is without the marker of a comment.
    whole: &'a str,
}

/// Returns the paragraphs of a document or a comment, and the lines of prose that are too long.
fn paragraphs(origin: Origin, lines: &[Line<'_>]) -> (Vec<Paragraph>, Vec<usize>) {
    let mut found = Vec::new();
    let mut long = Vec::new();
    let mut current: Vec<(char, usize)> = Vec::new();
    let mut fence: Option<&str> = None;
    let (mut is_in_list, mut is_in_table, mut is_after_empty) = (false, false, true);
    let mut finish = |kind, text: &mut Vec<(char, usize)>| {
        let (words, end) = split_words(text);
        text.clear();
        if !words.is_empty() {
            found.push(Paragraph { origin, kind, words, end });
        }
    };

    for line in lines {
        let text = line.text.trim();
        let indent = line.text.len() - line.text.trim_start().len();
        if let Some(mark) = fence {
            if text.starts_with(mark) && text.trim_matches(['`', '~']).is_empty() {
                fence = None;
            }
            continue;
        }
        let was_in_table = is_in_table;
        is_in_table = text.starts_with('|');
        if is_in_table {
            finish(Kind::Prose, &mut current);
            let kind = if was_in_table { Kind::Prose } else { Kind::HeaderCell };
            for cell in text.replace("\\|", " ").split('|') {
                let mut cell: Vec<_> = cell.chars().map(|c| (c, line.number)).collect();
                finish(kind, &mut cell);
            }
        } else if text.starts_with("```") || text.starts_with("~~~") {
            finish(Kind::Prose, &mut current);
            let len = text.len() - text.trim_start_matches(['`', '~']).len();
            fence = text.get(..len);
        } else if text.is_empty() || is_link_definition(text) {
            finish(Kind::Prose, &mut current);
        } else if is_after_empty && indent >= 4 && !is_in_list {
            // Indented code continues after an empty line.
            continue;
        } else {
            let item = without_list_marker(text);
            let is_heading = text.starts_with('#') && origin == Origin::Document
                || text.starts_with("# ")
                || text.starts_with("## ");
            if is_heading || item.is_some() {
                finish(Kind::Prose, &mut current);
            }
            is_in_list = item.is_some() || is_in_list && (indent > 0 || !is_after_empty);
            let content = item.unwrap_or(text).trim_start_matches(['>', '#']);
            current.extend(content.chars().map(|c| (c, line.number)));
            current.push((' ', line.number));
            if is_heading {
                finish(Kind::Heading, &mut current);
            } else if without_urls(line.whole.trim_end()).chars().count() > WIDTH
                && !text.starts_with("![")
            {
                long.push(line.number);
            }
        }
        is_after_empty = text.is_empty();
    }
    finish(Kind::Prose, &mut current);
    (found, long)
}

/// Whether this line is `[label]: target`.
fn is_link_definition(text: &str) -> bool {
    let target = text.strip_prefix('[').and_then(|text| text.split_once("]: "));
    target.is_some_and(|(_, target)| !target.trim().contains(' '))
}

/// Returns the text of a list item, or `None` if this is not its first line.
fn without_list_marker(text: &str) -> Option<&str> {
    let numbered = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = if numbered.len() < text.len() { numbered.strip_prefix(". ") } else { None };
    rest.or_else(|| ["- ", "* ", "+ "].iter().find_map(|marker| text.strip_prefix(marker)))
}

/// Returns the line without the targets of links and addresses, which cannot be broken.
fn without_urls(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("](") {
        text.extend([before, "]"]);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    text += rest;
    let words: Vec<_> = text.split(' ').filter(|word| !word.contains("://")).collect();
    words.join(" ")
}

/// Returns the words of a paragraph, and the characters after the last one.
fn split_words(text: &[(char, usize)]) -> (Vec<Word>, String) {
    let char_at = |index: usize| text.get(index).map_or('\0', |&(c, _)| c);
    let mut words = Vec::new();
    let mut before = String::new();
    let mut at = 0;
    while let Some(&(c, line)) = text.get(at) {
        let start = at;
        if c == '`' {
            let len = (start..).take_while(|&index| char_at(index) == '`').count();
            at += len;
            // The code ends at a run of the same length. Without one, the backticks stand for
            // themselves.
            let mut end = at;
            while end < text.len() {
                let run = (end..).take_while(|&index| char_at(index) == '`').count();
                if run == len {
                    let (text, lower) = (CODE.to_owned(), CODE.to_owned());
                    words.push(Word { text, lower, line, before: std::mem::take(&mut before) });
                    at = end + len;
                    break;
                }
                end += run.max(1);
            }
        } else if c == ']' && matches!(char_at(at + 1), '(' | '[') {
            let (open, close) = if char_at(at + 1) == '(' { ('(', ')') } else { ('[', ']') };
            let mut depth = 0;
            at += 1;
            while at < text.len() {
                depth += i32::from(char_at(at) == open) - i32::from(char_at(at) == close);
                at += 1;
                if depth == 0 {
                    break;
                }
            }
        } else if c == '<' && char_at(at + 1) == 'h' {
            while at < text.len() && char_at(at) != '>' {
                at += 1;
            }
        } else if c.is_alphanumeric() {
            let mut word = String::new();
            loop {
                let (c, next) = (char_at(at), char_at(at + 1));
                let joins = matches!(c, '\'' | '’' | '-' | '_') && next.is_alphanumeric();
                if !c.is_alphanumeric() && !joins {
                    break;
                }
                word.push(if c == '’' { '\'' } else { c });
                at += 1;
            }
            let lower = word.to_lowercase();
            words.push(Word { text: word, lower, line, before: std::mem::take(&mut before) });
        } else {
            // Emphasis and the brackets of links are not punctuation.
            if !matches!(c, '*' | '_' | '[' | ']') {
                before.push(if c.is_whitespace() { ' ' } else { c });
            }
            at += 1;
        }
    }
    (words, before)
}

/// A comment of one line, or one line of a longer comment.
#[derive(Debug)]
struct Comment {
    line: usize,
    marker: &'static str,
    text: String,
    /// Whether the comment has the line to itself.
    is_alone: bool,
}

/// Returns the comments of a source file, and its code without comments, strings and characters.
fn split_source(source: &str) -> (Vec<Comment>, String) {
    let text: Vec<char> = source.chars().collect();
    let char_at = |index: usize| text.get(index).copied().unwrap_or('\0');
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut comments = Vec::new();
    let mut code = String::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let start = at;
        let raw = raw_string_len(&text, at).filter(|_| at == 0 || !is_name(char_at(at - 1)));
        match (char_at(at), char_at(at + 1)) {
            ('/', '/') => {
                let len = text.iter().skip(at).take_while(|&&c| c != '\n').count();
                at += len;
                let content: String = text.iter().skip(start).take(len).collect();
                let marker = match content.as_str() {
                    content if content.starts_with("////") => "//",
                    content if content.starts_with("///") => "///",
                    content if content.starts_with("//!") => "//!",
                    _ => "//",
                };
                let content = content.strip_prefix(marker).unwrap_or_default();
                let text = content.strip_prefix(' ').unwrap_or(content).to_owned();
                let is_alone = code.rsplit('\n').next().is_none_or(|code| code.trim().is_empty());
                comments.push(Comment { line, marker, text, is_alone });
            }
            ('/', '*') => {
                let mut depth = 0;
                while at < text.len() {
                    match (char_at(at), char_at(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
                let content: String = text.iter().take(at).skip(start).collect();
                for (offset, content) in content.lines().enumerate() {
                    let text = content.trim_matches(['/', '*', '!', ' ']).to_owned();
                    let line = line + offset;
                    comments.push(Comment { line, marker: "/*", text, is_alone: true });
                }
            }
            _ if raw.is_some() => at += raw.unwrap_or_default(),
            ('"', _) => {
                at += 1;
                while at < text.len() && char_at(at) != '"' {
                    at += if char_at(at) == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            ('\'', '\\') => {
                at += 3;
                while at < text.len() && char_at(at) != '\'' {
                    at += 1;
                }
                at += 1;
            }
            // Otherwise it is a lifetime.
            ('\'', _) if char_at(at + 2) == '\'' => at += 3,
            (c, _) => {
                code.push(c);
                at += 1;
                line += usize::from(c == '\n');
                continue;
            }
        }
        if char_at(start) != '/' {
            code.push('"');
        }
        let lines = text.iter().take(at).skip(start).filter(|&&c| c == '\n').count();
        code.extend(std::iter::repeat_n('\n', lines));
        line += lines;
    }
    (comments, code)
}

/// Returns the length of the raw string that begins at `at`, if there is one.
fn raw_string_len(text: &[char], at: usize) -> Option<usize> {
    let mut rest = text.get(at..)?;
    if let ['b' | 'c', after @ ..] = rest {
        rest = after;
    }
    let ['r', after @ ..] = rest else { return None };
    let hashes = after.iter().take_while(|&&c| c == '#').count();
    let ['"', content @ ..] = after.get(hashes..)? else { return None };
    let mut end: Vec<char> = vec!['#'; hashes];
    end.insert(0, '"');
    let len = content.windows(end.len()).position(|window| window == end)? + end.len();
    Some(text.len() - at - content.len() + len)
}

fn hits_of_text(file: &str, origin: Origin, lines: &[Line<'_>]) -> Vec<Hit> {
    let (paragraphs, long) = paragraphs(origin, lines);
    let mut hits = Vec::new();
    for paragraph in &paragraphs {
        for (at, word) in paragraph.words.iter().enumerate() {
            for Pattern { name, find } in PATTERNS {
                let len = find(paragraph, at);
                if len > 0 {
                    let text = paragraph.excerpt(at, at + len - 1);
                    hits.push(Hit { file: file.into(), line: word.line, pattern: name, text });
                }
            }
        }
    }
    for number in long {
        let line = lines.iter().find(|line| line.number == number);
        let text = line.map_or("", |line| line.text).trim().to_owned();
        hits.push(Hit { file: file.into(), line: number, pattern: LONG_LINE, text });
    }
    hits
}

fn hits_of_document(file: &str, document: &str) -> Vec<Hit> {
    let lines: Vec<_> = document
        .lines()
        .enumerate()
        .map(|(index, text)| Line { number: index + 1, text, whole: text })
        .collect();
    hits_of_text(file, Origin::Document, &lines)
}

fn hits_of_source(file: &str, source: &str) -> Vec<Hit> {
    let (comments, code) = split_source(source);
    let wholes: Vec<_> = source.lines().collect();
    let mut hits = Vec::new();
    let continues = |before: &Comment, after: &Comment| {
        let follows = before.line + 1 == after.line && before.marker == after.marker;
        follows && before.is_alone && after.is_alone
    };
    for run in comments.chunk_by(continues) {
        let lines: Vec<_> = run
            .iter()
            .map(|comment| Line {
                number: comment.line,
                text: &comment.text,
                whole: wholes.get(comment.line - 1).copied().unwrap_or_default(),
            })
            .collect();
        hits.extend(hits_of_text(file, Origin::Comment, &lines));
    }

    let mut is_test = false;
    for (index, text) in code.lines().enumerate() {
        is_test |= text.contains("#[test]");
        if let Some((_, name)) = text.split_once("fn ").filter(|_| is_test) {
            is_test = false;
            let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next();
            let name = name.unwrap_or_default();
            if name.starts_with("who_") || name.starts_with("what_") || name.contains("_who_") {
                let (line, text) = (index + 1, name.to_owned());
                hits.push(Hit { file: file.into(), line, pattern: TEST_NAME, text });
            }
        }
    }
    hits
}

/// Returns the hits that are not excepted, and the exceptions that are not needed.
fn without_exceptions(hits: Vec<Hit>, exceptions: &[Exception]) -> (Vec<Hit>, Vec<String>) {
    let mut used = BTreeSet::new();
    let left = hits.into_iter().filter(|hit| {
        let excuse = exceptions.iter().position(|exception| {
            let Exception { file, pattern, text, .. } = exception;
            hit.file == *file && hit.pattern == *pattern && hit.text.contains(text)
        });
        used.extend(excuse);
        excuse.is_none()
    });
    let left = left.collect();
    let unused = exceptions.iter().enumerate().filter(|(index, _)| !used.contains(index));
    let unused = unused.map(|(_, Exception { file, pattern, text, reason })| {
        format!("{file}: {pattern}: {text}: not needed any more (\"{reason}\")")
    });
    (left, unused.collect())
}

fn files_below(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !SKIPPED_FOLDERS.contains(&name) {
                files_below(&path, extension, found);
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

/// Returns the files with these names that exist. Not all of them are published.
fn files(names: &[&str], folders: &[&str], extension: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = names.iter().map(|name| root.join(name)).collect();
    paths.retain(|path| path.exists());
    for folder in folders {
        files_below(&root.join(folder), extension, &mut paths);
    }
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        (name, fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn documents_comments_and_test_names_follow_the_style() {
    let documents = files(&DOCUMENTS, &DOCUMENT_FOLDERS, "md");
    let sources = files(&[], &SOURCE_FOLDERS, "rs");
    assert!(documents.len() > 20 && sources.len() > 100, "files are missing");

    let documents = documents.iter().flat_map(|(name, text)| hits_of_document(name, text));
    let sources = sources.iter().flat_map(|(name, text)| hits_of_source(name, text));
    let mut hits: Vec<_> = documents.chain(sources).collect();
    hits.sort();
    let (hits, unused) = without_exceptions(hits, EXCEPTIONS);
    let mut report: Vec<_> = hits.iter().map(ToString::to_string).collect();
    // A package does not contain all documents.
    if Path::new(env!("CARGO_MANIFEST_DIR")).join("CONTRIBUTING.md").exists() {
        report.extend(unused);
    }
    assert!(
        report.is_empty(),
        "{} places are not as docs/style.md asks:\n{}",
        report.len(),
        report.join("\n")
    );
}

/// Returns the patterns in a document, each with its line.
fn in_document(text: &str) -> Vec<(usize, &'static str)> {
    hits_of_document("a.md", text).iter().map(|hit| (hit.line, hit.pattern)).collect()
}

/// Returns the patterns in a source file, each with its line.
fn in_source(text: &str) -> Vec<(usize, &'static str)> {
    hits_of_source("a.rs", text).iter().map(|hit| (hit.line, hit.pattern)).collect()
}

#[test]
fn each_pattern_is_found() {
    let cases = [
        ("headless who", "This is for who wants to read it."),
        ("headless who", "The connection of who breaks it ends."),
        ("headless who", "Who reads never waits."),
        ("headless who", "Nothing waits. Who sends must wait."),
        ("headless who", "It waits; who comes later does not."),
        ("headless who", "It goes to whoever asks."),
        ("headless who", "# Whom we do not trust"),
        ("headless who", "Two lists: whom it speaks to, and when."),
        ("headless what", "What was fed is written first."),
        ("headless what", "It is kept. What is left is sent."),
        ("headless what", "- **What a list may look like.** It is short."),
        ("is no", "A program that is no browser can do this."),
        ("is no", "These are no tokens."),
        ("is no", "That is no `Sender`."),
        ("is no", "It is there. This is no finding."),
        ("anew", "The head is parsed anew."),
        ("in vain", "It was asked for in vain."),
        ("blank", "Cuts off blanks at the end."),
        ("blank", "A blank before the colon is refused."),
        ("but for", "All of it, but for the last byte."),
        ("so long as", "It waits so long as the peer is alive."),
        ("so long as", "It takes so many as there are."),
        ("has to be", "The key has to be new."),
        ("has to be", "The keys have to be new."),
        ("has to be", "The byte is to be sent first."),
        ("has to be", "It was to be sent."),
        ("time-out", "The time-outs apply to each call."),
        ("own accord", "The thread ends of its own accord."),
        ("beside", "The table is beside this file."),
        ("beside", "It takes memory besides the window."),
        ("amid", "A Ping amid a message is answered."),
        ("meanwhile", "The other thread waits meanwhile."),
    ];
    for (pattern, text) in cases {
        assert_eq!(in_document(text), [(1, pattern)], "{text}");
        let comment = format!("fn f() {{}}\n\n/// {}", text.trim_start_matches("# "));
        assert_eq!(in_source(&comment), [(3, pattern)], "{comment}");
    }
    assert_eq!(in_source("// A head made by hand.\n"), [(1, "by hand")]);
    assert_eq!(in_document("| a | b |\n| --- | --- |\n| c | in vain |\n"), [(3, "in vain")]);

    let names: BTreeSet<_> = cases.into_iter().map(|(pattern, _)| pattern).collect();
    let untried = PATTERNS.iter().filter(|pattern| !names.contains(pattern.name));
    assert_eq!(untried.map(|pattern| pattern.name).collect::<Vec<_>>(), ["by hand"]);
}

#[test]
fn clean_text_has_no_hit() {
    let cases = [
        "Somebody who waits is served. A peer who asks gets an answer.",
        "The status says who closed, and with which code. It depends on the peer who sends it.",
        "Who closes TCP? The server.",
        "What does a Ping tell? Nothing is known of whom it reaches.",
        "It ends regardless of who sends it.",
        "This is what the peer sees.",
        "# What the RFC demands",
        "## Who answers",
        "| what | who has it |\n| --- | --- |\n| a limit | both ends |\n",
        "There is no frame, and there can then be no answer. Is there no key?",
        "It is no longer open. It is no more than a byte, and is no worse.",
        "Is it compressed? No bit is set. It is: no bit is set.",
        "A blank line ends the head, and blank lines are ignored.",
        "It is slow, but it works. It is fast, but forgets.",
        "It takes as long as it takes, so much is certain.",
        "It does not have to be new. It may have to be new. There has to come a byte.",
        "The timeout of a call that timed out.",
        "Besides, it is short. It is short besides.",
        "A head made by hand.",
        "`for who` and `What is` are code, as is ``a ` in vain``.",
        "See [this list](https://example.com/meanwhile/what-is-no-list) and [that one][anew].",
        "```text\nWho reads is no thread.\n```\n",
        "~~~~\nin vain\n~~~\nanew\n~~~~\n",
        "Code:\n\n    let who = in_vain; // anew\n\n    what is no code\n",
        "[label]: https://example.com/meanwhile\n",
    ];
    for text in cases {
        assert_eq!(in_document(text), [], "{text}");
    }
}

#[test]
fn patterns_are_found_across_lines_and_punctuation_is_respected() {
    assert_eq!(in_document("It was asked for in\nvain.\n"), [(1, "in vain")]);
    assert_eq!(in_document("- A peer that is\n  no browser.\n"), [(1, "is no")]);
    assert_eq!(in_document("Asked **in** _vain_."), [(1, "in vain")]);
    assert_eq!(in_document("Put it in. Vain people do."), []);
    assert_eq!(in_document("A list\n\n1. in vain\n2. anew\n"), [(3, "in vain"), (4, "anew")]);
    assert_eq!(in_document("> The peer reads\n> anew."), [(2, "anew")]);
    assert_eq!(in_document("```rust\nlet a = 1;\n```\nin vain\n"), [(4, "in vain")]);
    assert_eq!(in_document("- one\n\n    anew, in the list\n"), [(3, "anew")]);
    assert_eq!(in_document("[anew](https://a.example/) is a link."), [(1, "anew")]);
    assert_eq!(in_source("/// It was asked for in\n/// vain.\n"), [(1, "in vain")]);
    assert_eq!(in_source("/// It was asked for in\n// vain.\n"), []);
    assert_eq!(in_source("let a = 1; // anew\nlet b = 2; // in vain\n").len(), 2);
}

#[test]
fn code_is_not_a_comment() {
    let clean = [
        r#"let url = "ws://anew"; let text = "in vain";"#,
        r###"let raw = r#"a " // anew"#; let bytes = br"\"; let who = 'a';"###,
        "let quote = '\"'; let other = '\\''; fn f<'a>(in_vain: &'a str) {}",
        "/// ```\n/// // anew\n/// ```\nfn f() {}",
    ];
    for source in clean {
        assert_eq!(in_source(source), [], "{source}");
    }
    let hits = [
        r#"let url = "ws://"; // anew"#,
        r##"let raw = r#"""#; // anew"##,
        r"let quote = '\''; // anew",
        "let quote = '\"'; // anew",
        "fn f<'a>(r: &'a str) {} // anew",
        "let r#type = 1; // anew",
        "/* a /* b */ anew */",
        "//// anew",
        "//! anew",
    ];
    for source in hits {
        assert_eq!(in_source(source), [(1, "anew")], "{source}");
    }
    assert_eq!(in_source("let a = \"\n\n\"; // anew"), [(3, "anew")]);
    assert_eq!(in_source("/*\n\n anew */ // in vain"), [(3, "anew"), (3, "in vain")]);
}

#[test]
fn lines_of_prose_have_a_maximum_length() {
    let words = |len: usize| "word ".repeat(30).chars().take(len).collect::<String>();
    // 99 characters end with a letter, and so do 104.
    let (short, long) = (words(99), words(104));
    assert_eq!(in_document(&short), []);
    assert_eq!(in_document(&long), [(1, LONG_LINE)]);
    assert_eq!(in_document(&format!("- {short}")), [(1, LONG_LINE)]);
    assert_eq!(in_source(&format!("// {}", words(94))), []);
    assert_eq!(in_source(&format!("    /// {}", words(94))), [(1, LONG_LINE)]);
    assert_eq!(in_document(&"ü ".repeat(50)), []);

    // Lines that cannot be broken, and lines that are not prose.
    assert_eq!(in_document(&format!("# {long}")), []);
    assert_eq!(in_document(&format!("| {long} | |")), []);
    assert_eq!(in_document(&format!("```\n{long}\n```")), []);
    assert_eq!(in_document(&format!("[a](https://a.example/{})", "a".repeat(99))), []);
    assert_eq!(in_document(&format!("See https://a.example/{}", "a".repeat(99))), []);
    assert_eq!(in_document(&format!("[a]: https://a.example/{}", "a".repeat(99))), []);
    assert_eq!(in_document(&format!("![{long}](a.png)")), []);
    assert_eq!(in_source(&format!("let a = \"{long}\";")), []);
}

#[test]
fn test_names_are_checked() {
    let hits = [
        "#[test]\nfn who_reads_waits() {}",
        "#[test]\nfn what_is_cut_is_kept() {}",
        "#[test]\nfn a_peer_who_reads_waits() {}",
        "#[test]\n#[cfg(unix)]\nfn who_reads_waits() {}",
    ];
    for source in hits {
        let line = source.lines().count();
        assert_eq!(in_source(source), [(line, TEST_NAME)], "{source}");
    }
    let clean = [
        "#[test]\nfn whole_heads_are_read() {}",
        "#[test]\nfn a_peer_that_reads_waits() {}\nfn who_reads() {}",
        "fn who_reads() {}",
        "let text = \"#[test]\nfn who_reads() {}\";",
    ];
    for source in clean {
        assert_eq!(in_source(source), [], "{source}");
    }
}

#[test]
fn an_exception_excuses_only_its_hit_and_must_be_needed() {
    let exception = |file, pattern, text| Exception { file, pattern, text, reason: "a name" };
    let hits = || hits_of_document("a.md", "It was asked for in vain.\n\nIt is read anew.");
    let split = |exceptions: &[Exception]| {
        let (left, unused) = without_exceptions(hits(), exceptions);
        (left.iter().map(|hit| hit.pattern).collect::<Vec<_>>(), unused.len())
    };
    assert_eq!(split(&[]), (vec!["in vain", "anew"], 0));
    assert_eq!(split(&[exception("a.md", "anew", "is read anew")]), (vec!["in vain"], 0));
    assert_eq!(split(&[exception("b.md", "anew", "anew")]), (vec!["in vain", "anew"], 1));
    assert_eq!(split(&[exception("a.md", "blank", "anew")]), (vec!["in vain", "anew"], 1));
    assert_eq!(split(&[exception("a.md", "anew", "sent anew")]), (vec!["in vain", "anew"], 1));

    let text = hits().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text[0], "a.md:1: in vain: It was asked for in vain");
    assert_eq!(text[1], "a.md:3: anew: It is read anew");
}
