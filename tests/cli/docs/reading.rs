//! What stands in a page: its blocks, its commands, its code, its links.

use std::path::{Path, PathBuf};

/// A page of the documentation.
pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// What stands between two fences.
pub(super) struct Block {
    pub(super) line: usize,
    pub(super) language: String,
    pub(super) text: String,
}

/// A command of a page, without the remark behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) remark: String,
}

impl Page {
    pub(super) fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = std::fs::read_to_string(&path).unwrap();
        Self { path, text }
    }

    /// All pages, this folder's and those below.
    pub(super) fn all() -> Vec<Self> {
        let mut pages: Vec<_> = std::fs::read_dir("docs")
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
            .map(Self::read)
            .collect();
        pages.sort_by(|one, other| one.path.cmp(&other.path));
        pages
    }

    pub(super) fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }

    /// The fenced blocks, in their order.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut indent = None;
        for (number, line) in (1..).zip(self.text.lines()) {
            let bare = line.trim_start();
            match (bare.strip_prefix("```"), indent) {
                (Some(language), None) => {
                    indent = Some(line.len() - bare.len());
                    blocks.push(Block { line: number, language: language.to_owned(), text: String::new() });
                }
                (Some(_), Some(_)) => indent = None,
                (None, Some(indent)) => {
                    let block = blocks.last_mut().unwrap();
                    block.text.push_str(line.get(indent..).unwrap_or_default());
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(indent.is_none(), "{}: a block does not end", self.name());
        blocks
    }

    /// The lines outside of blocks.
    pub(super) fn prose(&self) -> String {
        let mut within = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                within = !within;
            } else if !within {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        prose
    }

    /// What stands between backticks in the prose.
    pub(super) fn code(&self) -> Vec<String> {
        let prose = self.prose();
        let parts = prose.split('`').skip(1).step_by(2);
        parts.map(|code| code.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    /// The targets of links.
    pub(super) fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.map(|(target, _)| target.to_owned()).collect()
    }

    /// What headings are reached by, as GitHub makes it.
    pub(super) fn anchors(&self) -> Vec<String> {
        let prose = self.prose();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        let slug = |heading: &str| {
            let kept = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.collect::<String>().replace(' ', "-")
        };
        headings.map(slug).collect()
    }

    /// The file that a relative link leads to, and the heading there.
    pub(super) fn target<'a>(&self, link: &'a str) -> Option<(PathBuf, Option<&'a str>)> {
        if link.contains("://") {
            return None;
        }
        let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let path = if file.is_empty() { self.path.clone() } else { folder.join(file) };
        Some((path, anchor))
    }
}

impl Block {
    /// The commands of a block for a shell, one a line.
    pub(super) fn commands(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut begun = String::new();
        for (number, line) in (self.line + 1..).zip(self.text.lines()) {
            if let Some(more) = line.strip_suffix('\\') {
                begun.push_str(more);
                continue;
            }
            begun.push_str(line.strip_prefix("$ ").unwrap_or(line));
            let (text, remark) = without_remark(&begun);
            if !text.is_empty() {
                commands.push(Command { line: number, text: text.to_owned(), remark: remark.to_owned() });
            }
            begun.clear();
        }
        commands
    }
}

/// Places of a command where no quote holds, with the character there.
fn bare(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    text.char_indices().filter(move |(_, c)| match quote {
        None if matches!(c, '"' | '\'') => {
            quote = Some(*c);
            false
        }
        Some(open) => {
            if open == *c {
                quote = None;
            }
            false
        }
        None => true,
    })
}

fn without_remark(line: &str) -> (&str, &str) {
    let begins = |at: usize| at == 0 || line[..at].ends_with(' ');
    match bare(line).find(|(at, c)| *c == '#' && begins(*at)) {
        Some((at, _)) => (line[..at].trim(), line[at + 1..].trim()),
        None => (line.trim(), ""),
    }
}

impl Command {
    /// The words that programs are called by.
    pub(super) fn programs(&self) -> Vec<&str> {
        let mut programs = Vec::new();
        let mut from = 0;
        let ends = bare(&self.text).filter(|(_, c)| "|&;".contains(*c)).map(|(at, _)| at);
        for at in ends.chain([self.text.len()]).collect::<Vec<_>>() {
            programs.extend(self.text[from..at].split_whitespace().next());
            from = at + 1;
        }
        programs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_becomes_commands() {
        let text = "x\n1. y\n\n   ```sh\n   a | b 'c # | d'   # e\n   f \\\n     g && h\n\n   # i\n   ```\n`j.k` [l](m.md#n)\n## O p (q)\n";
        let page = Page { path: "docs/x.md".into(), text: text.to_owned() };
        let blocks = page.blocks();
        assert_eq!((blocks.len(), blocks[0].line, &*blocks[0].language), (1, 4, "sh"));
        let commands = blocks[0].commands();
        assert_eq!(commands.len(), 2);
        assert_eq!((&*commands[0].text, &*commands[0].remark), ("a | b 'c # | d'", "e"));
        assert_eq!(commands[0].programs(), ["a", "b"]);
        assert_eq!((commands[1].line, commands[1].programs()), (7, vec!["f", "h"]));
        assert_eq!(page.code(), ["j.k"]);
        assert_eq!(page.links(), ["m.md#n"]);
        assert_eq!(page.anchors(), ["o-p-q"]);
        assert_eq!(page.target("m.md#n"), Some(("docs/m.md".into(), Some("n"))));
    }
}
