//! Fits a request to its target while client and target speak the same API: as edits of top-level fields, so that all
//! other bytes stay as they came.

use crate::anthropic::{self, Beside, cache};
use crate::ids::{GO_ON, GO_ON_NOTE};
use crate::json::{Kind, Node};
use crate::neutral::ReasoningAsk;
use crate::openai_chat;
use crate::options::{Changes, NOT_REASONING, Thought};
use crate::splice::{Edit, Fields};
use crate::top::Top;
use crate::write::{Arr, Obj, quoted};
use crate::{Adaptation, DecodeError, EncodeOptions, Format, MaxTokensField, Reasoning, SystemRole};

/// The edits that make a request fit, and what they change for the client (the model's name goes without saying).
pub type Fitted = (Vec<Edit<'static>>, Vec<Adaptation>);

/// Edits for a request that goes on in its own API.
///
/// # Errors
/// When a field that has to be changed is not what the API says.
pub fn adapt(format: Format, fields: &Fields<'_>, options: &EncodeOptions) -> Result<Fitted, DecodeError> {
    let mut edits = Edits { fields, list: Vec::with_capacity(4), changes: Changes::default() };
    edits.set("model", quoted(&options.model));
    match format {
        Format::OpenaiChat => chat(&mut edits, options)?,
        Format::AnthropicMessages => messages(&mut edits, options)?,
        Format::OpenaiResponses => responses(&mut edits, options)?,
        // Ollama names its model in the body as well; these have it in the path and take no such field.
        Format::OllamaChat => {}
        Format::Gemini | Format::BedrockConverse => edits.list.clear(),
    }
    Ok((edits.list, edits.changes.0))
}

struct Edits<'f, 'a> {
    fields: &'f Fields<'a>,
    list: Vec<Edit<'static>>,
    changes: Changes,
}

impl<'a> Edits<'_, 'a> {
    fn set(&mut self, name: &'static str, json: String) {
        self.list.push(Edit::Set(name, json.into()));
    }

    /// A field's JSON text, null counting as missing.
    fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.get(name).filter(|text| *text != "null")
    }

    fn node(&self, name: &str, depth: u8) -> Result<Option<Node<'a>>, DecodeError> {
        self.get(name).map(|text| Node::parse(text, depth)).transpose()
    }

    fn drop(&mut self, name: &'static str, why: &str) {
        if self.fields.get(name).is_some() {
            self.list.push(Edit::Remove(name));
            if self.get(name).is_some() {
                self.changes.dropped(name, why);
            }
        }
    }

    /// The most that the model writes, where this limit is higher.
    fn lowered(&mut self, name: &'static str, options: &EncodeOptions) -> Option<String> {
        let asked = self.get(name)?.parse::<u64>().ok()?;
        let most = options.max_output_tokens.filter(|most| asked > u64::from(*most))?;
        self.changes.changed(name, format!("this model writes at most {most} tokens"));
        Some(most.to_string())
    }

    /// Lowers the output limit to what the model takes.
    fn limit(&mut self, name: &'static str, options: &EncodeOptions) {
        if let Some(lowered) = self.lowered(name, options) {
            self.set(name, lowered);
        }
    }

    fn sampling(&mut self, names: &[&'static str], taken: bool, reasons: bool) {
        if taken {
            return;
        }
        let why =
            if reasons { "the model takes no sampling parameters while it reasons" } else { "the model refuses it" };
        for name in names {
            self.drop(name, why);
        }
    }

    /// What to ask of the target's reasoning; None: what the client said stays, as nobody knows what the target takes.
    fn thought(&mut self, ask: &ReasoningAsk, field: &str, options: &EncodeOptions) -> Option<Thought> {
        (!options.stays_as_said()).then(|| options.thought(ask, field, &mut self.changes))
    }

    /// An object field without one of its fields; gone where that was its only one.
    fn remove_inner(&mut self, name: &'static str, inner: &'static str) -> Result<(), DecodeError> {
        let fields = Fields::parse(self.get(name).unwrap_or("{}").as_bytes())?;
        if fields.iter().all(|(key, _)| key == inner) {
            self.list.push(Edit::Remove(name));
        } else {
            self.set(name, String::from_utf8_lossy(&fields.apply(&[Edit::Remove(inner)])).into_owned());
        }
        Ok(())
    }

    /// An object field with one of its fields set.
    fn set_inner(&mut self, name: &'static str, inner: &'static str, json: String) -> Result<(), DecodeError> {
        let value = match self.get(name) {
            Some(text) => {
                let fields = Fields::parse(text.as_bytes())?;
                String::from_utf8_lossy(&fields.apply(&[Edit::Set(inner, json.into())])).into_owned()
            }
            None => Obj::new().raw(inner, &json).end(),
        };
        self.set(name, value);
        Ok(())
    }
}

fn chat(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<(), DecodeError> {
    chat_limit(edits, options);
    let thought = chat_reasoning(edits, options)?;
    let reasons = thought.is_some_and(|thought| options.reasons(&thought));
    let taken = options.takes_sampling(reasons);
    edits.sampling(&["temperature", "top_p", "top_k"], taken, reasons);
    let fine = ["presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"];
    edits.sampling(&fine, taken && options.penalties, reasons);
    if !options.stop {
        edits.drop("stop", "the model takes no stop sequences");
    }
    chat_tool_choice(edits, options)?;
    if options.include_usage && edits.get("stream") == Some("true") {
        let asked = edits.node("stream_options", 1)?;
        if asked.and_then(|node| node.get("include_usage")?.as_bool()) != Some(true) {
            edits.set_inner("stream_options", "include_usage", "true".to_owned())?;
        }
    }
    instructions(edits, options)
}

/// One of two fields holds the output limit, and models know one of them. Where both are given the newer one goes first.
fn chat_limit(edits: &mut Edits<'_, '_>, options: &EncodeOptions) {
    let (older, newer) = ("max_tokens", "max_completion_tokens");
    let (other, wanted) = match options.max_tokens_field {
        MaxTokensField::MaxTokens => (newer, older),
        MaxTokensField::MaxCompletionTokens => (older, newer),
    };
    let said = [newer, older].into_iter().find(|name| edits.get(name).is_some());
    let Some(value) = said.filter(|said| *said == other).and_then(|said| edits.get(said)) else {
        edits.limit(wanted, options);
        if edits.fields.get(other).is_some() {
            edits.list.push(Edit::Remove(other));
        }
        return;
    };
    let lowered = edits.lowered(other, options);
    edits.changes.changed(other, format!("the model takes {wanted}"));
    if lowered.is_none() && edits.fields.get(wanted).is_none() {
        edits.list.push(Edit::Rename(other, wanted));
    } else {
        edits.list.push(Edit::Remove(other));
        edits.set(wanted, lowered.unwrap_or_else(|| value.to_owned()));
    }
}

/// Reasoning is asked for in OpenAI's form or in OpenRouter's, which OpenAI refuses. One that says already what the model is
/// to be asked stays as it came, with all else that stands in it. None: nobody knows what the model takes.
fn chat_reasoning(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<Option<Thought>, DecodeError> {
    let ask = openai_chat::reasoning(&Top(edits.fields))?;
    let object = edits.get("reasoning").is_some();
    let field = if object && edits.get("reasoning_effort").is_none() { "reasoning" } else { "reasoning_effort" };
    let Some(thought) = edits.thought(&ask, field, options) else { return Ok(None) };
    let openrouter = field == "reasoning" && options.max_tokens_field == MaxTokensField::MaxTokens;
    let alone = ask.effort.is_none() && ask.budget_tokens.is_none();
    let said = match &thought {
        Thought::Effort(effort) => ask.effort.as_ref() == Some(effort) && ask.budget_tokens.is_none(),
        Thought::Off => alone && ask.enabled == Some(false) || ask.effort.as_deref() == Some("none"),
        Thought::Budget(budget) => ask.effort.is_none() && ask.budget_tokens == Some(*budget),
        Thought::On => alone && ask.enabled == Some(true),
        Thought::Default => object && options.reasoning != Reasoning::None,
    };
    if said && openrouter {
        return Ok(Some(thought));
    }
    let wanted = openai_chat::reasoning_field(&thought);
    for name in ["reasoning_effort", "reasoning"] {
        let new = wanted.as_ref().filter(|(field, _)| *field == name).map(|(_, json)| json);
        match (edits.fields.get(name), new) {
            (Some(said), Some(new)) if said == new => {}
            (_, Some(new)) => edits.set(name, new.clone()),
            (Some(_), None) => edits.list.push(Edit::Remove(name)),
            (None, None) => {}
        }
    }
    if field == "reasoning" && wanted.is_some() {
        edits.changes.changed(field, "said in the form that the model takes");
    }
    Ok(Some(thought))
}

fn chat_tool_choice(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<(), DecodeError> {
    let forced = edits.node("tool_choice", 1)?.is_some_and(|choice| match &choice.kind {
        Kind::String(word) => word == "required" || word == "any",
        _ => choice.str("type") != Some("allowed_tools"),
    });
    if forced && !options.forced_tool_choice {
        edits.changes.changed("tool_choice", "the model cannot be forced to call a tool; it decides");
        edits.set("tool_choice", quoted("auto"));
    }
    Ok(())
}

/// Rewrites the messages only when one of them speaks in a role that the model does not know.
fn instructions(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<(), DecodeError> {
    let Some(text) = edits.get("messages").filter(|_| options.system_role != SystemRole::Both) else {
        return Ok(());
    };
    let fold = options.system_role == SystemRole::None;
    let there = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    if !(there("developer") || fold && there("system")) {
        return Ok(());
    }
    let messages = Node::parse(text, 3)?;
    let mut instructions = Vec::new();
    let mut list = Vec::new();
    let mut changed = false;
    for message in messages.items() {
        match message.str("role") {
            Some("system" | "developer") if fold => {
                instructions.extend(message.get("content"));
                changed = true;
            }
            Some("developer") => {
                let renamed = Fields::parse(message.raw.as_bytes())?.apply(&[Edit::Set("role", "\"system\"".into())]);
                list.push(String::from_utf8_lossy(&renamed).into_owned());
                changed = true;
                edits.changes.changed("messages.role", "developer became system");
            }
            _ => list.push(message.raw.to_owned()),
        }
    }
    if !changed {
        return Ok(());
    }
    if fold {
        edits.changes.moved("system", "the model takes no system role; instructions stand in the first user turn");
        fold_into_first_user(&messages, &instructions, &mut list)?;
    }
    edits.set("messages", Arr::of(list));
    Ok(())
}

fn fold_into_first_user(
    messages: &Node<'_>,
    instructions: &[&Node<'_>],
    list: &mut Vec<String>,
) -> Result<(), DecodeError> {
    let parts = |node: &Node<'_>| -> Vec<String> {
        match &node.kind {
            Kind::String(text) => vec![Obj::new().str("type", "text").str("text", text).end()],
            _ => node.items().iter().map(|part| part.raw.to_owned()).collect(),
        }
    };
    let mut content: Vec<String> = instructions.iter().flat_map(|node| parts(node)).collect();
    let rest = messages.items().iter().filter(|message| !matches!(message.str("role"), Some("system" | "developer")));
    for (at, message) in rest.enumerate() {
        if message.str("role") == Some("user") {
            content.extend(message.get("content").map(parts).unwrap_or_default());
            let set = Edit::Set("content", Arr::of(content).into());
            let text = Fields::parse(message.raw.as_bytes())?.apply(&[set]);
            list[at] = String::from_utf8_lossy(&text).into_owned();
            return Ok(());
        }
    }
    list.insert(0, Obj::new().str("role", "user").raw("content", &Arr::of(content)).end());
    Ok(())
}

fn messages(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<(), DecodeError> {
    edits.limit("max_tokens", options);
    let forced = edits.node("tool_choice", 1)?;
    let mut forced = forced.is_some_and(|choice| matches!(choice.str("type"), Some("any" | "tool")));
    if forced && !options.forced_tool_choice {
        edits.changes.changed("tool_choice", "the model cannot be forced to call a tool; it decides");
        edits.set("tool_choice", r#"{"type":"auto"}"#.to_owned());
        forced = false;
    }
    let thought = thinking(edits, forced, options)?;
    let reasons = thought.is_some_and(|thought| options.reasons(&thought));
    edits.sampling(&["temperature", "top_p", "top_k"], options.takes_sampling(reasons), reasons);
    if !options.stop {
        edits.drop("stop_sequences", "the model takes no stop sequences");
    }
    if !options.prefill && !options.guessed {
        after_prefill(edits)?;
    }
    // A partial turn that was just given an end is no conversation that profits.
    let untouched = !edits.list.iter().any(|edit| matches!(edit, Edit::Set("messages", _)));
    if options.place_cache_marks && untouched {
        let marks = cache::marks(edits.fields, &options.model)?;
        if !marks.is_empty() {
            edits.changes.changed("cache_control", cache::NOTE);
            edits.list.extend(marks);
        }
    }
    Ok(())
}

/// Thinking and effort as the model takes them. None: what the client said stays, as nobody knows what the target takes.
fn thinking(edits: &mut Edits<'_, '_>, forced: bool, options: &EncodeOptions) -> Result<Option<Thought>, DecodeError> {
    if options.stays_as_said() {
        return Ok(None);
    }
    let said = edits.node("thinking", 1)?;
    let config = edits.node("output_config", 1)?;
    let effort = config.as_ref().and_then(|config| config.str("effort"));
    let kind = said.as_ref().and_then(|said| said.str("type"));
    let budget = said.as_ref().and_then(|said| said.u64("budget_tokens")).and_then(|tokens| u32::try_from(tokens).ok());
    let ask = ReasoningAsk {
        effort: effort.map(str::to_owned),
        budget_tokens: budget,
        enabled: said.as_ref().map(|_| kind != Some("disabled")),
        summary: None,
    };
    let limit = edits.get("max_tokens").and_then(|text| text.parse().ok()).unwrap_or(u32::MAX);
    let limit = limit.min(options.max_output_tokens.unwrap_or(u32::MAX));
    let beside = Beside { limit, forced, unsigned: false };
    let wanted = anthropic::thinking(&ask, true, options, beside, &mut edits.changes);
    let mut new = Obj::new();
    match &wanted.thought {
        Thought::Default if said.is_some() => edits.list.push(Edit::Remove("thinking")),
        Thought::Off if kind != Some("disabled") => {
            new.str("type", "disabled");
        }
        Thought::On | Thought::Effort(_) if kind != Some("adaptive") => {
            new.str("type", "adaptive");
        }
        Thought::Budget(tokens) if kind != Some("enabled") || budget != Some(*tokens) => {
            new.str("type", "enabled").num("budget_tokens", *tokens);
        }
        _ => {}
    }
    if !new.is_empty() {
        let display = said.as_ref().filter(|_| wanted.thought != Thought::Off).and_then(|said| said.str("display"));
        edits.set("thinking", new.opt_str("display", display).end());
    }
    match &wanted.effort {
        Some(wanted) if effort != Some(wanted) => edits.set_inner("output_config", "effort", quoted(wanted))?,
        None if effort.is_some() => edits.remove_inner("output_config", "effort")?,
        _ => {}
    }
    Ok(Some(wanted.thought))
}

/// Models without prefill want the user to speak last.
fn after_prefill(edits: &mut Edits<'_, '_>) -> Result<(), DecodeError> {
    let Some(text) = edits.get("messages") else {
        return Ok(());
    };
    let messages = Node::parse(text, 4)?;
    if messages.items().last().is_some_and(is_partial) {
        edits.changes.changed("messages", GO_ON_NOTE);
        let mut list: Vec<String> = messages.items().iter().map(|message| message.raw.to_owned()).collect();
        list.push(Obj::new().str("role", "user").str("content", GO_ON).end());
        edits.set("messages", Arr::of(list));
    }
    Ok(())
}

/// A turn of the model that ends in text. One that ends with a tool that the provider runs was paused (`pause_turn`), and
/// goes on when it comes back as it was.
fn is_partial(message: &Node<'_>) -> bool {
    let ends_in_text = message.get("content").is_some_and(|content| match content.items().last() {
        Some(block) => block.str("type") == Some("text"),
        None => content.as_str().is_some(),
    });
    message.str("role") == Some("assistant") && ends_in_text
}

fn responses(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<(), DecodeError> {
    edits.limit("max_output_tokens", options);
    let asked = edits.node("reasoning", 1)?.and_then(|node| node.str("effort").map(str::to_owned));
    let ask = ReasoningAsk { effort: asked.clone(), ..ReasoningAsk::default() };
    let thought = edits.thought(&ask, "reasoning", options);
    match &thought {
        Some(Thought::Effort(effort)) if asked.as_ref() != Some(effort) => {
            edits.set_inner("reasoning", "effort", quoted(effort))?;
        }
        Some(Thought::Off) if asked.as_deref() != Some("none") => {
            edits.set_inner("reasoning", "effort", quoted("none"))?;
        }
        Some(Thought::Default) if options.reasoning == Reasoning::None => edits.drop("reasoning", NOT_REASONING),
        _ => {}
    }
    let reasons = thought.is_some_and(|thought| options.reasons(&thought));
    edits.sampling(&["temperature", "top_p", "top_logprobs"], options.takes_sampling(reasons), reasons);
    if options.reasoning == Reasoning::None && !options.stays_as_said() {
        no_encrypted_reasoning(edits)?;
    }
    chat_tool_choice(edits, options)
}

/// Codex asks for it with each request; a model that does not reason refuses that.
fn no_encrypted_reasoning(edits: &mut Edits<'_, '_>) -> Result<(), DecodeError> {
    let Some(include) = edits.node("include", 1)? else { return Ok(()) };
    let others = include.items().iter().filter(|one| one.as_str() != Some("reasoning.encrypted_content"));
    let others: Vec<String> = others.map(|one| one.raw.to_owned()).collect();
    if others.len() < include.items().len() {
        edits.changes.dropped("include.reasoning", NOT_REASONING);
        edits.set("include", Arr::of(others));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sampling;
    use expect_test::{Expect, expect};

    fn modern() -> EncodeOptions {
        EncodeOptions {
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            sampling: Sampling::WhenNotReasoning,
            reasoning: Reasoning::OnByDefault,
            efforts: ["low", "medium", "high"].map(str::to_owned).to_vec(),
            stop: false,
            forced_tool_choice: false,
            prefill: false,
            max_output_tokens: Some(1_000),
            include_usage: true,
            ..EncodeOptions::new("new")
        }
    }

    fn old() -> EncodeOptions {
        EncodeOptions { reasoning: Reasoning::None, system_role: SystemRole::None, ..EncodeOptions::new("old") }
    }

    #[track_caller]
    fn check(format: Format, options: &EncodeOptions, body: &str, want: &Expect) {
        let fields = Fields::parse(body.as_bytes()).unwrap();
        let (edits, adaptations) = adapt(format, &fields, options).unwrap();
        let said: Vec<String> =
            adaptations.iter().map(|adaptation| format!("{} {:?}", adaptation.field, adaptation.what)).collect();
        let out = String::from_utf8(fields.apply(&edits)).unwrap();
        serde_json::from_str::<serde_json::Value>(&out).expect("still JSON");
        want.assert_eq(&format!("{out}\n{}", said.join(", ")));
    }

    #[test]
    fn a_chat_request_that_fits_keeps_its_bytes() {
        let body = r#"{ "model":"auto", "messages":[{"role":"developer","content":"x"}], "temperature": 1.0, "seed":9007199254740993 }"#;
        check(
            Format::OpenaiChat,
            &EncodeOptions::new("m"),
            body,
            &expect![[r#"
            { "model":"m", "messages":[{"role":"developer","content":"x"}], "temperature": 1.0, "seed":9007199254740993 }
        "#]],
        );
    }

    #[test]
    fn a_chat_request_is_fitted_to_a_model_that_reasons() {
        let body = r#"{"model":"auto","messages":[],"temperature":0.1,"top_p":null,"max_tokens":10,"stop":["a"],"stream":true,"stream_options":{"include_obfuscation":false},"tool_choice":"required","reasoning_effort":"max","logprobs":true}"#;
        check(
            Format::OpenaiChat,
            &modern(),
            body,
            &expect![[r#"
            {"model":"new","messages":[],"max_completion_tokens":10,"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true},"tool_choice":"auto","reasoning_effort":"high"}
            max_tokens Changed, reasoning_effort Changed, temperature Dropped, logprobs Dropped, stop Dropped, tool_choice Changed"#]],
        );
        let body = r#"{"model":"auto","messages":[],"temperature":0.1,"max_tokens":5000,"reasoning_effort":"none"}"#;
        check(
            Format::OpenaiChat,
            &modern(),
            body,
            &expect![[r#"
            {"model":"new","messages":[],"temperature":0.1,"reasoning_effort":"none","max_completion_tokens":1000}
            max_tokens Changed"#]],
        );
    }

    #[test]
    fn a_limit_survives_beside_one_that_is_null_and_is_lowered_beside_one_too() {
        for (limits, new, old) in [
            (
                r#""max_tokens":100,"max_completion_tokens":null"#,
                r#""max_completion_tokens":100"#,
                r#""max_tokens":100"#,
            ),
            (
                r#""max_tokens":null,"max_completion_tokens":5000"#,
                r#""max_completion_tokens":1000"#,
                r#""max_tokens":5000"#,
            ),
            (r#""max_tokens":10,"max_completion_tokens":20"#, r#""max_completion_tokens":20"#, r#""max_tokens":20"#),
            (r#""max_tokens":null,"n":1"#, r#""n":1"#, r#""max_tokens":null,"n":1"#),
        ] {
            for (options, want) in [(modern(), new), (EncodeOptions::new("old"), old)] {
                let body = format!("{{{limits}}}");
                let fields = Fields::parse(body.as_bytes()).unwrap();
                let (edits, _) = adapt(Format::OpenaiChat, &fields, &options).unwrap();
                let out = String::from_utf8(fields.apply(&edits)).unwrap();
                assert_eq!(out, format!(r#"{{{want},"model":"{}"}}"#, options.model), "{limits}");
            }
        }
    }

    #[test]
    fn a_chat_request_is_fitted_to_an_old_model() {
        let body = r#"{"model":"auto","max_completion_tokens":10,"reasoning_effort":"low","messages":[{"role":"system","content":"Be brief."},{"role":"assistant","content":"a"},{"role":"user","content":"hi","name":"ann"},{"role":"developer","content":[{"type":"text","text":"Be kind."}]}]}"#;
        check(
            Format::OpenaiChat,
            &old(),
            body,
            &expect![[r#"
            {"model":"old","max_tokens":10,"messages":[{"role":"assistant","content":"a"},{"role":"user","content":[{"type":"text","text":"Be brief."},{"type":"text","text":"Be kind."},{"type":"text","text":"hi"}],"name":"ann"}]}
            max_completion_tokens Changed, reasoning_effort Dropped, system Moved"#]],
        );
        let system = EncodeOptions { system_role: SystemRole::System, ..EncodeOptions::new("m") };
        check(
            Format::OpenaiChat,
            &system,
            body,
            &expect![[r#"
            {"model":"m","max_tokens":10,"reasoning_effort":"low","messages":[{"role":"system","content":"Be brief."},{"role":"assistant","content":"a"},{"role":"user","content":"hi","name":"ann"},{"role":"system","content":[{"type":"text","text":"Be kind."}]}]}
            max_completion_tokens Changed, messages.role Changed"#]],
        );
    }

    #[test]
    fn a_messages_request_is_fitted() {
        let body = r#"{"model":"auto","max_tokens":4000,"temperature":1,"top_k":5,"thinking":{"type":"enabled","budget_tokens":2000},"stop_sequences":["x"],"tool_choice":{"type":"any"},"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
        check(
            Format::AnthropicMessages,
            &modern(),
            body,
            &expect![[r#"
                {"model":"new","max_tokens":1000,"thinking":{"type":"adaptive"},"tool_choice":{"type":"auto"},"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"Continue exactly where you stopped."}],"output_config":{"effort":"low"}}
                max_tokens Changed, tool_choice Changed, thinking Changed, temperature Dropped, top_k Dropped, stop_sequences Dropped, messages Changed"#]],
        );
        check(
            Format::AnthropicMessages,
            &old(),
            body,
            &expect![[r#"
            {"model":"old","max_tokens":4000,"temperature":1,"top_k":5,"stop_sequences":["x"],"tool_choice":{"type":"any"},"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}
            thinking Dropped"#]],
        );
        let budget = EncodeOptions { reasoning_budget: true, ..EncodeOptions::new("m") };
        let body = r#"{"model":"auto","max_tokens":40,"thinking":{"type":"adaptive"},"messages":[]}"#;
        check(
            Format::AnthropicMessages,
            &budget,
            body,
            &expect![[r#"
                {"model":"m","max_tokens":40,"thinking":{"type":"disabled"},"messages":[]}
                thinking Dropped"#]],
        );
    }

    #[test]
    fn an_effort_steers_output_and_asks_for_no_thinking() {
        let body = |more: &str| format!(r#"{{"model":"auto","max_tokens":4000,{more},"messages":[]}}"#);
        let effort = body(r#""output_config":{"effort":"max"},"temperature":1"#);
        let haiku = EncodeOptions {
            sampling: Sampling::WhenNotReasoning,
            reasoning_budget: true,
            ..EncodeOptions::new("claude-haiku-4-5")
        };
        check(
            Format::AnthropicMessages,
            &haiku,
            &effort,
            &expect![[r#"
                {"model":"claude-haiku-4-5","max_tokens":4000,"temperature":1,"messages":[]}
                output_config.effort Dropped"#]],
        );
        check(
            Format::AnthropicMessages,
            &haiku,
            &body(r#""thinking":{"type":"adaptive","display":"omitted"},"output_config":{"format":{},"effort":"low"}"#),
            &expect![[r#"
                {"model":"claude-haiku-4-5","max_tokens":4000,"thinking":{"type":"enabled","budget_tokens":2048,"display":"omitted"},"output_config":{"format":{}},"messages":[]}
                output_config.effort Dropped, thinking Changed"#]],
        );
        check(
            Format::AnthropicMessages,
            &old(),
            &effort,
            &expect![[r#"
                {"model":"old","max_tokens":4000,"temperature":1,"messages":[]}
                output_config.effort Dropped"#]],
        );
        let efforts = ["low", "medium", "high"].map(str::to_owned).to_vec();
        let opus = EncodeOptions { efforts, model: "claude-opus-4-5".to_owned(), ..haiku.clone() };
        check(
            Format::AnthropicMessages,
            &opus,
            &effort,
            &expect![[r#"
                {"model":"claude-opus-4-5","max_tokens":4000,"output_config":{"effort":"high"},"temperature":1,"messages":[]}
                output_config.effort Changed"#]],
        );
        let told = EncodeOptions { effort: Some("high".to_owned()), ..haiku };
        check(
            Format::AnthropicMessages,
            &told,
            &body(r#""output_config":{"effort":"low"},"tool_choice":{"type":"any"}"#),
            &expect![[r#"
                {"model":"claude-haiku-4-5","max_tokens":4000,"tool_choice":{"type":"any"},"messages":[],"thinking":{"type":"disabled"}}
                thinking Changed, output_config.effort Dropped, thinking Dropped"#]],
        );
        let always = EncodeOptions { reasoning: Reasoning::Always, prefill: true, ..modern() };
        check(
            Format::AnthropicMessages,
            &always,
            &body(r#""thinking":{"type":"disabled"}"#),
            &expect![[r#"
                {"model":"new","max_tokens":1000,"thinking":{"type":"adaptive"},"messages":[],"output_config":{"effort":"low"}}
                max_tokens Changed, thinking Changed"#]],
        );
    }

    #[test]
    fn a_responses_request_is_fitted() {
        let body = r#"{"model":"auto","input":"x","max_output_tokens":4000,"temperature":1,"reasoning":{"effort":"minimal","summary":"auto"},"tool_choice":{"type":"function","name":"f"}}"#;
        check(
            Format::OpenaiResponses,
            &modern(),
            body,
            &expect![[r#"
            {"model":"new","input":"x","max_output_tokens":1000,"reasoning":{"effort":"low","summary":"auto"},"tool_choice":"auto"}
            max_output_tokens Changed, reasoning Changed, temperature Dropped, tool_choice Changed"#]],
        );
        check(
            Format::OpenaiResponses,
            &old(),
            body,
            &expect![[r#"
            {"model":"old","input":"x","max_output_tokens":4000,"temperature":1,"tool_choice":{"type":"function","name":"f"}}
            reasoning Dropped"#]],
        );
        let include =
            r#"{"model":"auto","input":"x","include":["reasoning.encrypted_content","message.output_text.logprobs"]}"#;
        check(
            Format::OpenaiResponses,
            &old(),
            include,
            &expect![[r#"
                {"model":"old","input":"x","include":["message.output_text.logprobs"]}
                include.reasoning Dropped"#]],
        );
        let summary = r#"{"model":"auto","input":"x","reasoning":{"summary":"auto"}}"#;
        check(
            Format::OpenaiResponses,
            &old(),
            summary,
            &expect![[r#"
                {"model":"old","input":"x"}
                reasoning Dropped"#]],
        );
        check(
            Format::OpenaiResponses,
            &modern(),
            summary,
            &expect![[r#"
                {"model":"new","input":"x","reasoning":{"summary":"auto"}}
            "#]],
        );
    }
}
