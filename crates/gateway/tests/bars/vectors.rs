//! Embeddings of every provider that has an address for OpenAI's words.

use crate::door::Door;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_come_from_whoever_takes_the_request_as_it_is() {
    let door = Door::open().await;
    for (provider, want) in [
        ("chat", Some("/v1/embeddings")),
        ("resp", Some("/v1/embeddings")),
        ("gemini", Some("/v1beta/openai/embeddings")),
        ("ollama", Some("/v1/embeddings")),
        ("anthropic", None),
    ] {
        let body = json!({"model": format!("{provider}/m"), "input": ["one", "two"]}).to_string().into_bytes();
        let got = door.embed(body).await;
        let said: Value = serde_json::from_slice(&got.body).unwrap();
        let Some(path) = want else {
            assert_eq!(got.status, 400, "{provider}: {said}");
            continue;
        };
        assert_eq!((got.status, said["data"].as_array().map(Vec::len)), (200, Some(2)), "{provider}: {said}");
        assert!(said["usage"]["prompt_tokens"].as_u64() > Some(0), "{provider}: {said}");
        let seen = door.upstream.seen().pop().unwrap();
        assert_eq!((seen.path.as_str(), seen.json()["input"].clone()), (path, json!(["one", "two"])));
        assert!(seen.header("authorization").is_some() || provider != "gemini", "Google takes a bearer key there");
    }
}
