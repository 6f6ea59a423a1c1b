//! A router from a config: decide, call, record. Without a config of yours it asks a stand-in.
//!
//! `cargo run -p tierway --example from_config -- "What is the capital of Peru?" [tierway.toml]`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use tierway::{AUTO, Call, ReplyBody};
use tierway_gateway::Desk;
use tierway_testkit::StandIn;
use tierway_wire::Format;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let prompt = args.next().unwrap_or_else(|| "What is the capital of Peru?".to_owned());
    let stand_in = StandIn::start().await?;
    let mut config = match args.next() {
        Some(path) => tierway_config::load(path.as_ref())?,
        None => tierway_config::parse(&example(&stand_in.base_url()), "(example)", &|_| None)?,
    };
    config.ledger.path = std::env::temp_dir().join("tierway-example.db");

    let desk = Desk::open(&config)?;
    let body = serde_json::json!({"model": AUTO, "messages": [{"role": "user", "content": prompt}]}).to_string();
    let reply = desk.router().chat(Call::new(Format::OpenaiChat, body)).await;
    for name in ["x-tierway-tier", "x-tierway-model", "x-tierway-reason", "x-tierway-cost-usd"] {
        println!("{name}: {:?}", reply.headers.get(name));
    }
    if let ReplyBody::Whole(Some(bytes)) = reply.body {
        println!("{}", String::from_utf8_lossy(&bytes));
    }
    desk.close()?;
    Ok(())
}

fn example(base_url: &str) -> String {
    format!(
        r#"
        [providers.stand-in]
        kind = "openai_compatible"
        base_url = "{base_url}"
        [[tiers]]
        name = "nano"
        price = {{ input = 0.15, output = 0.60 }}
        targets = ["stand-in/stand-in-nano"]
        [[tiers]]
        name = "standard"
        price = {{ input = 5.00, output = 15.00 }}
        targets = ["stand-in/stand-in-standard"]
        "#
    )
}
