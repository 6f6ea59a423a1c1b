//! Tells the ask apart from the text that a harness wraps around it, and bounds what is read of it.
//!
//! Agents and editors put reminders, environment descriptions and open files into the user's turn. They say nothing of
//! how hard the ask is, so they are cut out; where a harness marks the user's own words, only those are the ask.

use memchr::{memchr, memchr_iter, memmem};
use tierway_wire::{Outline, Part, Role, Turn};

/// Elements in which harnesses put what the user did not type (prefixes of the element's name).
const HARNESS: &[&str] = &[
    "system-reminder",
    "system_reminder",
    "system_prompt",
    "environment",
    "env",
    "ide_",
    "ide-",
    "command-",
    "local-command",
    "tool_",
    "tool-",
    "additional_data",
    "attached_files",
    "attachment",
    "open_and_recently",
    "user_info",
    "project_layout",
    "git_status",
    "workspace",
    "editor",
    "user_instructions",
    "user-instructions",
    "user_rules",
    "cursor",
    "available_",
    "conversation_",
    "session",
    "context_",
    "context>",
    "current_file",
    "file_contents",
    "repo_map",
    "memory",
    "persisted",
    "turn_aborted",
    "skill",
    "permissions",
    "app-context",
    "collaboration_mode",
    "reminder",
    "task-notification",
    "budget",
];

/// Elements that hold the user's own words.
const ASK: &[&str] = &["user_query", "user-query", "user_request", "user_message", "user_input", "task", "ask"];

/// The most pieces that an ask is read in.
const PIECES: usize = 24;
/// Bytes in which tags are looked for, so that work stays bounded.
const TAG_SEARCH: usize = 256 * 1024;

/// The ask: pieces of the request's text in order.
pub(crate) struct Ask<'a> {
    pieces: [&'a str; PIECES],
    count: usize,
    /// Bytes of the ask.
    pub(crate) bytes: usize,
    /// Bytes of harness text cut out around it.
    pub(crate) harness: usize,
    /// The last turns are tool results: an agent waits for its next step.
    pub(crate) agent_loop: bool,
}

impl<'a> Ask<'a> {
    /// Finds the ask: the last turn in which the user said something.
    pub(crate) fn of(outline: &'a Outline<'_>) -> Self {
        let mut ask = Self { pieces: [""; PIECES], count: 0, bytes: 0, harness: 0, agent_loop: false };
        for (back, turn) in outline.turns.iter().rev().enumerate().filter(|(_, turn)| turn.role == Role::User) {
            for part in &turn.parts {
                if let Part::Text(text) = part {
                    ask.take(text);
                }
            }
            ask.agent_loop |= turn.parts.iter().any(|part| matches!(part, Part::ToolResult { .. }));
            ask.agent_loop |= back > 0 && outline.turns.last().is_some_and(|last| last.role == Role::Tool);
            if ask.bytes > 0 || !only_results(turn) {
                break;
            }
        }
        ask
    }

    /// The pieces, in order.
    pub(crate) fn pieces(&self) -> &[&'a str] {
        &self.pieces[..self.count]
    }

    fn push(&mut self, piece: &'a str) {
        let piece = piece.trim();
        if piece.is_empty() {
            return;
        }
        if self.count < PIECES {
            self.pieces[self.count] = piece;
            self.count += 1;
        }
        self.bytes += piece.len();
    }

    fn take(&mut self, text: &'a str) {
        let own = after_instructions(text);
        self.harness += text.len() - own.len();
        self.take_marked(own);
    }

    fn take_marked(&mut self, text: &'a str) {
        if memchr(b'<', &text.as_bytes()[..text.len().min(TAG_SEARCH)]).is_none() {
            return self.push(text);
        }
        if let Some(own) = own_words(text) {
            self.harness += text.len() - own.len();
            return self.push(own);
        }
        let mut rest = text;
        let mut from = 0;
        while let Some(at) = memchr(b'<', &rest.as_bytes()[from..rest.len().min(TAG_SEARCH)]).map(|at| at + from) {
            let name = &rest[at + 1..];
            let is_harness = HARNESS.iter().any(|harness| name.starts_with(harness));
            // What nobody closes is the user's own (`set <env_var> to 3`), unless nothing stands before it.
            let end =
                close(name).map(|end| at + 1 + end).or_else(|| rest[..at].trim().is_empty().then_some(rest.len()));
            if let Some(end) = end.filter(|_| is_harness) {
                self.push(&rest[..at]);
                self.harness += end - at;
                rest = &rest[end..];
                from = 0;
            } else {
                from = at + 1;
            }
            if from >= rest.len().min(TAG_SEARCH) {
                break;
            }
        }
        self.push(rest);
    }
}

/// How instructions start that some programs put before the user's words, in the user's own turn.
const INSTRUCTIONS: &[&str] = &[
    "You are ",
    "SYSTEM",
    "System:",
    "<system>",
    "### Instruction",
    "[INST]",
    "Assistant guidelines",
    "Du bist ",
    "Sie sind ",
    "Tu es ",
    "Vous êtes ",
    "Eres ",
    "Você é ",
    "Sei ",
    "Ты ",
    "Вы ",
    "你是",
    "您是",
    "あなたは",
    "당신은",
    "أنت ",
    "आप ",
];
/// Instructions are at least this long; a persona of one sentence belongs to the ask.
const INSTRUCTIONS_LEAST: usize = 300;
/// The user's words after them are at most this long.
const WORDS_MOST: usize = 500;

/// The user's own words, where long instructions stand before them as paragraphs of their own.
fn after_instructions(text: &str) -> &str {
    let text = text.trim();
    if text.len() < INSTRUCTIONS_LEAST || !INSTRUCTIONS.iter().any(|start| text.starts_with(start)) {
        return text;
    }
    let text =
        text.strip_suffix("### Response").or_else(|| text.strip_suffix("### Response:")).unwrap_or(text).trim_end();
    let from = text.ceil_char_boundary(text.len().saturating_sub(WORDS_MOST));
    match text[from..].rfind("\n\n") {
        Some(at) if from + at >= INSTRUCTIONS_LEAST => text[from + at..].trim(),
        _ => text,
    }
}

fn only_results(turn: &Turn<'_>) -> bool {
    !turn.parts.is_empty() && turn.parts.iter().all(|part| matches!(part, Part::ToolResult { .. }))
}

/// The inside of the element that holds the user's own words: of the first name in [`ASK`] that opens one and closes it.
fn own_words(text: &str) -> Option<&str> {
    let searched = &text.as_bytes()[..text.len().min(TAG_SEARCH)];
    // One pass for all names: where the first element of each begins.
    let mut insides = [None; ASK.len()];
    for at in memchr_iter(b'<', searched) {
        let opens = |name: &&str| {
            let after = searched[at + 1..].strip_prefix(name.as_bytes());
            after.is_some_and(|after| after.starts_with(b">"))
        };
        if let Some(name) = ASK.iter().position(opens) {
            insides[name].get_or_insert(at + ASK[name].len() + 2);
        }
    }
    ASK.iter().zip(insides).find_map(|(name, inside)| {
        let rest = text.get(inside?..)?;
        let closes = |end: &usize| rest[end + 2..].strip_prefix(name).is_some_and(|after| after.starts_with('>'));
        let end = memmem::find_iter(rest.as_bytes(), b"</").find(closes)?;
        Some(&rest[..end])
    })
}

/// Where the element ends that starts with this name (after the `<`): the offset after its closing tag.
fn close(from_name: &str) -> Option<usize> {
    let name = from_name.split(['>', ' ', '\n', '/']).next().unwrap_or_default();
    memmem::find_iter(from_name.as_bytes(), b"</").find_map(|at| {
        let after = from_name[at + 2..].strip_prefix(name)?.strip_prefix('>')?;
        Some(from_name.len() - after.len())
    })
}

/// What is read of a long ask: its head, some windows of its middle, its tail.
const HEAD: usize = 6 * 1024;
const WINDOW: usize = 512;
const WINDOWS: usize = 4;
const TAIL: usize = 4 * 1024;

/// Calls `read(offset, text)` for each stretch that is read of an ask of any length, in order.
pub(crate) fn windows<'a>(pieces: &[&'a str], bytes: usize, mut read: impl FnMut(usize, &'a str)) {
    let middle = bytes.saturating_sub(HEAD + TAIL);
    let whole = middle <= WINDOW * WINDOWS;
    let mut start = 0;
    for piece in pieces {
        let mut stretch = |from: usize, to: usize| {
            let (from, to) = (from.max(start), to.min(start + piece.len()));
            if from < to {
                let inside = &piece[piece.ceil_char_boundary(from - start)..piece.floor_char_boundary(to - start)];
                read(from, inside);
            }
        };
        if whole {
            stretch(0, bytes);
        } else {
            stretch(0, HEAD);
            for window in 0..WINDOWS {
                let at = HEAD + middle * (2 * window + 1) / (2 * WINDOWS);
                stretch(at, at + WINDOW);
            }
            stretch(bytes - TAIL, bytes);
        }
        start += piece.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        let mut ask = Ask { pieces: [""; PIECES], count: 0, bytes: 0, harness: 0, agent_loop: false };
        ask.take(text);
        assert_eq!(ask.pieces(), want, "{text}");
    }

    #[test]
    fn harness_text_is_cut_out() {
        check("fix it", &["fix it"]);
        check("<system-reminder>be brief <b>now</b></system-reminder>\nfix it", &["fix it"]);
        check("a <environment_details>\nx\n</environment_details> b", &["a", "b"]);
        check("<ide_opened_file>x", &[]);
        check("set <env_var> to 3, please", &["set <env_var> to 3, please"]);
        check("<p>my html</p> is < yours", &["<p>my html</p> is < yours"]);
        check("<user_info>me</user_info><user_query>sort a list</user_query>", &["sort a list"]);
        check("what is a <task>?", &["what is a <task>?"]);
        let instructions = format!("You are a helper of a lamp maker. {}\n\nIt won't pair.", "Be kind. ".repeat(60));
        check(&instructions, &["It won't pair."]);
        check("You are a pirate.\n\nWhat do you eat?", &["You are a pirate.\n\nWhat do you eat?"]);
    }

    #[test]
    fn a_long_ask_is_read_in_bounded_stretches_with_both_ends() {
        let text = format!("start{}end", "é".repeat(300_000));
        let (mut read, mut last) = (0, "");
        windows(&[&text], text.len(), |_, stretch| {
            read += stretch.len();
            last = stretch;
        });
        assert!(read < 13_000, "{read}");
        assert!(last.ends_with("end"));
    }
}
