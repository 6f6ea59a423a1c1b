//! Files that commands write: whole or not at all, and never what the same command read.
//!
//! A result goes into a file beside the wanted one and takes its place once all of it is written. Devices and FIFOs, which
//! cannot be replaced, are written directly. Whether a target can be written is found out before there is work to lose.

use crate::exit::{Done, Failed};
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use tierway_config::Config;
use tierway_ledger::Location;

/// What a command reads, so that it does not overwrite it.
#[derive(Default)]
pub(crate) struct Inputs(Vec<(&'static str, PathBuf)>);

impl Inputs {
    /// A file, called so in messages; `-` is what stdin comes from.
    pub(crate) fn file(mut self, what: &'static str, path: &Path) -> Self {
        let path = if is_dash(path) { Path::new("/dev/stdin") } else { path };
        self.0.push((what, path.to_owned()));
        self
    }

    /// Files, called so in messages.
    pub(crate) fn files<'a>(self, what: &'static str, paths: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        paths.into_iter().fold(self, |inputs, path| inputs.file(what, path))
    }

    /// A config and what it names; the built-in one is no file.
    pub(crate) fn config(self, config: Option<&Config>) -> Self {
        let Some(config) = config else { return self };
        let tls = config.server.tls.iter().flat_map(|tls| [&tls.cert_file, &tls.key_file]);
        let inputs = self.file("config", Path::new(&config.file)).files("certificate or its key", tls);
        inputs.files("overlay of prices", config.prices.overlay())
    }

    /// A ledger, with the files that belong to it.
    pub(crate) fn ledger(self, location: &Location) -> Self {
        let Location::Sqlite(path) = location else { return self };
        let beside = ["", "-wal", "-shm", "-journal", ".lock"].map(|ending| {
            let mut name = path.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        });
        self.files("ledger", &beside)
    }

    /// What a path is to the command, if it is one of these: by whatever name, the same file is the same.
    fn known(&self, target: &Metadata) -> Option<&'static str> {
        let same = |path: &PathBuf| {
            std::fs::metadata(path).is_ok_and(|own| (own.dev(), own.ino()) == (target.dev(), target.ino()))
        };
        self.0.iter().find(|(_, path)| target.is_file() && same(path)).map(|(what, _)| *what)
    }
}

/// Where a result will go: looked at, not touched yet.
#[derive(Debug)]
pub(crate) enum Target {
    Stdout,
    /// Cannot be replaced: a device, a FIFO.
    Direct(PathBuf),
    /// The file itself, no link to it; its permissions where it is there already.
    File(PathBuf, Option<Permissions>),
}

impl Target {
    /// Finds out whether a file can be written, `-` and none being stdout. Refuses what the command reads.
    pub(crate) fn check(path: Option<&Path>, read: &Inputs) -> Result<Self, Failed> {
        let Some(path) = path.filter(|path| !is_dash(path) && *path != Path::new("/dev/stdout")) else {
            return Ok(Self::Stdout);
        };
        let failed =
            |why: &dyn std::fmt::Display| Failed::told(format_args!("{} cannot be written: {why}", path.display()));
        let Ok(there) = std::fs::metadata(path) else {
            let folder = folder_of(path);
            if !folder.is_dir() {
                return Err(failed(&format_args!("there is no folder {}", folder.display())));
            }
            // A name that cannot be taken is found now.
            part(path, None).map_err(|error| failed(&error))?;
            return Ok(Self::File(path.to_owned(), None));
        };
        if let Some(what) = read.known(&there) {
            let path = path.display();
            return Err(Failed::told(format_args!(
                "{path} is the {what} that is read here: name another file to write"
            )));
        }
        if !there.is_file() && !there.is_dir() || path.starts_with("/dev/fd") || path.starts_with("/proc") {
            return Ok(Self::Direct(path.to_owned()));
        }
        // What is there may be written, if it could be written in place.
        OpenOptions::new().append(true).open(path).map_err(|error| failed(&error))?;
        let file = path.canonicalize().map_err(|error| failed(&error))?;
        Ok(Self::File(file, Some(there.permissions())))
    }

    /// Begins to write.
    pub(crate) fn open(self) -> Result<Output, Failed> {
        let failed = |path: &Path, error| Failed::told(format_args!("{} cannot be written: {error}", path.display()));
        Ok(match self {
            Self::Stdout => Output::Stdout(BufWriter::new(io::stdout())),
            Self::Direct(path) => {
                // Appended: what else goes to the same place stays.
                let file = OpenOptions::new().append(true).open(&path).map_err(|error| failed(&path, error))?;
                Output::Direct(BufWriter::new(file), path)
            }
            Self::File(path, permissions) => {
                let part = part(&path, permissions).map_err(|error| failed(&path, error))?;
                Output::File(BufWriter::new(part), path)
            }
        })
    }

    /// Writes all of it.
    pub(crate) fn write(self, bytes: &[u8]) -> Done {
        let mut output = self.open()?;
        output.write_all(bytes).map_err(|error| output.failed(error))?;
        output.finish()
    }
}

/// A result being written. Dropped before its end it leaves no file.
pub(crate) enum Output {
    Stdout(BufWriter<io::Stdout>),
    Direct(BufWriter<File>, PathBuf),
    File(BufWriter<NamedTempFile>, PathBuf),
}

impl Output {
    /// All was written: puts the file in its place.
    pub(crate) fn finish(mut self) -> Done {
        self.flush().map_err(|error| self.failed(error))?;
        let Self::File(part, path) = self else { return Ok(()) };
        let failed = |error: io::Error| Failed::told(format_args!("{} cannot be written: {error}", path.display()));
        let part = part.into_inner().map_err(|error| failed(error.into_error()))?;
        part.as_file().sync_all().map_err(failed)?;
        match part.persist(&path) {
            Ok(_) => Ok(()),
            // A file that is mounted by itself, or in a folder of somebody else, is filled in place.
            Err(error) if path.exists() => {
                let fill = || {
                    io::copy(&mut error.file.reopen()?, &mut OpenOptions::new().write(true).truncate(true).open(&path)?)
                };
                fill().map(drop).map_err(failed)
            }
            Err(error) => Err(failed(error.error)),
        }
    }

    /// What to tell when it cannot be written; a pipe that nobody reads is no failure.
    pub(crate) fn failed(&self, error: io::Error) -> Failed {
        match self {
            Self::Stdout(_) => error.into(),
            Self::Direct(_, path) | Self::File(_, path) if error.kind() != io::ErrorKind::BrokenPipe => {
                Failed::told(format_args!("{} cannot be written: {error}", path.display()))
            }
            _ => error.into(),
        }
    }

    fn inner(&mut self) -> &mut dyn Write {
        match self {
            Self::Stdout(out) => out,
            Self::Direct(out, _) => out,
            Self::File(out, _) => out,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner().flush()
    }
}

/// Where a command says what it found while a result goes somewhere: beside it, never into it.
pub(crate) fn aside(target: Option<&Target>) -> Box<dyn Write> {
    if matches!(target, Some(Target::Stdout)) { Box::new(io::stderr()) } else { Box::new(io::stdout().lock()) }
}

fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file beside the wanted one. Where none may be made beside one that is there, it is made among temporary ones.
fn part(path: &Path, permissions: Option<Permissions>) -> io::Result<NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{name}.");
    let mut builder = tempfile::Builder::new();
    // As any new file: for whomever the process lets read.
    let usual = Permissions::from_mode(0o666);
    builder.prefix(&prefix).suffix(".part").permissions(usual);
    let part = builder.tempfile_in(folder_of(path)).or_else(|error| match permissions {
        Some(_) => builder.tempfile(),
        // Without the name of the file that nobody asked for.
        None => Err(error.kind().into()),
    })?;
    if let Some(permissions) = permissions {
        part.as_file().set_permissions(permissions)?;
    }
    Ok(part)
}
