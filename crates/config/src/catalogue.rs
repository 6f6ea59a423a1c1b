//! What is known of models: prices by date, limits, capabilities, parameters, shutdown.
//!
//! The built-in catalogue is a text with one model per line, dated, from public sources (see `catalogue/LICENSE-NOTICE.txt`
//! and `scripts/build_catalogue.py`). Only lines that may hold the wanted model are parsed, so that start-up costs
//! nothing. An overlay file of the same shape goes before it. What neither knows is unknown: never free.

mod import;
mod matching;
mod model;

pub use import::{ImportError, Imported, import};

use matching::Fit;
use model::{Ids, Model};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tierway_decide::pricing::PriceHistory;
use tierway_decide::{Capabilities, Limits, ParameterRules};

static BUILT_IN: &str = include_str!("../catalogue/catalogue.json");

/// What is known of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Prices by date; none when nobody knows.
    pub prices: Option<PriceHistory>,
    /// How much fits.
    pub limits: Limits,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Which parameters it takes.
    pub parameters: ParameterRules,
    /// Last day on which the provider serves it.
    pub shutdown: Option<String>,
    /// Where this is from: `catalogue 2026-11-23`, `overlay FILE`.
    pub source: String,
}

/// One model in a list of prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The catalogue's name of the provider.
    pub provider: String,
    /// The model.
    pub model: String,
    /// What is known of it.
    pub facts: Facts,
}

/// The built-in catalogue and what lies over it.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    overlay: Vec<Model>,
    overlay_name: String,
    overlay_file: Option<PathBuf>,
}

/// An overlay that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// The file cannot be read.
    #[error("cannot read the overlay: {0}; `tierway prices import FILE` writes one")]
    Read(#[from] std::io::Error),
    /// It is no overlay.
    #[error("the overlay is not what `tierway prices import` writes: {0}")]
    Shape(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Document {
    models: Vec<Model>,
}

impl Prices {
    /// With an overlay from a file.
    ///
    /// # Errors
    /// The file cannot be read, or is no overlay.
    pub fn with_overlay(path: &Path) -> Result<Self, OverlayError> {
        let document: Document = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let overlay_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { overlay: document.models, overlay_name, overlay_file: Some(path.to_owned()) })
    }

    /// The file that lies over it, if any.
    #[must_use]
    pub fn overlay(&self) -> Option<&PathBuf> {
        self.overlay_file.as_ref()
    }

    /// The day of the built-in catalogue, `YYYY-MM-DD`.
    #[must_use]
    pub fn catalogue_date() -> &'static str {
        static DATE: OnceLock<&str> = OnceLock::new();
        DATE.get_or_init(|| {
            let after = BUILT_IN.split_once("\"version\":\"").map_or("", |(_, after)| after);
            after.split('"').next().unwrap_or_default()
        })
    }

    /// What is known of a model. `provider`: the catalogue's name of the provider; none: nobody knows.
    ///
    /// Exact ids and aliases go first, then the longest rule that matches. The overlay replaces what it names.
    #[must_use]
    pub fn lookup(&self, provider: Option<&str>, model: &str) -> Option<Facts> {
        let provider = provider?;
        let over = best(self.overlay.iter().filter(|known| known.ids.provider == provider), |known| &known.ids, model);
        let built_in = built_in(provider, model);
        match (over, built_in) {
            (Some(over), built_in) => Some(over.over(built_in).facts(format!("overlay {}", self.overlay_name))),
            (None, Some(built_in)) => Some(built_in.facts(format!("catalogue {}", Self::catalogue_date()))),
            (None, None) => None,
        }
    }

    /// The names of a provider's models, as the catalogue and the overlay give them.
    pub(crate) fn names(&self, provider: &str) -> Vec<String> {
        let built_in = lines(provider).filter_map(|line| serde_json::from_str::<Ids>(line).ok());
        let overlay = self.overlay.iter().map(|known| known.ids.clone()).filter(|ids| ids.provider == provider);
        built_in.chain(overlay).map(|ids| ids.model).collect()
    }

    /// All models whose provider and name hold these texts (case does not count).
    #[must_use]
    pub fn list(&self, provider: &str, model: &str) -> Vec<Listed> {
        let holds = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let wanted = |known: &Model| holds(&known.ids.provider, provider) && holds(&known.ids.model, model);
        let built_in: Vec<Model> = lines("").filter_map(|line| serde_json::from_str(line).ok()).collect();
        let hidden = |known: &Model| {
            self.overlay.iter().any(|over| over.ids.provider == known.ids.provider && over.ids.model == known.ids.model)
        };
        let overlay = self.overlay.iter().map(|over| {
            let base = built_in
                .iter()
                .find(|known| known.ids.provider == over.ids.provider && known.ids.model == over.ids.model);
            (over.clone().over(base.cloned()), format!("overlay {}", self.overlay_name))
        });
        let rest = built_in.iter().filter(|known| !hidden(known)).cloned();
        let rest = rest.map(|known| (known, format!("catalogue {}", Self::catalogue_date())));
        let mut all: Vec<Listed> = overlay
            .chain(rest)
            .filter(|(known, _)| wanted(known))
            .map(|(known, source)| Listed {
                provider: known.ids.provider.clone(),
                model: known.ids.model.clone(),
                facts: known.facts(source),
            })
            .collect();
        all.sort_by(|a, b| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)));
        all
    }
}

/// The lines of one provider's models; of all when it is empty.
fn lines(provider: &str) -> impl Iterator<Item = &'static str> {
    let start = if provider.is_empty() { "{\"provider\":\"".into() } else { format!("{{\"provider\":\"{provider}\",") };
    BUILT_IN.lines().filter(move |line| line.starts_with(&start)).map(|line| line.trim_end_matches(','))
}

fn built_in(provider: &str, model: &str) -> Option<Model> {
    let ids: Vec<(Ids, &'static str)> =
        lines(provider).filter_map(|line| Some((serde_json::from_str(line).ok()?, line))).collect();
    let (_, line) = best(ids.iter(), |(ids, _)| ids, model)?;
    serde_json::from_str(line).ok()
}

fn best<'m, T: 'm>(models: impl Iterator<Item = &'m T>, ids: impl Fn(&T) -> &Ids, model: &str) -> Option<&'m T> {
    let wanted = model.to_lowercase();
    let fits = models.filter_map(|known| Some((ids(known).fit(&wanted)?, known)));
    // The first of equals: `max_by_key` would give the last.
    fits.fold(None, |best: Option<(Fit, &T)>, next| match best {
        Some(best) if best.0 >= next.0 => Some(best),
        _ => Some(next),
    })
    .map(|(_, known)| known)
}
