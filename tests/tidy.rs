// SPDX-License-Identifier: Apache-2.0
//! The house rules that no compiler knows, as a table: each row says which files it covers, what it
//! finds in them, what to do about it, and shows a small tree that breaks it and one that does not.
//! A new rule is a new row.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The rows below hold what they forbid, so this file is not searched for forbidden text.
const THIS_FILE: &str = "tests/tidy.rs";

const FILE_LINES_MAX: usize = 500;
const TEST_FILE_LINES_MAX: usize = 700;

/// The rooms that stand under the same name on both sides of the wire.
const ROOMS: [&str; 4] = ["account", "message", "conversation", "group"];

/// What a file or folder is called when nobody knew where its content belongs.
const DRAWERS: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

const LEFTOVERS: [&str; 6] = ["dbg!(", "todo!(", "unimplemented!(", "TODO", "FIXME", "XXX"];

const MACHINE_PATHS: [&str; 3] = ["/work/", "/root/", "/home/"];

/// Words that speak of how a change came about, not of the project.
const FOREIGN_WORDS: [&str; 4] = ["subagent", "coding agent", "co-authored-by", "artifactory"];

/// The same, when a number follows.
const FOREIGN_BEFORE_NUMBER: [&str; 2] = ["issue", "ticket"];

/// Line comment that lets a test sleep, with the reason after it.
const SLEEP_MARKER: &str = "// tidy: sleeps because ";

struct Rule {
    name: &'static str,
    advice: &'static str,
    covers: fn(&str) -> bool,
    find: fn(&Tree, &File) -> Vec<Finding>,
    /// A tree that breaks the rule, and the places where it does.
    breaks: (&'static [(&'static str, &'static str)], &'static [&'static str]),
    /// A tree that looks similar and keeps the rule.
    keeps: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        name: "long file",
        advice: "split it along its ideas; long tests move to tests.rs beside their file",
        covers: is_code,
        find: |_, file| {
            let max = if is_test(&file.path) { TEST_FILE_LINES_MAX } else { FILE_LINES_MAX };
            let count = file.text.lines().count();
            let found = (count > max).then(|| Finding::new(max + 1, format!("{count} lines, {max} are allowed")));
            Vec::from_iter(found)
        },
        // Written out, these examples would fill a thousand lines: see `a_file_may_be_long_but_not_longer`.
        breaks: (&[], &[]),
        keeps: &[("src/a.rs", "fn short() {}\n")],
    },
    Rule {
        name: "drawer",
        advice: "name it after the one thing that it holds, in the room that owns that thing",
        covers: is_code,
        find: |_, file| {
            let mut names = file.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
            let found = names.find(|name| DRAWERS.contains(name));
            found.map(|name| Finding::new(1, format!("named `{name}`"))).into_iter().collect()
        },
        breaks: (&[("src/utils.rs", ""), ("tests/common/mod.rs", "")], &["src/utils.rs:1", "tests/common/mod.rs:1"]),
        keeps: &[("src/utility_bill.rs", ""), ("src/commons_park/mod.rs", "")],
    },
    Rule {
        name: "leftover",
        advice: "finish it, or take it out; what is to be done later does not stand in the code",
        covers: |path| is_code(path) && path != THIS_FILE,
        find: |_, file| find_any(file, &LEFTOVERS, |_, _| true),
        breaks: (
            &[("src/a.rs", "fn a() {\n    dbg!(1);\n    todo!()\n}\n// TODO: later\n")],
            &["src/a.rs:2", "src/a.rs:3", "src/a.rs:5"],
        ),
        keeps: &[("src/a.rs", "fn mastodbg() {}\n"), ("docs/a.md", "Write no TODO.\n")],
    },
    Rule {
        name: "sleeping test",
        advice: "wait for the event, move the clock, or poll with a deadline; where time itself is \
                 what is tested, end the line with `// tidy: sleeps because …`",
        covers: |path| is_code(path) && path != THIS_FILE,
        find: find_sleeps,
        breaks: (
            &[
                ("tests/a.rs", "fn a() {\n    sleep(second).await;\n    // tidy: sleeps because x\n}\n"),
                ("src/a.rs", "fn a() {\n    sleep(ok);\n}\n#[cfg(test)]\nmod tests {\n    thread::sleep(d);\n}\n"),
            ],
            &["tests/a.rs:2", "src/a.rs:6"],
        ),
        keeps: &[
            ("tests/a.rs", "sleep(d).await; // tidy: sleeps because a stalled link is the fault\n"),
            ("tests/b.rs", "// never sleep(here)\nfn oversleep() {}\n"),
            ("src/a.rs", "#[cfg(test)]\nmod tests;\nfn a() {\n    sleep(backoff).await;\n}\n"),
        ],
    },
    Rule {
        name: "undocumented export",
        advice: "say what it does, with units and limits, which codes it answers and which listener hears of it",
        covers: |path| path.contains("/src/main/kotlin/") || path.starts_with("swift-wrapper/Sources/"),
        find: find_undocumented,
        breaks: (
            &[("k/src/main/kotlin/A.kt", "/** A. */\npublic class A {\n    @Sure\n    public fun a(): Int = 1\n}\n")],
            &["k/src/main/kotlin/A.kt:4"],
        ),
        keeps: &[
            ("k/src/main/kotlin/A.kt", "/**\n * A.\n */\n@Sure\npublic class A {\n    override fun a() {}\n}\n"),
            ("swift-wrapper/Sources/A.swift", "/// A.\n@available(iOS 13, *)\npublic struct A {}\n"),
        ],
    },
    Rule {
        name: "licence line",
        advice: "begin the file with `SPDX-License-Identifier: Apache-2.0` in a comment",
        covers: |path| is_code(path) || is_script(path) || path.ends_with(".sql"),
        find: |_, file| {
            let mut top = file.text.lines().take(3);
            let stands = top.any(|line| line.trim_end_matches(" */").ends_with("SPDX-License-Identifier: Apache-2.0"));
            Vec::from_iter((!stands).then(|| Finding::new(1, "no SPDX line")))
        },
        breaks: (&[("src/a.rs", "//! A room.\n"), (".ci/run", "#!/bin/sh\n")], &["src/a.rs:1", ".ci/run:1"]),
        keeps: &[
            ("src/a.rs", "// SPDX-License-Identifier: Apache-2.0\n"),
            (".ci/run", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"),
        ],
    },
    Rule {
        name: "machine path",
        advice: "write it relative to the repository, or take it from the environment",
        covers: |path| path != THIS_FILE,
        find: |_, file| find_any(file, &MACHINE_PATHS, starts_a_path),
        breaks: (
            &[("docs/a.md", "Run it in `/home/me/hongyan`.\n"), ("src/a.rs", "x\nopen(\"/root/x\")\n")],
            &["docs/a.md:1", "src/a.rs:2"],
        ),
        keeps: &[("docs/a.md", "See <https://example.org/work/a> and ~/home/x.\n")],
    },
    Rule {
        name: "foreign word",
        advice: "say what holds and why; how a change came about is not the project's concern",
        covers: |path| path != THIS_FILE,
        find: find_foreign_words,
        breaks: (
            &[("docs/a.md", "Fixed in issue 12.\n"), ("src/a.rs", "// see Ticket #7\n")],
            &["docs/a.md:1", "src/a.rs:1"],
        ),
        keeps: &[("docs/a.md", "Open an issue first. A reissued 7.\n")],
    },
    Rule {
        name: "dead link",
        advice: "link a file or heading that exists, relative to this page",
        // A page that is generated is looked at where it then stands.
        covers: |path| path.ends_with(".md") && !path.starts_with("src/"),
        find: find_dead_links,
        breaks: (
            &[
                ("docs/a.md", "# One\n[b](b.md)\n[up](../../x)\n[root](/docs/a.md)\n[h](#two)\n"),
                ("c.md", "![i](no.png) [a](docs/a.md#gone)\n\n[r]: nowhere.md\n"),
            ],
            &["docs/a.md:2", "docs/a.md:3", "docs/a.md:4", "docs/a.md:5", "c.md:1", "c.md:1", "c.md:3"],
        ),
        keeps: &[
            ("docs/a.md", "# One: a, b\n## One: a, b\n[c](../c.md#top) [h](#one-a-b) [h](#one-a-b-1)\n"),
            ("c.md", "# `top`\n[d](docs/) [w](https://example.org/x)\n```\n[x](no.md)\n```\nand `[y](no.md)`\n"),
        ],
    },
    Rule {
        name: "security without its test",
        advice: "name a test that is there, as `path.rs::its_function`; a line without one claims nothing",
        covers: |path| path == "docs/security.md",
        find: find_missing_tests,
        breaks: (
            &[
                (
                    "docs/security.md",
                    "| a | b | `tests/a.rs::holds`, `tests/a.rs::gone` |\n| c | d | `tests/b.rs::no` |\n",
                ),
                ("tests/a.rs", "#[test]\nfn holds() {}\nfn gone_too() {}\n"),
                ("docs/security/x.md", "`tests/a.rs::gone`"),
            ],
            &["docs/security.md:1", "docs/security.md:2"],
        ),
        keeps: &[
            ("docs/security.md", "Text.\n\n| a | b | `tests/a.rs::holds` |\n|---|---|---|\n"),
            ("tests/a.rs", "#[tokio::test]\nasync fn holds() {}\n"),
        ],
    },
    Rule {
        name: "white space",
        advice: "run `make fmt`; in other files take out the blanks and end the last line",
        covers: |path| path != "LICENSE" && !is_data(path),
        find: |_, file| {
            let mut found = Vec::new();
            for (number, line) in file.numbered() {
                if line.ends_with([' ', '\t', '\r']) {
                    found.push(Finding::new(number, "blanks at the end of the line"));
                }
            }
            if !file.text.is_empty() && !file.text.ends_with('\n') {
                found.push(Finding::new(file.text.lines().count(), "the last line does not end"));
            }
            found
        },
        breaks: (&[("docs/a.md", "one \ntwo\r\nthree")], &["docs/a.md:1", "docs/a.md:2", "docs/a.md:3"]),
        keeps: &[("docs/a.md", "one\n\ntwo\n"), ("docs/empty.md", ""), ("fuzz/seeds/frames/a.json", "{ ")],
    },
    Rule {
        name: "room without its other half",
        advice: "a room stands under one name on both sides: src/NAME and server/src/NAME",
        covers: |path| path.ends_with(".rs"),
        find: |tree, file| {
            let Some((side, room)) = room_of(&file.path) else { return Vec::new() };
            let other = if side == "src" { "server/src" } else { "src" };
            let met = tree.files.iter().any(|file| room_of(&file.path) == Some((other, room)));
            Vec::from_iter((!met).then(|| Finding::new(1, format!("no `{room}` in {other}/"))))
        },
        breaks: (
            &[("src/group/mod.rs", ""), ("server/src/message.rs", "")],
            &["src/group/mod.rs:1", "server/src/message.rs:1"],
        ),
        keeps: &[("src/group.rs", ""), ("server/src/group/mod.rs", ""), ("src/sync/mod.rs", "")],
    },
];

struct File {
    /// From the root of the repository, with `/` between its parts.
    path: String,
    text: String,
}

impl File {
    fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.split('\n').enumerate().map(|(index, line)| (index + 1, line))
    }
}

struct Tree {
    files: Vec<File>,
    /// Every file and folder, those included that hold no text.
    paths: BTreeSet<String>,
}

struct Finding {
    line: usize,
    what: String,
}

impl Finding {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn is_code(path: &str) -> bool {
    ["rs", "kt", "kts", "swift", "java", "c", "h", "js"].contains(&extension(path))
}

fn is_script(path: &str) -> bool {
    path == "Makefile" || path.starts_with(".ci/") || extension(path) == "sh"
}

/// What tests read byte by byte, or a tool wrote.
fn is_data(path: &str) -> bool {
    path.contains("/seeds/") || path.contains("/snapshots/") || path.contains("/fixtures/")
}

fn is_test(path: &str) -> bool {
    let folders = ["/tests/", "/Tests/", "/test/"];
    path.starts_with("tests/") || folders.iter().any(|folder| path.contains(folder)) || path.ends_with("/tests.rs")
}

/// Where `word` begins in `line`, unless it only continues a longer word there.
fn occurrences(line: &str, word: &str) -> impl Iterator<Item = usize> {
    let continues = |at: usize| line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    line.match_indices(word).map(|(at, _)| at).filter(move |at| !continues(*at))
}

/// Every occurrence of one of `words` that `counts`, given the line and where in it the word begins.
fn find_any(file: &File, words: &[&str], counts: fn(&str, usize) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in file.numbered() {
        for word in words {
            if occurrences(line, word).any(|at| counts(line, at)) {
                found.push(Finding::new(number, format!("`{word}`")));
            }
        }
    }
    found
}

fn starts_a_path(line: &str, at: usize) -> bool {
    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~/$}*".contains(c))
}

fn find_sleeps(_: &Tree, file: &File) -> Vec<Finding> {
    let mut inside_tests = is_test(&file.path);
    let mut found = Vec::new();
    for (number, line) in file.numbered() {
        // Unit tests stand last in their file.
        inside_tests |= line == "mod tests {";
        let code = line.split("//").next().unwrap_or(line);
        let calls = ["sleep(", "sleep_until(", "delay(", "asyncAfter("];
        let sleeps = calls.iter().any(|call| occurrences(code, call).next().is_some());
        let reason = line.split_once(SLEEP_MARKER).map_or("", |(_, reason)| reason.trim());
        if inside_tests && sleeps && reason.len() < 10 {
            found.push(Finding::new(number, "a test sleeps"));
        }
    }
    found
}

fn find_undocumented(_: &Tree, file: &File) -> Vec<Finding> {
    let mut is_documented = false;
    let mut found = Vec::new();
    for (number, line) in file.numbered() {
        let text = line.trim();
        if text.starts_with('@') && !text.contains(" public ") {
            continue;
        }
        // A constructor's properties are documented with their class, a protocol's empty default with the protocol.
        let is_documented_elsewhere =
            text.starts_with("public override ") || text.ends_with(',') || text.ends_with("{}");
        let is_export = text.starts_with("public ") && !is_documented_elsewhere;
        if is_export && !is_documented {
            found.push(Finding::new(number, text));
        }
        is_documented = text.ends_with("*/") || text.starts_with("///");
    }
    found
}

fn find_foreign_words(_: &Tree, file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in file.numbered() {
        let line = line.to_ascii_lowercase();
        for word in FOREIGN_WORDS.iter().filter(|word| line.contains(**word)) {
            found.push(Finding::new(number, format!("`{word}`")));
        }
        for word in FOREIGN_BEFORE_NUMBER {
            let before_number = |at: usize| {
                line[at + word.len()..].trim_start_matches([' ', '#']).starts_with(|c: char| c.is_ascii_digit())
            };
            if occurrences(&line, word).any(before_number) {
                found.push(Finding::new(number, format!("`{word}` with a number")));
            }
        }
    }
    found
}

fn find_dead_links(tree: &Tree, file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in outside_fences(&file.text) {
        for target in link_targets(&without_code(line)) {
            if let Err(why) = resolve(tree, file, &target) {
                found.push(Finding::new(number, format!("`{target}`: {why}")));
            }
        }
    }
    found
}

/// The tests that a page names, `path.rs::function`, and that are not there.
fn find_missing_tests(tree: &Tree, file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in file.numbered() {
        for name in line.split('`').skip(1).step_by(2).filter(|name| name.contains("::")) {
            let (path, function) = name.split_once("::").unwrap_or((name, ""));
            let declares = |file: &File| file.path == path && file.text.contains(&format!("fn {function}("));
            if !tree.files.iter().any(declares) {
                found.push(Finding::new(number, format!("no test `{name}`")));
            }
        }
    }
    found
}

/// The lines of a Markdown text that are not inside a fenced block, with their numbers.
fn outside_fences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// What inline links, images and reference definitions of one line point at, the web left out.
fn link_targets(line: &str) -> Vec<String> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let definition = line.strip_prefix('[').filter(|rest| !rest.starts_with('^'));
    let definition = definition.and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.trim());
    let on_the_web = |target: &&str| target.contains("://") || target.starts_with("mailto:");
    inline.chain(definition).filter(|target| !on_the_web(target)).map(str::to_owned).collect()
}

fn resolve(tree: &Tree, from: &File, target: &str) -> Result<(), &'static str> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let mut parts: Vec<&str> = from.path.split('/').collect();
    if !path.is_empty() {
        parts.pop();
    }
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "" if path.starts_with('/') => return Err("it is not relative"),
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("it leaves the repository")?;
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    if !path.is_empty() && !tree.paths.contains(&path) {
        return Err("no such file");
    }
    match tree.files.iter().find(|file| file.path == path && path.ends_with(".md")) {
        Some(page) if !anchor.is_empty() && !anchors(&page.text).contains(anchor) => Err("no such heading"),
        _ => Ok(()),
    }
}

/// The anchors that a Markdown page's headings get: lower case, punctuation dropped, blanks as `-`,
/// a number on what was there before.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = HashMap::<String, usize>::new();
    let mut anchors = BTreeSet::new();
    for (_, line) in outside_fences(text).filter(|(_, line)| line.starts_with('#')) {
        let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let slug: String = title.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        let before = seen.entry(slug.clone()).or_default();
        anchors.insert(if *before == 0 { slug } else { format!("{slug}-{before}") });
        *before += 1;
    }
    anchors
}

/// The side and the name of the room whose entry this file is.
fn room_of(path: &str) -> Option<(&'static str, &'static str)> {
    let sides = ["src", "server/src"].into_iter();
    let mut places = sides.flat_map(|side| ROOMS.into_iter().map(move |room| (side, room)));
    places.find(|(side, room)| path == format!("{side}/{room}.rs") || path == format!("{side}/{room}/mod.rs"))
}

impl Tree {
    fn new(files: Vec<File>) -> Self {
        let mut tree = Self { files: Vec::new(), paths: BTreeSet::new() };
        for file in files {
            tree.add(file);
        }
        tree
    }

    fn add(&mut self, file: File) {
        for (at, _) in file.path.match_indices('/') {
            self.paths.insert(file.path[..at].to_owned());
        }
        self.paths.insert(file.path.clone());
        self.files.push(file);
    }

    /// The repository as it lies on the disk, without what the `.gitignore` of a folder names.
    fn load(root: &Path) -> std::io::Result<Self> {
        let mut ignored = BTreeSet::new();
        let mut tree = Self::new(Vec::new());
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let in_folder = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let rules = fs::read_to_string(root.join(&folder).join(".gitignore")).unwrap_or_default();
            let rules = rules.lines().filter_map(|line| line.strip_prefix('/'));
            ignored.extend(rules.map(|rule| in_folder(rule.trim_end_matches('/'))));
            for entry in fs::read_dir(root.join(&folder))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = in_folder(&name);
                if ignored.contains(&path) {
                    continue;
                }
                if entry.file_type()?.is_dir() {
                    // Other hidden folders are a person's editor and tools.
                    if !name.starts_with('.') || [".ci", ".cargo", ".github"].contains(&name.as_str()) {
                        folders.push(path);
                    }
                } else if let Ok(text) = fs::read_to_string(entry.path()) {
                    tree.add(File { path, text });
                } else {
                    tree.paths.insert(path);
                }
            }
        }
        Ok(tree)
    }

    fn of(files: &[(&str, &str)]) -> Self {
        Self::new(files.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() }).collect())
    }

    /// Where this tree breaks a rule, as `path:line`, and what is wrong there.
    fn check(&self, rule: &Rule) -> Vec<(String, String)> {
        let covered = self.files.iter().filter(|file| (rule.covers)(&file.path));
        let found = covered.flat_map(|file| (rule.find)(self, file).into_iter().map(move |found| (file, found)));
        found.map(|(file, found)| (format!("{}:{}", file.path, found.line), found.what)).collect()
    }
}

#[test]
fn the_repository_keeps_the_house_rules() {
    let tree = Tree::load(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the repository can be read");
    assert!(tree.paths.contains(THIS_FILE), "this is not the repository");
    let mut report = String::new();
    for rule in RULES {
        let mut found = tree.check(rule);
        found.sort();
        for (place, what) in &found {
            let _ = writeln!(report, "{place}: {}: {what}", rule.name);
        }
        if !found.is_empty() {
            let _ = writeln!(report, "    what to do: {}\n", rule.advice);
        }
    }
    assert!(report.is_empty(), "the house rules are broken here:\n\n{report}");
}

#[test]
fn each_rule_finds_what_breaks_it() {
    for rule in RULES {
        let (files, places) = rule.breaks;
        assert_eq!(places.is_empty(), rule.name == "long file", "rule `{}` shows how it is broken", rule.name);
        let found = Tree::of(files).check(rule);
        let found: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(found, places, "rule `{}`", rule.name);
    }
}

#[test]
fn each_rule_passes_what_keeps_it() {
    for rule in RULES {
        assert_eq!(Tree::of(rule.keeps).check(rule), [], "rule `{}`", rule.name);
    }
}

#[test]
fn a_file_may_be_long_but_not_longer() {
    let rule = &RULES[0];
    for (path, max) in [("src/a.rs", FILE_LINES_MAX), ("tests/a.rs", TEST_FILE_LINES_MAX)] {
        let longest = "//\n".repeat(max);
        assert_eq!(Tree::of(&[(path, &longest)]).check(rule), []);
        let found = Tree::of(&[(path, &format!("{longest}//\n"))]).check(rule);
        assert_eq!(found.len(), 1, "{path}");
        assert_eq!(found[0].0, format!("{path}:{}", max + 1));
    }
}
