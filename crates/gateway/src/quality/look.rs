//! One sample, from the answer that was served to a verdict: second answer, checks, judge in both orders.
//!
//! Our own calls go through the same router as everybody's, and are recorded as what they are (`shadow`, `judge`). A sample
//! that cannot be brought to a verdict is given up with its reason; what it cost is counted all the same.

use super::answers::{self, Said};
use super::budget::Purse;
use super::checks;
use super::task::{Taken, Task};
use super::{OWN_KEY, rubric};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use tierway::{Call, Purpose, Reply, Router};
use tierway_decide::quality::{Comparison, Preference};
use tierway_decide::{Caller, RequestId, Usd};
use tierway_ledger::quality::Verdict;
use tierway_wire::splice::{Edit, Fields};
use tierway_wire::{Form, Format};

/// A sample that is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenUp {
    pub(crate) why: String,
    pub(crate) cost: Usd,
}

/// How a look ended.
pub(crate) type Found = Result<Verdict, GivenUp>;

/// Looks. `judge`: a tier, or `provider/model`.
pub(super) async fn look(router: Router, judge: String, purse: Arc<Purse>, task: Task) -> (Taken, Found) {
    let mut looking = Looking { router, purse, task, cost: Usd::ZERO };
    let found = match looking.run(&judge).await {
        Ok(verdict) => Ok(Verdict { cost: looking.cost, ..verdict }),
        Err(why) => Err(GivenUp { why, cost: looking.cost }),
    };
    (looking.task.taken, found)
}

struct Looking {
    router: Router,
    purse: Arc<Purse>,
    task: Task,
    /// Paid so far.
    cost: Usd,
}

/// The second answer.
struct Shadow {
    id: Option<RequestId>,
    model: String,
    tokens: u64,
    said: Said,
}

impl Looking {
    async fn run(&mut self, judge: &str) -> Result<Verdict, String> {
        let (format, body) = (self.task.format, self.task.request.clone());
        let (outline, fields) =
            tierway_wire::outline(format, &body).map_err(|_| "the request cannot be read again".to_owned())?;
        let wanted =
            tierway_wire::decode_request(format, &fields).map(|request| Form::of(&request)).unwrap_or_default();
        let request = answers::conversation(&outline);
        let shadow = self.shadow(&fields).await?;
        let (cheap, baseline) = if self.task.taken.kind.served_cheap() {
            (&self.task.served, &shadow.said)
        } else {
            (&shadow.said, &self.task.served)
        };
        let mut verdict = Verdict {
            done_ms: 0,
            comparison: Comparison::certain(Preference::Tie),
            judge: String::new(),
            why: String::new(),
            shadow: shadow.id,
            shadow_model: shadow.model.clone(),
            shadow_tokens: shadow.tokens,
            served_answer: self.task.served.shown(),
            shadow_answer: shadow.said.shown(),
            cost: Usd::ZERO,
        };
        if cheap.is_empty() && baseline.is_empty() {
            return Err("neither answer says anything".into());
        }
        if let Some((preference, why)) = checks::check(&wanted, cheap, baseline) {
            return Ok(Verdict { comparison: Comparison::certain(preference), why: why.into(), ..verdict });
        }
        let (cheap, baseline) = (cheap.shown(), baseline.shown());
        let first = Comparison::cheap_first(self.task.taken.id.as_i64().cast_unsigned());
        let (one, by, why) = self.compare(judge, &request, [&cheap, &baseline], first).await?;
        let (other, _, _) = self.compare(judge, &request, [&cheap, &baseline], !first).await?;
        verdict.comparison = Comparison { one, other };
        Ok(Verdict { judge: by, why, ..verdict })
    }

    /// The other tier's answer to the same request, whole.
    async fn shadow(&mut self, request: &Fields<'_>) -> Result<Shadow, String> {
        let ladder = self.router.setup().table.ladder();
        let baseline = ladder.tier(ladder.baseline()).name.as_str();
        let tier = if self.task.taken.kind.served_cheap() { baseline } else { &self.task.taken.cell.tier };
        let name = Value::from(tier).to_string();
        let mut edits = vec![Edit::Set("model", name.into()), Edit::Remove("stream"), Edit::Remove("stream_options")];
        if self.task.format == Format::OpenaiResponses {
            // Nobody will ever go on from it.
            edits.push(Edit::Set("store", "false".into()));
        }
        let tier = tier.to_owned();
        let answer = self.ask(Purpose::Shadow, self.task.format, request.apply(&edits).into()).await?;
        if answer.tier != tier {
            return Err(format!("`{tier}` could not take it"));
        }
        let said = Said::read(self.task.format, false, &answer.body).ok_or("the second answer cannot be read")?;
        let tokens = answer.output_tokens(self.task.format);
        Ok(Shadow { id: answer.id, model: answer.model, tokens, said })
    }

    /// The judge's word with the cheap answer first or second, who it was, and why.
    async fn compare(
        &mut self,
        judge: &str,
        request: &str,
        [cheap, baseline]: [&str; 2],
        cheap_first: bool,
    ) -> Result<(Preference, String, String), String> {
        let answers = if cheap_first { [cheap, baseline] } else { [baseline, cheap] };
        let body = rubric::question(judge, self.task.taken.cell.task_type, request, answers);
        let answer = self.ask(Purpose::Judge, Format::OpenaiChat, body.into()).await?;
        let said = Said::read(Format::OpenaiChat, false, &answer.body).unwrap_or_default();
        let word = rubric::read(&said.text).ok_or("the judge did not answer with the JSON that was asked for")?;
        Ok((Preference::from_place(word.first, cheap_first), answer.model, word.why))
    }

    /// Asks through the router, on our own account.
    async fn ask(&mut self, purpose: Purpose, format: Format, body: Bytes) -> Result<Answer, String> {
        let caller = Arc::new(Caller { key: OWN_KEY.into(), ..Caller::default() });
        let reply = self.router.chat(Call { caller, purpose, ..Call::new(format, body) }).await;
        let answer = Answer::of(reply).await;
        let paid = answer.paid.unwrap_or_default();
        self.purse.pay(paid);
        self.cost += paid;
        if answer.status == 200 {
            return Ok(answer);
        }
        let who = if purpose == Purpose::Shadow { "the second answer" } else { "the judge" };
        Err(format!("{who} failed with HTTP {}", answer.status))
    }
}

/// A reply to one of our own calls.
struct Answer {
    status: u16,
    id: Option<RequestId>,
    tier: String,
    model: String,
    paid: Option<Usd>,
    body: Bytes,
}

impl Answer {
    async fn of(reply: Reply) -> Self {
        let header =
            |name: &str| reply.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let status = reply.status.as_u16();
        let (id, tier, model) = (header("x-tierway-request-id"), header("x-tierway-tier"), header("x-tierway-model"));
        let paid = header("x-tierway-cost-usd").parse().ok().map(Usd::from_f64);
        // A reply's body never fails.
        let body = reply.body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Self { status, id: id.parse().ok(), tier, model, paid, body }
    }

    fn output_tokens(&self, format: Format) -> u64 {
        let fields = Fields::parse(&self.body).ok();
        let usage = fields.as_ref().and_then(|fields| tierway_wire::usage(format, fields.get("usage")?));
        usage.unwrap_or_default().output_tokens
    }
}
