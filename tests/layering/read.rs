//! The modules of a crate, and what each names, from the tokens of its files.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{Module, Name, Path};

/// Those that are declared, from `lib.rs` on, whose files are read by `text`.
pub(super) fn modules(text: &dyn Fn(&str) -> Option<String>) -> Vec<Module> {
    let root = Module { file: "lib.rs".into(), ..Module::default() };
    let mut reader = Reader { text, modules: vec![root] };
    reader.file(0);
    reader.modules
}

struct Reader<'a> {
    text: &'a dyn Fn(&str) -> Option<String>,
    modules: Vec<Module>,
}

impl Reader<'_> {
    fn file(&mut self, at: usize) {
        let file = &self.modules[at].file;
        let text = (self.text)(file).unwrap_or_else(|| panic!("{file} is declared, and not there"));
        let tokens = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        self.tokens(at, tokens, true);
    }

    /// What stands in a module itself, or deeper, in an item of it.
    fn tokens(&mut self, at: usize, tokens: TokenStream, is_module: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut file = None;
        let mut n = 0;
        while let (before, [token, after @ ..]) = tokens.split_at(n) {
            n += match token {
                TokenTree::Punct(sign) if sign.as_char() == '#' => {
                    let (attribute, len) = attribute(after);
                    file = path_attribute(attribute.clone()).or(file);
                    let is_test = is_test(attribute);
                    let end = after.iter().skip(len).position(ends_an_item);
                    1 + len + end.filter(|_| is_test).map_or(0, |end| end + 1)
                }
                // A lifetime, a member, and the rest of a path that begins elsewhere say nothing.
                TokenTree::Punct(sign) => {
                    let is_double = after.first().is_some_and(|next| is_sign(next, sign.as_char()));
                    match (sign.as_char(), is_double) {
                        (':', true) => 3,
                        ('.' | '\'', _) => 2,
                        _ => 1,
                    }
                }
                TokenTree::Group(group) => {
                    // `thread_local! { static ... }`.
                    let is_macro = before.last().is_some_and(|last| is_sign(last, '!'));
                    self.tokens(at, group.stream(), is_module && is_macro);
                    1
                }
                TokenTree::Ident(word) => match word.to_string().as_str() {
                    "use" => self.imported(at, after, is_public(before)),
                    "mod" if is_module => self.module(at, after, file.take()),
                    word if is_module && DEFINE.contains(&word) => self.defined(at, after),
                    _ => self.path(at, &tokens[n..]),
                },
                TokenTree::Literal(_) => 1,
            };
        }
    }

    /// `use ...;`. Who imports privately needs it; who hands it on does not, unless it names it
    /// again.
    fn imported(&mut self, at: usize, after: &[TokenTree], is_public: bool) -> usize {
        // `impl Trait + use<'_>`.
        if after.first().is_some_and(|next| is_sign(next, '<')) {
            return 1;
        }
        let end = after.iter().position(|token| is_sign(token, ';')).expect("a `use` has an end");
        let mut leaves = Vec::new();
        use_leaves(&after[..end], &[], &mut leaves);
        let module = &mut self.modules[at];
        for (name, path) in leaves {
            module.names.entry(name).or_default().push(Name::Use(path.clone()));
            let list = if is_public { &mut module.handed_on } else { &mut module.written };
            list.push(path);
        }
        end + 2
    }

    fn module(&mut self, parent: usize, after: &[TokenTree], file: Option<String>) -> usize {
        let name = ident(&after[0]).expect("a module has a name");
        let above = &self.modules[parent];
        let join = |folder: &str, name: &str| {
            format!("{folder}/{name}").trim_start_matches('/').to_owned()
        };
        let mut new = Module {
            file: above.file.clone(),
            path: join(&above.path, &name),
            folder: join(&above.folder, &name),
            parent: Some(parent),
            ..Module::default()
        };
        let inside = group(&after[1], Delimiter::Brace);
        if inside.is_none() {
            let beside = above.file.rsplit_once('/').map_or("", |(folder, _)| folder);
            let plain = format!("{}.rs", new.folder);
            new.file = match file {
                Some(other) => join(beside, &other),
                None if (self.text)(&plain).is_some() => plain,
                None => format!("{}/mod.rs", new.folder),
            };
        }
        let at = self.modules.len();
        self.modules.push(new);
        self.modules[parent].names.entry(name).or_default().push(Name::Module(at));
        match inside {
            Some(tokens) => self.tokens(at, tokens, true),
            None => self.file(at),
        }
        3
    }

    fn defined(&mut self, at: usize, after: &[TokenTree]) -> usize {
        // `macro_rules! name`.
        let bang = usize::from(after.first().is_some_and(|next| is_sign(next, '!')));
        let name = after.get(bang).and_then(ident);
        // `const fn` and `static mut` define what comes after that.
        let Some(name) = name.filter(|name| !BETWEEN.contains(&name.as_str())) else { return 1 };
        self.modules[at].names.entry(name).or_default().push(Name::Item);
        2 + bang
    }

    fn path(&mut self, at: usize, tokens: &[TokenTree]) -> usize {
        let is_colon = |n: usize| tokens.get(n).is_some_and(|token| is_sign(token, ':'));
        let mut path = Vec::new();
        let mut n = 0;
        while let Some(name) = tokens.get(n).and_then(ident) {
            path.push(name);
            n += if is_colon(n + 1) && is_colon(n + 2) { 3 } else { 1 };
            if !is_colon(n - 1) {
                break;
            }
        }
        self.modules[at].written.push(path);
        n
    }
}

/// What a name stands behind that a module defines.
const DEFINE: &[&str] =
    &["struct", "enum", "union", "trait", "type", "static", "const", "fn", "macro_rules"];

/// What may stand before the name.
const BETWEEN: &[&str] = &["fn", "unsafe", "async", "extern", "mut"];

/// The names that a `use` brings, each with its path; `*` for all.
fn use_leaves(tree: &[TokenTree], before: &[String], leaves: &mut Vec<(String, Path)>) {
    let mut path = before.to_vec();
    let mut name = None;
    for token in tree {
        match token {
            TokenTree::Group(group) => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inside.split(|token| is_sign(token, ',')) {
                    use_leaves(branch, &path, leaves);
                }
                return;
            }
            TokenTree::Punct(sign) if sign.as_char() == '*' => name = Some("*".to_owned()),
            TokenTree::Ident(word) if word == "as" => name = Some(String::new()),
            TokenTree::Ident(word) if name.is_some() => name = Some(word.to_string()),
            // `a::{self}`.
            TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
            TokenTree::Ident(word) => path.push(word.to_string()),
            _ => {}
        }
    }
    if let Some(last) = path.last() {
        leaves.push((name.unwrap_or_else(|| last.clone()), path));
    }
}

fn ident(token: &TokenTree) -> Option<String> {
    if let TokenTree::Ident(word) = token { Some(word.to_string()) } else { None }
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn group(token: &TokenTree, delimiter: Delimiter) -> Option<TokenStream> {
    match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => Some(group.stream()),
        _ => None,
    }
}

/// Whether `pub` or `pub(...)` stands at the end.
fn is_public(before: &[TokenTree]) -> bool {
    let before = match before {
        [before @ .., last] if group(last, Delimiter::Parenthesis).is_some() => before,
        before => before,
    };
    before.last().and_then(ident).is_some_and(|word| word == "pub")
}

/// What stands behind `#`, and how long that is.
fn attribute(after: &[TokenTree]) -> (TokenStream, usize) {
    let bang = usize::from(after.first().is_some_and(|next| is_sign(next, '!')));
    let inside = after.get(bang).and_then(|token| group(token, Delimiter::Bracket));
    (inside.unwrap_or_default(), 1 + bang)
}

fn ends_an_item(token: &TokenTree) -> bool {
    is_sign(token, ';') || is_sign(token, ',') || group(token, Delimiter::Brace).is_some()
}

/// `cfg(test)`, or `cfg(all(test, ...))`.
fn is_test(attribute: TokenStream) -> bool {
    let words = |stream: TokenStream| stream.into_iter().collect::<Vec<_>>();
    let attribute = words(attribute);
    let [name, TokenTree::Group(condition)] = &attribute[..] else { return false };
    let is = |token: &TokenTree, word: &str| ident(token).is_some_and(|name| name == word);
    let has_test = |tokens: &[TokenTree]| tokens.iter().any(|token| is(token, "test"));
    is(name, "cfg")
        && match &words(condition.stream())[..] {
            [all, TokenTree::Group(each)] => is(all, "all") && has_test(&words(each.stream())),
            plain => has_test(plain),
        }
}

/// `path = "..."`.
fn path_attribute(attribute: TokenStream) -> Option<String> {
    let text = attribute.to_string();
    Some(text.strip_prefix("path = \"")?.strip_suffix('"')?.to_owned())
}
