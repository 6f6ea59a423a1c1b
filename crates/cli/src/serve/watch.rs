//! Whether what the gateway was made from has changed: its config, in a file or a database, and the files of its certificate.

use crate::exit::warn;
use crate::load::Place;
use crate::poll::Poll;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tierway_config::Config;
use tierway_ledger::{ConfigStore, LedgerError, PostgresUrl};

/// Knows what was read.
pub(super) struct Watch {
    files: Files,
    versions: Option<Versions>,
}

impl Watch {
    /// Before the config is read: a change from here on is seen as one.
    pub(super) fn begin(place: &Place) -> Self {
        match place {
            Place::File(path) => Self { files: Files::new(Some(path)), versions: None },
            Place::Database(url) => Self { files: Files::new(None), versions: Some(Versions::new(url)) },
        }
    }

    /// Names the other files of a config, which was just read.
    pub(super) fn follow(&mut self, config: &Config) {
        let tls = config.server.tls.iter().flat_map(|tls| [tls.cert_file.clone(), tls.key_file.clone()]);
        self.files.follow(tls.collect());
    }

    /// The files that are there now are read.
    pub(super) fn look(&mut self) {
        self.files.look();
    }

    /// Whether there is something new, once for each change: whoever asks reads it, however often that takes. Called about once
    /// a second.
    pub(super) async fn has_changed(&mut self) -> bool {
        let newer = match &mut self.versions {
            Some(versions) => versions.has_changed().await,
            None => false,
        };
        self.files.has_changed() | newer
    }
}

/// The versions in a database.
struct Versions {
    url: PostgresUrl,
    /// The version that was seen last.
    seen: Option<i64>,
    /// It could not be asked, which was said.
    away: bool,
    poll: Poll<ConfigStore, Option<i64>, LedgerError>,
}

impl Versions {
    fn new(url: &PostgresUrl) -> Self {
        let (store, seen) = ask(None, url).map_or((None, None), |(store, newest)| (Some(store), newest));
        Self { url: url.clone(), seen, away: false, poll: Poll::new(store) }
    }

    async fn has_changed(&mut self) -> bool {
        let url = self.url.clone();
        match self.poll.look(move |store| ask(store, &url)).await {
            None => false,
            Some(Ok(newest)) => {
                self.away = false;
                std::mem::replace(&mut self.seen, newest) != newest
            }
            Some(Err(error)) => {
                if !std::mem::replace(&mut self.away, true) {
                    warn(format_args!("the config stays as it is until its database is back; {error}"));
                }
                false
            }
        }
    }
}

fn ask(store: Option<ConfigStore>, url: &PostgresUrl) -> Result<(ConfigStore, Option<i64>), LedgerError> {
    let mut store = match store {
        Some(store) => store,
        None => ConfigStore::open_to_read(url.clone())?,
    };
    let newest = store.newest()?;
    Ok((store, newest))
}

/// Files, as they were when they were read.
struct Files {
    /// That of the config, where it is one.
    config: Option<PathBuf>,
    /// All, that of the config first.
    files: Vec<PathBuf>,
    read: Vec<Stamp>,
    settling: Vec<Stamp>,
}

impl Files {
    fn new(config: Option<&Path>) -> Self {
        let files = Vec::from_iter(config.map(Path::to_owned));
        let mut new = Self { config: config.map(Path::to_owned), files, read: Vec::new(), settling: Vec::new() };
        new.look();
        new
    }

    /// Watches these beside the config's.
    fn follow(&mut self, others: Vec<PathBuf>) {
        let files: Vec<_> = self.config.iter().cloned().chain(others).collect();
        if files != self.files {
            self.files = files;
            // The config's own may have changed since it was read.
            let kept = self.config.iter().len();
            let stamps = self.stamps();
            self.read.splice(kept.., stamps.into_iter().skip(kept));
            self.settling.clone_from(&self.read);
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.files.iter().map(|file| Stamp::of(file)).collect()
    }

    /// What is there now is read.
    fn look(&mut self) {
        self.read = self.stamps();
        self.settling.clone_from(&self.read);
    }

    /// Whether there is something new, once for each change.
    fn has_changed(&mut self) -> bool {
        let now = self.stamps();
        // The same at two looks: nobody is in the middle of writing it.
        let changed = now != self.read && now == self.settling;
        if changed {
            self.read.clone_from(&now);
        }
        self.settling = now;
        changed
    }
}

/// What tells one content of a file from another: which file it is, when it or its name was changed last, and how long it is;
/// nothing while there is no file. A copy that keeps its times is still another file, or was changed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(Option<[i64; 7]>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let read = std::fs::metadata(path).map(|file| {
            let (device, number, length) =
                (file.dev().cast_signed(), file.ino().cast_signed(), file.len().cast_signed());
            [device, number, length, file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()]
        });
        Self(read.ok())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    fn config(dir: &Path) -> Config {
        let text = "[server]\ntls = { cert_file = \"c.pem\", key_file = \"k.pem\" }\n[providers.openai]\nkind = \"openai\"\n\
            [[tiers]]\nname = \"standard\"\ntargets = [\"openai/gpt-4o\"]\n";
        tierway_config::parse(text, dir.join("t.toml").to_str().unwrap(), &|_| None).unwrap()
    }

    #[test]
    fn a_change_of_config_certificate_or_key_is_seen_once_it_has_settled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.toml");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        ["t.toml", "c.pem", "k.pem"].iter().for_each(|name| write(name, "a"));
        let mut watch = Watch::begin(&Place::File(path));
        watch.follow(&config(dir.path()));
        let watch = &mut watch.files;
        assert!(!watch.has_changed());
        for name in ["t.toml", "c.pem", "k.pem"] {
            write(name, "longer");
            assert!(!watch.has_changed(), "{name}: it may still be written");
            assert!(watch.has_changed() && !watch.has_changed(), "{name}");
        }
        // As long, and as old: put there by a tool that keeps times.
        let (old, new) = (dir.path().join("t.toml"), dir.path().join("new"));
        std::fs::write(&new, "shorts").unwrap();
        let times = std::fs::metadata(&old).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&new).unwrap().set_modified(times).unwrap();
        std::fs::rename(new, old).unwrap();
        assert!(!watch.has_changed() && watch.has_changed(), "another file of the same length and time");
    }
}
