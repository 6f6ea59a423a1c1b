//! Log probabilities of an answer's tokens, in OpenAI's shape whoever gave them: `{"content":[..],"refusal":null}` with
//! entries `{"token","logprob","bytes","top_logprobs"}`.

use crate::json::Node;
use crate::neutral::Json;
use crate::write::{Arr, Obj};

/// Entries that came in pieces; put together once, as a long answer has thousands.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    content: Vec<String>,
    refusal: Vec<String>,
}

impl Gathered {
    /// Takes one piece in OpenAI's shape.
    pub(crate) fn push(&mut self, json: &str) {
        if let Ok(node) = Node::parse(json, 2) {
            for (name, into) in [("content", &mut self.content), ("refusal", &mut self.refusal)] {
                into.extend(node.get(name).map_or(&[][..], Node::items).iter().map(|entry| entry.raw.to_owned()));
            }
        }
    }

    /// All of them; None without any.
    pub(crate) fn whole(self) -> Option<Json> {
        let some = |list: Vec<String>| (!list.is_empty()).then(|| Arr::of(list));
        let (content, refusal) = (some(self.content), some(self.refusal));
        (content.is_some() || refusal.is_some()).then(|| {
            let or_null = |list: Option<String>| list.unwrap_or_else(|| "null".to_owned());
            Obj::new().raw("content", &or_null(content)).raw("refusal", &or_null(refusal)).end()
        })
    }
}

/// A list of entries that are in OpenAI's shape already (Responses, Ollama); None for an empty one.
pub(crate) fn of_entries(list: Option<&Node<'_>>) -> Option<Json> {
    let list = list.filter(|list| !list.items().is_empty())?;
    Some(Obj::new().raw("content", list.raw).null("refusal").end())
}

/// The entries for the text of an answer, as a list; empty without any.
pub(crate) fn entries(json: &str) -> String {
    let node = Node::parse(json, 1).ok();
    node.as_ref().and_then(|node| node.get("content")).map_or("[]", |list| list.raw).to_owned()
}

/// Gemini's `logprobsResult`: chosen tokens in one list, the candidates of each step in another.
pub(crate) fn of_gemini(result: Option<&Node<'_>>) -> Option<Json> {
    let result = result?;
    let chosen = result.get("chosenCandidates").map_or(&[][..], Node::items);
    let steps = result.get("topCandidates").map_or(&[][..], Node::items);
    let list = chosen.iter().enumerate().map(|(at, token)| {
        let others = steps.get(at).and_then(|step| step.get("candidates")).map_or(&[][..], Node::items);
        let mut entry = gemini_token(token);
        entry.raw("top_logprobs", &Arr::of(others.iter().map(|other| gemini_token(other).end()))).end()
    });
    (!chosen.is_empty()).then(|| Obj::new().raw("content", &Arr::of(list)).null("refusal").end())
}

fn gemini_token(token: &Node<'_>) -> Obj {
    let text = token.str("token").unwrap_or_default();
    let mut entry = Obj::new();
    entry.str("token", text).raw("logprob", token.get("logProbability").map_or("0", |odds| odds.raw));
    entry.raw("bytes", &Arr::of(text.bytes().map(|byte| byte.to_string())));
    entry
}
