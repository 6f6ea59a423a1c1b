//! The sections themselves.

use super::{Field, Kind, Spec};

const fn field(name: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> Field {
    Field { name, kind, default, doc }
}

const fn int(min: u64, max: u64) -> Kind {
    Kind::Int { min, max }
}

const HOUR_MS: u64 = 3_600_000;

/// What keys, teams and users have in common.
const FLOOR: Field = field("floor", Kind::Text, None, "This tier or a dearer one.");
const CEILING: Field = field("ceiling", Kind::Text, None, "This tier or a cheaper one.");
const BUDGET: Field = field(
    "budget",
    Kind::Text,
    None,
    "Dollars in a period, `50/month`: `day`, `week`, `month` or `total`. What it costs at worst is reserved before a call; without enough left the request is refused (429).",
);
const STEP_DOWN_TO: Field = field(
    "step_down_to",
    Kind::Text,
    None,
    "The dearest tier once `budgets.step_down_at` of the budget is spent. Default: all tiers until it is spent.",
);
const RPM: Field =
    field("rpm", int(1, 1_000_000_000), None, "Requests a minute; further ones get 429 with Retry-After.");
const TPM: Field = field("tpm", int(1, 1_000_000_000), None, "Tokens a minute, in and out.");
const MAX_CONCURRENT: Field = field(
    "max_concurrent",
    int(1, 1_000_000),
    None,
    "Requests in work at once; further ones get 429 with Retry-After. Default: `server.max_concurrent`.",
);

/// The file as a whole.
pub static ROOT: Spec = Spec {
    title: "tierway.toml",
    doc: "The whole file.",
    fields: &[
        field("server", Kind::Table(&SERVER), None, "Where and how tierway listens."),
        field("providers", Kind::Named(&PROVIDER), None, "Who is called."),
        field("tiers", Kind::Tables(&TIER), None, "The ladder."),
        field("routing", Kind::Table(&ROUTING), None, "How a tier is chosen."),
        field("rules", Kind::Tables(&RULE), None, "Hard routes."),
        field("users", Kind::Named(&USER), None, "Pins of end users."),
        field("teams", Kind::Named(&TEAM), None, "What holds for all keys of a team."),
        field("keys", Kind::Tables(&KEY), None, "Keys of clients."),
        field("budgets", Kind::Table(&BUDGETS), None, "How budgets are kept."),
        field("shared", Kind::Table(&SHARED), None, "What several replicas share."),
        field("dispatch", Kind::Table(&DISPATCH), None, "Retries, fallback, broken streams."),
        field("ledger", Kind::Table(&LEDGER), None, "Records of requests."),
        field("report", Kind::Table(&REPORT), None, "Reports."),
        field("quality", Kind::Table(&QUALITY), None, "Looking at how good the answers were."),
        field("telemetry", Kind::Table(&TELEMETRY), None, "Traces and metrics to a collector."),
        field("prices", Kind::Table(&PRICES), None, "Prices beyond the built-in catalogue."),
        field("tests", Kind::Tables(&TEST), None, "Requests and where they have to go."),
    ],
};

/// `[server]`
pub static SERVER: Spec = Spec {
    title: "[server]",
    doc: "Where and how tierway listens.",
    fields: &[
        field(
            "listen",
            Kind::Text,
            Some("\"127.0.0.1:8484\""),
            "Address and port. The environment variable `TIERWAY_LISTEN` wins over it. Beyond this machine it wants `[[keys]]`.",
        ),
        field(
            "admin_listen",
            Kind::Text,
            None,
            "A second address for reports, records, metrics and dashboard. Given, the first one serves none of them. Best on this machine, such as `\"127.0.0.1:8485\"`.",
        ),
        field("tls", Kind::Table(&TLS), None, "Speak HTTPS."),
        field(
            "max_body_mb",
            int(1, 1024),
            Some("16"),
            "Largest request body, megabytes; larger ones are refused before they are read.",
        ),
        field(
            "max_concurrent",
            int(1, 1_000_000),
            Some("2048"),
            "Requests in work at once; further ones get 503 with Retry-After.",
        ),
        field(
            "header_timeout_ms",
            int(100, HOUR_MS),
            Some("10000"),
            "Longest wait for the head of a request, milliseconds.",
        ),
        field(
            "body_timeout_ms",
            int(100, HOUR_MS),
            Some("30000"),
            "Longest wait for the body of a request, milliseconds.",
        ),
        field(
            "write_timeout_ms",
            int(100, HOUR_MS),
            Some("60000"),
            "Longest time that a client may take none of its answer, milliseconds.",
        ),
        field(
            "grace_seconds",
            int(0, 3600),
            Some("30"),
            "Time that running requests get to finish on shutdown, seconds.",
        ),
    ],
};

/// `[server.tls]`
pub static TLS: Spec = Spec {
    title: "[server.tls]",
    doc: "HTTPS at `listen`, and at an `admin_listen` beyond this machine: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1. Both files are read again on SIGHUP and when one of them or the config changes; files that do not do leave the old certificate in force.",
    fields: &[
        field(
            "cert_file",
            Kind::Text,
            None,
            "PEM file with the certificate and those between it and a known authority, relative to the config. Required.",
        ),
        field("key_file", Kind::Text, None, "PEM file with its private key (PKCS#8, PKCS#1 or SEC1). Required."),
    ],
};

/// `[providers.NAME]`
pub static PROVIDER: Spec = Spec {
    title: "[providers.NAME]",
    doc: "One upstream account. The key is named, never written here: give one of `key_env`, `key_file`, `key_command`.",
    fields: &[
        field(
            "kind",
            Kind::Choice(&crate::provider::KIND_NAMES),
            None,
            "Whose API it is: sets address, way of authentication and catalogue. Required.",
        ),
        field(
            "base_url",
            Kind::Text,
            None,
            "Everything before the API's own path. Default: the provider's public address; required for `azure` (`https://RESOURCE.openai.azure.com/openai`) and `openai_compatible`.",
        ),
        field(
            "format",
            Kind::Choice(&[
                "openai_chat",
                "openai_responses",
                "anthropic_messages",
                "gemini",
                "ollama_chat",
                "bedrock_converse",
            ]),
            None,
            "The API that is spoken to it. Default: that of the kind.",
        ),
        field(
            "key_env",
            Kind::Text,
            None,
            "Environment variable that holds the key. Default: the provider's usual one (`OPENAI_API_KEY`, ..) where no other source is given; for `vertex` and `bedrock` what Google's and Amazon's own programs take.",
        ),
        field(
            "key_file",
            Kind::Text,
            None,
            "File that holds the key, relative to the config. Vertex: also a service account's JSON.",
        ),
        field(
            "key_command",
            Kind::Texts,
            None,
            "Program and arguments that print the key, run without a shell; `check` looks whether the program is there, and does not run it. Bedrock: also `aws configure export-credentials`, run again when they expire.",
        ),
        field(
            "api_version",
            Kind::Text,
            None,
            "Azure: `api-version` of its addresses; required there unless the address ends in `/v1`.",
        ),
        field("project", Kind::Text, None, "Vertex: Google's id of the project. Required there."),
        field(
            "location",
            Kind::Text,
            None,
            "Vertex: `global`, `us`, `eu` or a region such as `europe-west1`. Required there.",
        ),
        field("region", Kind::Text, None, "Bedrock: the region, such as `eu-central-1`. Required there."),
        field("headers", Kind::TextMap, None, "Further headers for every call; no credentials."),
        field(
            "allow_http",
            Kind::Flag,
            Some("false"),
            "Allow plain http to another machine. Prompts and key then travel unprotected.",
        ),
        field("connect_ms", int(1, HOUR_MS), Some("5000"), "Longest wait for a connection, milliseconds."),
        field(
            "first_byte_ms",
            int(1, HOUR_MS),
            Some("120000"),
            "Longest wait for the first byte of an answer, milliseconds.",
        ),
        field("between_chunks_ms", int(1, HOUR_MS), Some("60000"), "Longest silence inside a stream, milliseconds."),
        field("total_ms", int(1, 24 * HOUR_MS), Some("600000"), "Longest time for one call, milliseconds."),
        field(
            "max_idle_connections",
            int(1, 100_000),
            Some("512"),
            "Idle HTTP/1.1 connections that are kept, for each worker. How many are open is bounded by `max_concurrent`.",
        ),
        field(
            "rpm",
            int(1, 1_000_000_000),
            None,
            "Requests a minute that this account allows. Beyond this and the next two, another target is asked, or the request waits (`dispatch.queue`). Replicas that share (`[shared]`) keep to their part.",
        ),
        field(
            "tpm",
            int(1, 1_000_000_000),
            None,
            "Tokens a minute that this account allows: input as estimated, and the output that requests ask for.",
        ),
        field("max_concurrent", int(1, 1_000_000), None, "Requests at once that this account allows."),
        field(
            "http2",
            Kind::Flag,
            Some("false"),
            "Speak HTTP/2 over plain http without asking (with https it is negotiated anyway).",
        ),
    ],
};

/// `[[tiers]]`
pub static TIER: Spec = Spec {
    title: "[[tiers]]",
    doc: "One rung of the ladder; the order in the file is from cheap to capable. A tier with one target may name `provider` and `model` itself; what is said at the tier holds for all of its targets unless they say otherwise.",
    fields: &[
        field("name", Kind::Text, None, "What callers pin and reports show. Required."),
        field(
            "targets",
            Kind::TablesOrTexts(&TARGET),
            None,
            "Who can serve it. Short form: `\"provider/model\"` or `\"provider/model@effort\"`.",
        ),
        field(
            "strengths",
            Kind::Text,
            Some("\"\""),
            "What it is good at; shown in `explain`, told to the model that is asked.",
        ),
        field("weaknesses", Kind::Text, Some("\"\""), "What it is bad at."),
        field("provider", Kind::Text, None, "Provider of the only target."),
        field("model", Kind::Text, None, "Model of the only target."),
        field("effort", Kind::Text, None, "As in targets."),
        field("price", Kind::Table(&PRICE), None, "As in targets."),
        field("context_window", int(1, 1_000_000_000), None, "As in targets."),
        field("max_output", int(1, 1_000_000_000), None, "As in targets."),
        field("capabilities", Kind::Table(&CAPABILITIES), None, "As in targets."),
        field("parameters", Kind::Table(&PARAMETERS), None, "As in targets."),
    ],
};

/// One of `targets`
pub static TARGET: Spec = Spec {
    title: "targets = [{ .. }]",
    doc: "One model of one provider, asked in one way. What is not said comes from the built-in catalogue.",
    fields: &[
        field("provider", Kind::Text, None, "A name under `[providers]`. Required."),
        field("model", Kind::Text, None, "The model as the provider knows it. Required."),
        field(
            "weight",
            int(0, 1_000_000),
            Some("1"),
            "Share of the tier's traffic relative to its siblings; 0: only as a fallback.",
        ),
        field("effort", Kind::Text, None, "Reasoning effort to ask for (`none`, `low`, ..). Default: the model's own."),
        field(
            "price",
            Kind::Table(&PRICE),
            None,
            "Default: the catalogue's. A model without a price has unknown cost, never zero.",
        ),
        field(
            "context_window",
            int(1, 1_000_000_000),
            None,
            "Tokens of input and output together. Default: the catalogue's.",
        ),
        field(
            "max_output",
            int(1, 1_000_000_000),
            None,
            "Tokens of output, reasoning included. Default: the catalogue's.",
        ),
        field(
            "capabilities",
            Kind::Table(&CAPABILITIES),
            None,
            "Default: the catalogue's; what is unknown is taken for possible.",
        ),
        field("parameters", Kind::Table(&PARAMETERS), None, "Default: the catalogue's."),
        field(
            "shutdown",
            Kind::Text,
            None,
            "Last day on which the provider serves it, `YYYY-MM-DD`. Default: the catalogue's.",
        ),
    ],
};

/// `price`
pub static PRICE: Spec = Spec {
    title: "price = { .. }",
    doc: "US dollars per million tokens, exact decimals with up to six places.",
    fields: &[
        field("input", Kind::Dollars, None, "Plain input. Required."),
        field("output", Kind::Dollars, None, "Output, reasoning included. Required."),
        field(
            "cached_input",
            Kind::Dollars,
            None,
            "Input read from the provider's prompt cache. Default: as plain input.",
        ),
        field(
            "cache_write",
            Kind::Dollars,
            None,
            "Input written to a cache kept for minutes. Default: as plain input.",
        ),
        field(
            "cache_write_1h",
            Kind::Dollars,
            None,
            "Input written to a cache kept for an hour. Default: as `cache_write`.",
        ),
        field("audio_input", Kind::Dollars, None, "Audio in. Default: as plain input."),
        field("audio_output", Kind::Dollars, None, "Audio out. Default: as output."),
        field("over", Kind::Tables(&LONG_PRICE), None, "Prices of requests with long input."),
    ],
};

/// `over`
pub static LONG_PRICE: Spec = Spec {
    title: "over = [{ .. }]",
    doc: "Prices that hold for all tokens of a request whose whole input is longer than `input_tokens`.",
    fields: &[
        field("input_tokens", int(1, 1_000_000_000), None, "Holds when the input has more tokens than this. Required."),
        field("input", Kind::Dollars, None, "Required."),
        field("output", Kind::Dollars, None, "Required."),
        field("cached_input", Kind::Dollars, None, "Default: as plain input."),
        field("cache_write", Kind::Dollars, None, "Default: as plain input."),
        field("cache_write_1h", Kind::Dollars, None, "Default: as `cache_write`."),
    ],
};

/// `capabilities`
pub static CAPABILITIES: Spec = Spec {
    title: "capabilities = { .. }",
    doc: "What a model can do; a request that needs more goes to a higher tier. Default: as the catalogue says. What nobody says counts as possible; but sound and documents go to such a model only where its API can carry them and no other model of the ladder is known to take them, and `x-tierway-adapted` says that it was a guess.",
    fields: &[
        field("vision", Kind::Flag, None, "Sees pictures."),
        field("tools", Kind::Flag, None, "Calls tools."),
        field("json_schema", Kind::Flag, None, "Follows a JSON schema."),
        field("streaming", Kind::Flag, None, "Streams."),
        field("audio", Kind::Flag, None, "Hears or speaks."),
        field("files", Kind::Flag, None, "Reads documents (PDF)."),
    ],
};

/// `parameters`
pub static PARAMETERS: Spec = Spec {
    title: "parameters = { .. }",
    doc: "Which request parameters a model takes; what it does not take is adapted or left out, and reported.",
    fields: &[
        field(
            "sampling",
            Kind::Choice(&["always", "when_not_reasoning", "never"]),
            None,
            "When temperature, top_p and their like are taken.",
        ),
        field(
            "reasoning",
            Kind::Choice(&["none", "off_by_default", "on_by_default", "always"]),
            None,
            "Whether it reasons before it answers.",
        ),
        field("efforts", Kind::Texts, None, "Reasoning efforts it knows, weakest first."),
        field("system_role", Kind::Flag, None, "Takes system messages."),
        field(
            "max_tokens_field",
            Kind::Choice(&["max_tokens", "max_completion_tokens"]),
            None,
            "Where its output limit goes.",
        ),
        field("stop", Kind::Flag, None, "Takes stop sequences."),
        field("forced_tool_choice", Kind::Flag, None, "Can be forced to call a tool."),
        field("prefill", Kind::Flag, None, "Continues a partial assistant message."),
    ],
};

/// `[routing]`
pub static ROUTING: Spec = Spec {
    title: "[routing]",
    doc: "How a tier is chosen when neither a rule nor a pin does it.",
    fields: &[
        field(
            "baseline",
            Kind::Text,
            Some("\"standard\""),
            "The tier that everything would go to without a router: doubt goes there, savings are measured against it. The only tier, where there is one.",
        ),
        field(
            "policy",
            Kind::Choice(&["target", "tiers"]),
            Some("\"target\""),
            "`target`: the cheapest expected cost among tiers that are expected to do. `tiers`: by the table `complexity`.",
        ),
        field(
            "quality_target",
            Kind::Share,
            Some("0.98"),
            "Share of the best tier's quality to keep: 0.98 gives up at most two answers in a hundred. With evidence, what that was proven for holds instead.",
        ),
        field(
            "complexity",
            Kind::Table(&COMPLEXITY),
            None,
            "Tier for each complexity under `policy = \"tiers\"` and for a model's opinion.",
        ),
        field(
            "classifier",
            Kind::Choice(&["local", "model", "hybrid"]),
            Some("\"local\""),
            "Who tells how hard a request is: the built-in predictor, a model, or a model only where the predictor abstains and asking pays.",
        ),
        field("classifier_tier", Kind::Text, None, "The tier that is asked. Default: the cheapest."),
        field(
            "classifier_timeout_ms",
            int(10, 60_000),
            Some("1500"),
            "Longest wait for the model's opinion before the predictor decides, milliseconds.",
        ),
        field("classifier_max_output_tokens", int(10, 1000), Some("100"), "Longest opinion, tokens."),
        field(
            "classifier_max_cost_usd",
            Kind::Dollars,
            None,
            "Most that one opinion may cost; a dearer question is not asked. Default: no bound.",
        ),
        field(
            "escalate_on_broken",
            Kind::Flag,
            Some("false"),
            "Ask one tier up when an answer is verifiably broken (invalid JSON, bad tool arguments, empty, refused, cut). Both are paid for; answers are held back until checked.",
        ),
        field(
            "session_hold",
            Kind::Flag,
            Some("true"),
            "A conversation changes tiers only where that is worth the lost prompt cache.",
        ),
        field(
            "session_idle_minutes",
            int(1, 10_080),
            Some("60"),
            "A conversation is forgotten after this silence, minutes.",
        ),
        field(
            "cache_marks",
            Kind::Flag,
            Some("true"),
            "Long prompts of conversations are marked for Anthropic's cache from the second answer of one model within five minutes on, where the client marked nothing.",
        ),
        field(
            "evidence",
            Kind::Text,
            None,
            "What `tierway calibrate` proved: its file, relative to the config; or `\"ledger\"`: the newest version that the ledger keeps (`calibrate --from-log`, `recalibrate_hours`, `evidence rollback`), taken up while serving.",
        ),
    ],
};

/// `complexity`
pub static COMPLEXITY: Spec = Spec {
    title: "complexity = { .. }",
    doc: "A tier for each complexity. Default: simple to the cheapest, medium and complex to the baseline, reasoning to the top.",
    fields: &[
        field("simple", Kind::Text, None, "A tier."),
        field("medium", Kind::Text, None, "A tier."),
        field("complex", Kind::Text, None, "A tier."),
        field("reasoning", Kind::Text, None, "A tier."),
    ],
};

/// `[[rules]]`
pub static RULE: Spec = Spec {
    title: "[[rules]]",
    doc: "Hard routes. The first one that matches wins; locked ones are asked before the others.",
    fields: &[
        field("name", Kind::Text, None, "Its name in records and tests. Required."),
        field(
            "pattern",
            Kind::Text,
            None,
            "What to find, in the syntax of Rust's `regex`; use `\\b` around words. Required.",
        ),
        field("tier", Kind::Text, None, "Where matching requests go. Required."),
        field("reason", Kind::Text, Some("\"\""), "Why, in your words; shown by `explain` and in headers."),
        field(
            "scope",
            Kind::Text,
            Some("\"last_user\""),
            "Where it looks: `last_user`, `all_messages`, `system`, `tools` (names), `header:NAME`, `metadata:KEY`.",
        ),
        field("locked", Kind::Flag, Some("false"), "Nothing overrides it: no header, no pin, no budget."),
        field("case_sensitive", Kind::Flag, Some("false"), "Tell capitals from small letters."),
        field(
            "allow_sampling",
            Kind::Flag,
            None,
            "Whether the text of matching requests may be looked at (`[quality]`). Default: as the key says. Where both say something, `false` wins.",
        ),
    ],
};

/// `[[tests]]`
pub static TEST: Spec = Spec {
    title: "[[tests]]",
    doc: "A request and where it has to go; run by `tierway check`.",
    fields: &[
        field("name", Kind::Text, None, "Default: the prompt."),
        field("prompt", Kind::Text, None, "The user's message."),
        field("messages", Kind::Tables(&MESSAGE), None, "A conversation instead of a prompt."),
        field("headers", Kind::TextMap, None, "Request headers."),
        field("metadata", Kind::TextMap, None, "Request metadata."),
        field("tools", Kind::Texts, None, "Names of tools on offer."),
        field("rule", Kind::Text, None, "The rule that has to decide; `\"none\"` when no rule may match."),
        field("tier", Kind::Text, None, "The tier that has to be chosen."),
    ],
};

/// `messages`
pub static MESSAGE: Spec = Spec {
    title: "messages = [{ .. }]",
    doc: "One message of a test.",
    fields: &[
        field("role", Kind::Choice(&["system", "user", "assistant", "tool"]), None, "Required."),
        field("content", Kind::Text, None, "Required."),
    ],
};

/// `[users.NAME]`
pub static USER: Spec = Spec {
    title: "[users.NAME]",
    doc: "Pins and bounds of one end user, as the application names it (`user` field or `x-tierway-user` header).",
    fields: &[
        field("tier", Kind::Text, None, "Exactly this tier."),
        FLOOR,
        CEILING,
        field(
            "always_baseline",
            Kind::Flag,
            Some("false"),
            "Always the baseline tier: the same as naming it as `tier`.",
        ),
        BUDGET,
        STEP_DOWN_TO,
        RPM,
        TPM,
        MAX_CONCURRENT,
    ],
};

/// `[teams.NAME]`
pub static TEAM: Spec = Spec {
    title: "[teams.NAME]",
    doc: "What holds for all keys of a team, those in the ledger too, beside what each key says for itself.",
    fields: &[
        field("tier", Kind::Text, None, "Exactly this tier, for keys that name none."),
        FLOOR,
        CEILING,
        field("always_baseline", Kind::Flag, Some("false"), "Always the baseline tier."),
        BUDGET,
        STEP_DOWN_TO,
        RPM,
        TPM,
        MAX_CONCURRENT,
    ],
};

/// `[[keys]]`
pub static KEY: Spec = Spec {
    title: "[[keys]]",
    doc: "Keys of clients, hashed, beside those that `tierway keys add` keeps in the ledger; a name here wins over one there. `tierway keys add --for-config` prints such a section. Without any key, everybody who reaches the address may ask.",
    fields: &[
        field("name", Kind::Text, None, "Its name in records. Required."),
        field("hash", Kind::Text, None, "`sha256:` and 64 hexadecimal digits. Required."),
        field("team", Kind::Text, Some("\"\""), "Team in reports."),
        field(
            "scope",
            Kind::Choice(&["client", "read", "admin"]),
            Some("\"client\""),
            "What it opens: models; also reports, records, metrics and the dashboard; everything.",
        ),
        field(
            "models",
            Kind::Texts,
            None,
            "What its requests may name as `model`: `auto`, tiers, models; nothing else then. Default: anything.",
        ),
        field("expires", Kind::Text, None, "The first day, UTC, on which it opens nothing any more: `2027-01-31`."),
        field("tier", Kind::Text, None, "Exactly this tier."),
        FLOOR,
        CEILING,
        field("always_baseline", Kind::Flag, Some("false"), "Always the baseline tier."),
        field(
            "allow_sampling",
            Kind::Flag,
            None,
            "Whether the text of its requests may be looked at (`[quality]`). Default: not, unless a rule allows it.",
        ),
        BUDGET,
        STEP_DOWN_TO,
        RPM,
        TPM,
        MAX_CONCURRENT,
    ],
};

/// `[budgets]`
pub static BUDGETS: Spec = Spec {
    title: "[budgets]",
    doc: "How the budgets of keys, teams and users are kept.",
    fields: &[
        field(
            "zone",
            Kind::Text,
            Some("\"UTC\""),
            "Where days, weeks and months begin: `UTC`, an offset such as `+02:00`, or a name of this machine's time zone database (`Europe/Berlin`).",
        ),
        field("step_down_at", Kind::Share, Some("0.8"), "Share of a budget from which on `step_down_to` holds."),
        field(
            "alarm_at",
            Kind::Share,
            Some("0.8"),
            "Share of a budget that is logged, counted and posted when it is reached; all of it is, too.",
        ),
        field(
            "webhook",
            Kind::Text,
            None,
            "Where that is posted (Slack-compatible JSON): `env:NAME` or `file:PATH` of what holds the address, which is a secret. Default: nowhere.",
        ),
        field(
            "assume_output_tokens",
            int(1, 10_000_000),
            None,
            "Output tokens to reserve for a request that states no bound. Default: the most that the model can give, which never overdraws, but lets few such requests run at once on a small budget.",
        ),
    ],
};

/// `[shared]`
pub static SHARED: Spec = Spec {
    title: "[shared]",
    doc: "A Redis (6.2 or later) or Valkey in which several replicas share limits, the reservations of budgets, which targets are ill and where conversations are. Without it each process keeps its own. A change takes a restart.",
    fields: &[
        field(
            "url",
            Kind::Text,
            None,
            "Where its URL is found, as it may hold a password: `env:NAME` or `file:PATH`. Such as `redis://:password@host:6379/0`, or `rediss://` (`valkeys://`) for TLS.",
        ),
        field(
            "ca_file",
            Kind::Text,
            None,
            "PEM file of the authorities that the certificate of a server with TLS is checked against; relative to this file. Default: those that the machine trusts.",
        ),
        field("prefix", Kind::Text, Some("\"tierway\""), "What the names of everything in it begin with."),
        field(
            "timeout_ms",
            int(1, 60_000),
            Some("100"),
            "Longest wait for its answer, milliseconds; then this replica goes on alone with its part of every limit, and tries again every second. The first requests of a worker wait for its connection, too, up to a second.",
        ),
        field(
            "replicas",
            int(1, 1000),
            Some("1"),
            "How many replicas there are, for one that starts while it cannot be asked. Afterwards the last count holds.",
        ),
    ],
};

/// `[dispatch]`
pub static DISPATCH: Spec = Spec {
    title: "[dispatch]",
    doc: "What happens when a target does not answer well.",
    fields: &[
        field(
            "deadline_ms",
            int(1, 24 * HOUR_MS),
            Some("600000"),
            "Longest time for one request, all attempts together, milliseconds.",
        ),
        field("max_attempts", int(1, 20), Some("4"), "Upstream calls for one request at most."),
        field("max_retries", int(0, 20), Some("2"), "Calls at most to targets that this request called before."),
        field(
            "retry_budget_percent",
            int(0, 100),
            Some("10"),
            "Share of a target's calls that may be retries, per cent: a provider that is down is not stormed.",
        ),
        field(
            "patience_ms",
            int(0, HOUR_MS),
            Some("2000"),
            "Pause that is accepted before a dearer tier is asked instead, milliseconds.",
        ),
        field(
            "max_wait_ms",
            int(0, HOUR_MS),
            Some("30000"),
            "Pause that is accepted when there is nowhere else to go, milliseconds.",
        ),
        field(
            "balance",
            Kind::Choice(&["weighted", "in_order", "least_busy", "latency", "price", "learned"]),
            Some("\"weighted\""),
            "How targets of a tier share its traffic: by weight; the first that is well; the fewest calls under way; the faster of two; the cheapest; the one that verdicts of [quality] speak for on this kind of work.",
        ),
        field(
            "explore_percent",
            int(0, 50),
            None,
            "With `balance = \"learned\"`: share of the requests, per cent, that may go to another target than the best so far, to find out. Default: 10.",
        ),
        field(
            "hedge",
            Kind::Flag,
            Some("false"),
            "Ask another target of the tier when one is late; the first answer wins, the other call is cancelled, both are charged. Counts as a retry, and takes from the retry budget.",
        ),
        field(
            "hedge_after_ms",
            int(1, HOUR_MS),
            None,
            "When it is late, milliseconds. Default: the 95th percentile of what the target was seen to take, once it is known (20 answers).",
        ),
        field(
            "stream_recovery",
            Kind::Choice(&["continue", "error"]),
            Some("\"continue\""),
            "After a stream broke half-way: continue with a target that accepts a partial answer, or end with an error.",
        ),
        field("max_continues", int(0, 5), Some("1"), "Continuations of one answer at most."),
        field(
            "hold_back_ms",
            int(0, 10_000),
            Some("0"),
            "Hold the first content of a stream back this long, milliseconds: one that breaks by then is answered by another target, and the client sees nothing of it.",
        ),
        field(
            "queue",
            int(0, 100_000),
            Some("256"),
            "Requests that may wait at once for room at one provider's account, callers in turn; further ones get 429 with Retry-After.",
        ),
        field("queue_ms", int(0, HOUR_MS), Some("10000"), "How long each of them may wait, milliseconds."),
        field("breaker_failures", int(1, 1000), Some("5"), "Failures in a row after which a target is left alone."),
        field("breaker_open_ms", int(100, HOUR_MS), Some("5000"), "Time until it is probed again, milliseconds."),
    ],
};

/// `[ledger]`
pub static LEDGER: Spec = Spec {
    title: "[ledger]",
    doc: "Records of finished requests: decision, usage, money, timings. No prompt text unless asked for.",
    fields: &[
        field(
            "path",
            Kind::Text,
            Some("\"tierway.db\""),
            "SQLite file, relative to the config. The environment variable `TIERWAY_LEDGER` wins over it and over `url`; it may be the URL of a PostgreSQL.",
        ),
        field(
            "url",
            Kind::Text,
            None,
            "Where the URL of a PostgreSQL (14 or later) is found, for more than one machine: `env:NAME` or `file:PATH`. Such as `postgres://user:password@host:5432/database`; TLS with a checked certificate unless it is this machine. Wins over `path`.",
        ),
        field(
            "durability",
            Kind::Choice(&["relaxed", "strict"]),
            Some("\"relaxed\""),
            "`strict` holds the last bytes of an answer until its record is on disk; `relaxed` may lose the last moments before a power cut.",
        ),
        field("retention_days", int(1, 36_500), Some("365"), "Days that rows are kept; daily sums stay."),
        field(
            "queue",
            int(16, 10_000_000),
            Some("65536"),
            "Records that may wait for the disk; further ones are dropped and counted.",
        ),
    ],
};

/// `[report]`
pub static REPORT: Spec = Spec {
    title: "[report]",
    doc: "Defaults of `tierway report`, and the weekly report.",
    fields: &[
        field("days", int(1, 36_500), Some("7"), "Period, days."),
        field("format", Kind::Choice(&["text", "json", "csv", "html"]), Some("\"text\""), "Form."),
        field(
            "weekly",
            Kind::Text,
            None,
            "When `serve` makes the weekly report, such as `\"monday 08:00\"` (UTC). Wants a `folder` or a webhook. Default: never.",
        ),
        field(
            "folder",
            Kind::Text,
            None,
            "Folder for `tierway-week-DATE.html`, `.md` and `.json`, relative to the config. One that is due and not there is made at the start.",
        ),
        field(
            "webhook",
            Kind::Text,
            None,
            "Where the address is found that the week is posted to (Slack's incoming webhooks and their like): `env:NAME` or `file:PATH`. The address itself is a secret and does not belong here.",
        ),
    ],
};

/// `[quality]`
pub static QUALITY: Spec = Spec {
    title: "[quality]",
    doc: "Looking at how good the answers were: a sample of answered requests goes to a second tier in the background, and a model compares both answers blind. Off unless `sample` is given, and then only for text whose use is allowed (`allow_sampling` of keys and rules, `allow_without_key`). What it costs is charged to the router's own account and counts against the savings.",
    fields: &[
        field(
            "sample",
            Kind::Share,
            None,
            "The least chance of an answered request to be looked at; it doubles for kinds of work with few verdicts, again for requests that look hard, and again where the predictor was unsure. Default: nothing is looked at.",
        ),
        field(
            "dollars_a_day",
            Kind::Dollars,
            Some("1.0"),
            "Most that a day (UTC) of shadows and judges may cost. The chances are lowered to last the day.",
        ),
        field("judge", Kind::Text, None, "Who compares: a tier, or `provider/model`. Default: the top tier."),
        field(
            "target",
            Kind::Share,
            None,
            "Share of the cheap tier's answers that have to be at least as good as the baseline's, below 1. Default: `routing.quality_target`.",
        ),
        field(
            "confidence",
            Kind::Share,
            Some("0.95"),
            "The chance that an interval holds at every look, and that a cell that comes down again is on target.",
        ),
        field(
            "judge_error_percent",
            int(0, 40),
            Some("5"),
            "Share of single verdicts that are taken to be wrong, either way, per cent. Labels on the review page tell what it really is.",
        ),
        field(
            "hold",
            Kind::Choice(&["disproved", "unproven", "never"]),
            Some("\"disproved\""),
            "When a kind of work goes to the baseline tier instead: once its quality is proven to be below the target; until it is proven to reach it; never (alarms only).",
        ),
        field(
            "false_alarms",
            Kind::Share,
            Some("0.05"),
            "The chance of a false alarm within a season, all cells together.",
        ),
        field("season", int(50, 1_000_000), Some("2000"), "Verdicts of a season: about those of a quarter."),
        field("max_concurrent", int(1, 64), Some("2"), "Samples that are looked at at once."),
        field(
            "text_days",
            int(0, 3650),
            Some("7"),
            "Days that request and answers of a sample are kept, for the review page, `calibrate --from-log` and `quality --outcomes`; 0: only while they are looked at, in memory.",
        ),
        field(
            "allow_without_key",
            Kind::Flag,
            Some("false"),
            "Allow the text of callers without a key to be looked at, where no keys are configured.",
        ),
        field(
            "allow_keys",
            Kind::Texts,
            None,
            "Keys whose text may be looked at, by name; keys of the config may also say so themselves.",
        ),
        field("allow_teams", Kind::Texts, None, "Teams whose text may be looked at."),
        field(
            "webhook",
            Kind::Text,
            None,
            "Where alarms are posted (Slack-compatible JSON): `env:NAME` or `file:PATH` of what holds the address, which is a secret. Default: nowhere.",
        ),
        field(
            "recalibrate_hours",
            int(1, 8760),
            None,
            "Hours between calibrations from the log while serving, to `routing.quality_target` at `confidence`; one that proves it becomes the newest version. Needs `routing.evidence = \"ledger\"`. After a rollback it waits for one by hand. Default: only by hand.",
        ),
    ],
};

/// `[telemetry]`
pub static TELEMETRY: Spec = Spec {
    title: "[telemetry]",
    doc: "Traces and metrics by OTLP over HTTP (JSON), named by the GenAI semantic conventions. Off without an endpoint. No prompt, answer or user goes there.",
    fields: &[
        field("endpoint", Kind::Text, None, "Base address of a collector, such as `\"http://localhost:4318\"`."),
        field(
            "headers",
            Kind::Text,
            None,
            "Where headers are found that it wants, as `name=value,name=value`: `env:NAME` or `file:PATH`.",
        ),
        field("trace_share", Kind::Share, Some("1.0"), "Share of requests that are traced; metrics count all."),
    ],
};

/// `[prices]`
pub static PRICES: Spec = Spec {
    title: "[prices]",
    doc: "Prices and limits beyond the built-in catalogue. Order: catalogue, overlay, this file.",
    fields: &[field("overlay", Kind::Text, None, "File that `tierway prices import` wrote, relative to the config.")],
};
