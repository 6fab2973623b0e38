// SPDX-License-Identifier: Apache-2.0
//! One layer of settings over another, each value remembered with the place it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::{Table, Value};

use super::{Config, ConfigError};

const DEFAULTS: &str = include_str!("../../config.default.toml");

/// What the names of environment variables begin with.
const ENVIRONMENT_PREFIX: &str = "HONGYAN_SERVER_";

/// The setting whose value is not repeated.
const KEY_WITH_PASSWORD: &str = "store";

/// Settings being laid over one another. What a later layer names replaces what an earlier one said.
#[derive(Clone)]
pub struct Layers {
    table: Table,
    /// Where each key that is no longer a default was set, by its dotted name.
    places: BTreeMap<String, String>,
}

/// Without the values, of which one may hold a password.
impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Layers {
    /// The compiled-in defaults.
    pub fn defaults() -> Self {
        let table = DEFAULTS.parse().expect("the compiled-in defaults are TOML");
        Self { table, places: BTreeMap::new() }
    }

    /// Lays a TOML file over the rest.
    pub fn with_file(self, path: &Path) -> Result<Self, ConfigError> {
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("the settings file {place} cannot be read: {error}")))?;
        self.with_toml(&text, &place)
    }

    /// Lays TOML text over the rest. `place` is what errors call it.
    pub fn with_toml(mut self, text: &str, place: &str) -> Result<Self, ConfigError> {
        let over: Table = text.parse().map_err(|error: toml::de::Error| {
            ConfigError(format!("the settings file {place} is not TOML: {}", explain(&error, text)))
        })?;
        self.lay("", over, place)?;
        Ok(self)
    }

    /// Lays environment variables over the rest: those that begin with `HONGYAN_SERVER_`.
    pub fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let known: BTreeMap<String, String> =
            self.keys().into_iter().map(|key| (key.to_uppercase().replace('.', "__"), key)).collect();
        for (variable, text) in variables {
            let Some(name) = variable.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            let Some(key) = known.get(name) else {
                return Err(ConfigError(format!("the environment variable {variable} names no setting")));
            };
            self.set_text(key, &text, &format!("the environment variable {variable}"))?;
        }
        Ok(self)
    }

    /// Lays one value over the rest, read as the setting's kind asks. `place` is what errors call it.
    pub fn with_value(mut self, key: &str, text: &str, place: &str) -> Result<Self, ConfigError> {
        self.set_text(key, text, place)?;
        Ok(self)
    }

    /// The settings, if all their values can be used.
    pub fn build(self) -> Result<Config, ConfigError> {
        let config: Config = read(&self.table).map_err(|(key, why)| {
            let value = self.find(&key).map_or_else(String::new, |value| shown(&key, value));
            ConfigError(format!("the setting {key}{value}{}: {why}", self.place_of(&key)))
        })?;
        config.check()?;
        Ok(config)
    }

    /// Every key by its dotted name.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for (name, value) in &self.table {
            match value {
                Value::Table(section) => keys.extend(section.keys().map(|key| format!("{name}.{key}"))),
                _ => keys.push(name.clone()),
            }
        }
        keys
    }

    fn find(&self, key: &str) -> Option<&Value> {
        match key.split_once('.') {
            Some((section, key)) => self.table.get(section)?.get(key),
            None => self.table.get(key),
        }
    }

    fn place_of(&self, key: &str) -> String {
        self.places.get(key).map_or_else(String::new, |place| format!(" (in {place})"))
    }

    fn lay(&mut self, prefix: &str, over: Table, place: &str) -> Result<(), ConfigError> {
        for (name, value) in over {
            let key = format!("{prefix}{name}");
            match (self.find(&key), value) {
                (None, _) => return Err(ConfigError(format!("the setting {key} (in {place}) is unknown"))),
                (Some(Value::Table(_)), Value::Table(section)) if prefix.is_empty() => {
                    self.lay(&format!("{key}."), section, place)?;
                }
                (Some(known), value) if known.same_type(&value) && !known.is_table() => self.set(&key, value, place),
                (Some(known), value) => {
                    let (shown, kind) = (shown(&key, &value), kind_of(known));
                    return Err(ConfigError(format!("the setting {key}{shown} (in {place}): expected {kind}")));
                }
            }
        }
        Ok(())
    }

    fn set_text(&mut self, key: &str, text: &str, place: &str) -> Result<(), ConfigError> {
        let known = self.find(key).ok_or_else(|| ConfigError(format!("the setting {key} (in {place}) is unknown")))?;
        let value = match known {
            Value::Integer(_) => text.parse().ok().map(Value::Integer),
            Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
            _ => Some(Value::String(text.to_owned())),
        };
        let Some(value) = value else {
            let kind = kind_of(known);
            return Err(ConfigError(format!("the setting {key} is {text:?} (in {place}): expected {kind}")));
        };
        self.set(key, value, place);
        Ok(())
    }

    fn set(&mut self, key: &str, value: Value, place: &str) {
        let slot = match key.split_once('.') {
            Some((section, key)) => self.table.get_mut(section).and_then(|section| section.get_mut(key)),
            None => self.table.get_mut(key),
        };
        *slot.expect("a key is looked up before it is set") = value;
        self.places.insert(key.to_owned(), place.to_owned());
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Table(_) => "a section",
        _ => "a text",
    }
}

/// Where a text stops being TOML, and why. What stands there is not repeated: it may be a password.
fn explain(error: &toml::de::Error, text: &str) -> String {
    let why = error.message().trim_end();
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return why.to_owned() };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {why}")
}

/// A value as an error repeats it: not at all, where it may hold a password.
fn shown(key: &str, value: &Value) -> String {
    if key == KEY_WITH_PASSWORD { String::new() } else { format!(" is {value}") }
}

/// The settings, or the key whose value cannot be used, and why.
fn read(table: &Table) -> Result<Config, (String, String)> {
    table
        .clone()
        .try_into::<Config>()
        .map_err(|error| find_culprit(table).unwrap_or_else(|| ("?".to_owned(), error.message().to_owned())))
}

/// Tries each value alone among the defaults: an error of the whole does not say which it was.
fn find_culprit(table: &Table) -> Option<(String, String)> {
    let defaults = Layers::defaults();
    let given = Layers { table: table.clone(), places: BTreeMap::new() };
    defaults.keys().into_iter().find_map(|key| {
        let mut one = defaults.clone();
        one.set(&key, given.find(&key)?.clone(), "");
        let error = one.table.try_into::<Config>().err()?;
        Some((key, error.message().trim_end().to_owned()))
    })
}
