//! The weekly report: made on request, or by `serve` when it is due.

use crate::exit::{Failed, tell, warn};
use crate::output::{Inputs, Target};
use crate::store::now_ms;
use std::path::Path;
use tierway_config::{Config, KeySource, WeeklyConfig};
use tierway_ledger::{Location, Reader, Span, State};
use tierway_report::{Weekly, slack_json, weekly_html, weekly_json, weekly_markdown};
use tokio::task::JoinHandle;

/// After a failure it is tried again at so many looks, about one a second.
const LOOKS_AFTER_FAILURE: u32 = 600;

/// Forms of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Html,
    Markdown,
    Json,
}

/// The week in a form.
pub(crate) fn render(weekly: &Weekly, form: Form) -> Result<String, Failed> {
    Ok(match form {
        Form::Html => weekly_html(weekly),
        Form::Markdown => weekly_markdown(weekly),
        Form::Json => format!("{:#}\n", weekly_json(weekly).map_err(Failed::told)?),
    })
}

/// Where verdicts are; without it the week says that quality was not measured, and why is said here.
pub(crate) fn state(location: Location) -> Option<State> {
    State::open_to_read(location).inspect_err(|error| warn(format_args!("no verdicts in the week: {error}"))).ok()
}

/// Knows when the next one is due.
pub(crate) struct Schedule {
    made_at_ms: i64,
    /// What was due by then was due before the start.
    started_ms: i64,
    pause: u32,
    making: Option<(i64, JoinHandle<Result<(), String>>)>,
}

impl Schedule {
    /// What was due before the start is made only where its file is missing.
    pub(crate) fn new(config: &Config) -> Self {
        let started_ms = now_ms();
        let due = config.report.weekly.as_ref().map_or(i64::MAX, |weekly| weekly.due.last_before(started_ms));
        let missing = config.report.weekly.as_ref().and_then(|weekly| Some(!file(weekly, due, "html")?.exists()));
        Self { made_at_ms: if missing == Some(true) { due - 1 } else { due }, started_ms, pause: 0, making: None }
    }

    /// Makes the report when it is due. Called about once a second; the work is done aside, so that nobody waits for it.
    pub(crate) async fn look(&mut self, config: &Config) {
        if let Some((due, making)) = self.making.take_if(|(_, making)| making.is_finished()) {
            let made = making.await.unwrap_or_else(|error| Err(error.to_string()));
            match made {
                Ok(()) => self.made_at_ms = due,
                Err(why) => {
                    self.pause = LOOKS_AFTER_FAILURE;
                    tracing::error!(why, "the weekly report could not be made; tried again in ten minutes");
                }
            }
        }
        let Some(weekly) = &config.report.weekly else { return };
        let due = weekly.due.last_before(now_ms());
        if due <= self.made_at_ms || self.making.is_some() {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        let late = due <= self.started_ms;
        self.making = Some((due, tokio::spawn(make(config.clone(), weekly.clone(), due, late))));
    }
}

/// `late`: it was due before the start. Of a ledger that was empty then nobody waits to be told.
async fn make(config: Config, weekly: WeeklyConfig, due: i64, late: bool) -> Result<(), String> {
    let folder = weekly.clone();
    let read = tokio::task::spawn_blocking(move || {
        let location = tierway_gateway::location(&config).map_err(|error| error.to_string())?;
        let mut reader = Reader::open(location.clone()).map_err(|error| error.to_string())?;
        let mut state = state(location);
        let week = tierway_gateway::weekly(&mut reader, state.as_mut(), due, Some(&config))
            .map_err(|error| error.to_string())?;
        let all = reader.summary(Span::ALL).map_err(|error| error.to_string())?;
        write(&week, &folder, due)?;
        Ok::<_, String>((week, late && all.totals.calls == 0))
    });
    let (week, is_nothing) = read.await.map_err(|error| error.to_string())??;
    if !is_nothing && weekly.webhook != KeySource::None {
        post(&week, &weekly.webhook).await?;
    }
    tell("the weekly report was made");
    Ok(())
}

/// Writes the files of a week into its folder, where there is one. The page comes last: it stands for "made".
fn write(week: &Weekly, weekly: &WeeklyConfig, due: i64) -> Result<(), String> {
    for (form, ending) in [(Form::Json, "json"), (Form::Markdown, "md"), (Form::Html, "html")] {
        let Some(path) = file(weekly, due, ending) else { return Ok(()) };
        let text = render(week, form).map_err(|_| "it has no form".to_owned())?;
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        // Whole or not at all: a page that is there is not made again.
        let written = Target::check(Some(&path), &Inputs::default()).and_then(|target| target.write(text.as_bytes()));
        written.map_err(|failed| match failed {
            Failed::Told(why) => why,
            Failed::Silent | Failed::HadEnough => format!("{} cannot be written", path.display()),
        })?;
    }
    Ok(())
}

fn file(weekly: &WeeklyConfig, due: i64, ending: &str) -> Option<std::path::PathBuf> {
    let day = jiff::Timestamp::from_millisecond(due).ok()?.strftime("%Y-%m-%d");
    Some(weekly.folder.as_ref()?.join(format!("tierway-week-{day}.{ending}")))
}

/// Posts the week to the webhook of a config.
pub(crate) async fn post(week: &Weekly, webhook: &KeySource) -> Result<(), String> {
    match webhook {
        KeySource::None => Err("no webhook is configured: name `weekly` and `webhook` in [report]".into()),
        webhook => tierway_gateway::post_webhook(webhook, &slack_json(week)).await,
    }
}
