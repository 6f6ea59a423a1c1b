//! Whether the database may throw away what replicas share, when its memory is full.

use super::address;
use redis::AsyncConnectionConfig;
use redis::aio::ConnectionLike;
use std::time::Duration;
use tierway_config::SharedConfig;

/// Names are looked up, TLS is agreed upon, one question is answered.
const WITHIN: Duration = Duration::from_secs(3);

/// What is wrong with the memory of a database; none too where it does not say. `INFO` is asked, as many who run it for
/// others forbid `CONFIG`.
pub(super) async fn evicts(connection: &mut impl ConnectionLike) -> Option<String> {
    let said: String = redis::cmd("INFO").arg("memory").query_async(connection).await.ok()?;
    warning(&said)
}

/// Asks once, for `check`: what is wrong with it, or why it cannot be asked.
///
/// # Errors
/// An address that is none.
pub(crate) fn check(config: &SharedConfig, url: &str) -> Result<Option<String>, String> {
    let client = address::client(config, url)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let asking = async {
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok::<_, redis::RedisError>(evicts(&mut connection).await)
    };
    let away = |why: String| format!("cannot be reached now ({why}); each replica would go on with its part");
    Ok(match runtime.block_on(async { tokio::time::timeout(WITHIN, asking).await }) {
        Ok(Ok(warning)) => warning,
        Ok(Err(error)) => Some(away(error.to_string())),
        Err(_) => Some(away(format!("no answer within {} seconds", WITHIN.as_secs()))),
    })
}

fn warning(info: &str) -> Option<String> {
    let value = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim)
    };
    let (most, policy) = (value("maxmemory")?, value("maxmemory_policy")?);
    (most != "0" && policy != "noeviction").then(|| {
        format!(
            "the database may throw budgets and limits away when its {most} bytes are full (maxmemory-policy {policy}): until \
             each replica has told again what it spent, within a second, what the others have reserved can be spent once \
             more; set maxmemory-policy noeviction"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::warning;

    #[track_caller]
    fn check(info: &str, warns: bool) {
        assert_eq!(warning(info).is_some(), warns, "{info}");
    }

    #[test]
    fn only_a_database_that_is_bounded_and_throws_away_is_warned_of() {
        check("# Memory\r\nmaxmemory:1048576\r\nmaxmemory_human:1.00M\r\nmaxmemory_policy:allkeys-lru\r\n", true);
        // Ours have an end, so those are thrown away as well.
        check("maxmemory:1048576\r\nmaxmemory_policy:volatile-ttl\r\n", true);
        check("maxmemory:1048576\r\nmaxmemory_policy:noeviction\r\n", false);
        check("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n", false);
        check("used_memory:1\r\n", false);
        check("", false);
    }
}
