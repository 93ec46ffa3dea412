//! As much of Rust's lexing as it takes to tell code from comments, strings and lifetimes.

/// A word or a single sign of code, and the line it stands on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// The code of a source file: comments and lifetimes are left out, a literal is an empty token.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let rest = &chars[at..];
        let (len, text) = match rest {
            ['/', '/', ..] => (rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()), None),
            ['/', '*', ..] => (block_comment(rest), None),
            ['"', ..] => (quoted(rest, '"'), Some(String::new())),
            ['\'', ..] => match char_literal(rest) {
                Some(len) => (len, Some(String::new())),
                // A lifetime: its name is no path.
                None => (1 + word(&rest[1..]), None),
            },
            [first, ..] if is_word(*first) => match literal_prefix(rest) {
                Some(len) => (len, Some(String::new())),
                None => (word(rest), Some(rest[..word(rest)].iter().collect())),
            },
            [':', ':', ..] => (2, Some("::".into())),
            [first, ..] if first.is_whitespace() => (1, None),
            [first, ..] => (1, Some(first.to_string())),
            [] => unreachable!("there is something left"),
        };
        tokens.extend(text.map(|text| Token { text, line }));
        line += rest[..len].iter().filter(|&&c| c == '\n').count();
        at += len;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(rest: &[char]) -> usize {
    rest.iter().position(|&c| !is_word(c)).unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal that begins with its quote.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The length of a character, unless the quote begins a lifetime.
fn char_literal(rest: &[char]) -> Option<usize> {
    match rest {
        [_, '\\', ..] | [_, _, '\'', ..] => Some(quoted(rest, '\'')),
        _ => None,
    }
}

/// The length of a string or byte literal that begins with a letter: `b"…"`, `b'…'`, `r#"…"#`, `br"…"`.
fn literal_prefix(rest: &[char]) -> Option<usize> {
    let len = word(rest);
    let prefix: String = rest[..len].iter().collect();
    match (prefix.as_str(), rest.get(len)?) {
        ("b" | "c", quote @ ('"' | '\'')) => Some(len + quoted(&rest[len..], *quote)),
        ("r" | "br" | "cr", '"' | '#') => {
            let hashes = rest[len..].iter().take_while(|&&c| c == '#').count();
            let end: Vec<char> = ['"'].into_iter().chain(std::iter::repeat_n('#', hashes)).collect();
            let body = len + hashes + 1;
            // Otherwise a raw identifier.
            (rest.get(body - 1) == Some(&'"')).then_some(())?;
            let found = rest[body..].windows(end.len()).position(|window| window == end)?;
            Some(body + found + end.len())
        }
        _ => None,
    }
}
