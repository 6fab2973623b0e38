// SPDX-License-Identifier: Apache-2.0
//! `docs/bridge.md`, made from the tables.
//!
//! `HONGYAN_WRITE_DOCS=1 cargo test -p hongyan --lib bridge_page` writes it.

use std::fmt::Write;

use hongyan_protocol::bytes::Base64Bytes;

use crate::bridge::args::{Form, Param};
use crate::bridge::config::CONFIG;
use crate::bridge::events::EVENTS;
use crate::bridge::numbers::TITLES;
use crate::bridge::shape::{ElementShape, Long, described};
use crate::bridge::table::{ROOMS, Row, Run};

const INTRODUCTION: &str = include_str!("page.md");

/// What the type of a field is called.
pub(super) trait Described {
    fn form() -> String;
}

/// An object of replies and events.
pub(super) struct Object {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    /// Name, kind and meaning of each field.
    pub(super) fields: Vec<(&'static str, String, &'static str)>,
}

macro_rules! described {
    ($($type:ty = $form:literal),*) => {$(
        impl Described for $type {
            fn form() -> String {
                $form.to_owned()
            }
        }
    )*};
}
described!(
    String = "text",
    i32 = "number",
    i64 = "number",
    bool = "true or false",
    Long = "64-bit number",
    Base64Bytes = "bytes",
    ElementShape = "element"
);

impl<T: Described> Described for Vec<T> {
    fn form() -> String {
        format!("list of {}", T::form())
    }
}

impl<T: Described> Described for Option<T> {
    fn form() -> String {
        format!("{} or null", T::form())
    }
}

/// The page.
pub(super) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    write(&mut page).expect("writing to a text does not fail");
    page
}

fn write(page: &mut String) -> std::fmt::Result {
    writeln!(page, "\n## The config\n")?;
    params(page, CONFIG)?;
    writeln!(page, "\n## Methods")?;
    for (room, rows) in ROOMS {
        writeln!(page, "\n### {room}")?;
        rows.iter().try_for_each(|row| method(page, row))?;
    }
    writeln!(page, "\n## Events\n\n| Listener | Event | Data | When |\n|---|---|---|---|")?;
    for row in EVENTS {
        writeln!(page, "| `{}` | `{}` | {} | {} |", row.listener, row.event, linked(row.data), row.doc.trim())?;
    }
    writeln!(page, "\n## Objects")?;
    for Object { name, doc, fields } in described() {
        writeln!(page, "\n### {name}\n\n{}\n\n| Field | Kind | Meaning |\n|---|---|---|", doc.trim())?;
        for (field, form, doc) in fields {
            writeln!(page, "| `{field}` | {} | {} |", linked(&form), doc.trim())?;
        }
    }
    writeln!(page, "\n## Numbers\n\n| What | Numbers |\n|---|---|")?;
    for (title, numbers) in TITLES {
        let numbers: Vec<String> = numbers.iter().map(|(number, meaning)| format!("{number} {meaning}")).collect();
        writeln!(page, "| {title} | {} |", numbers.join("; "))?;
    }
    Ok(())
}

fn method(page: &mut String, row: &Row) -> std::fmt::Result {
    let kind = match row.run {
        Run::Now(_) => "never waits",
        Run::Waiting(_) => "waits",
    };
    writeln!(page, "\n#### {}\n\n{}\n", row.name, row.doc.trim())?;
    if !row.params.is_empty() {
        params(page, row.params)?;
        writeln!(page)?;
    }
    write!(page, "Data: {}. It {kind}.", linked(row.data))?;
    if !row.codes.is_empty() {
        write!(page, " Codes: {}.", row.codes)?;
    }
    writeln!(page)
}

fn params(page: &mut String, params: &[Param]) -> std::fmt::Result {
    writeln!(page, "| Field | Kind | Meaning |\n|---|---|---|")?;
    fields(page, params, "")
}

/// The fields of an object, those of objects inside it after it.
fn fields(page: &mut String, params: &[Param], path: &str) -> std::fmt::Result {
    for param in params {
        let optional = if param.is_required { "" } else { ", optional" };
        writeln!(page, "| `{path}{}` | {}{optional} | {} |", param.name, kind(param.form), param.doc)?;
        match param.form {
            Form::Object(inner) => fields(page, inner, &format!("{path}{}.", param.name))?,
            Form::List(&Form::Object(inner)) => fields(page, inner, &format!("{path}{}[].", param.name))?,
            _ => {}
        }
    }
    Ok(())
}

fn kind(form: Form) -> String {
    match form {
        Form::Text => "text".to_owned(),
        Form::Bytes => "bytes".to_owned(),
        Form::Flag => "true or false".to_owned(),
        Form::Int | Form::Number => "number".to_owned(),
        Form::Long => "64-bit number".to_owned(),
        Form::Choice(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(|(number, meaning)| format!("{number} {meaning}")).collect();
            numbers.join("; ")
        }
        Form::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Form::List(item) => format!("list of {}", kind(*item)),
        Form::Object(_) => "object".to_owned(),
    }
}

/// A kind, with a link where it is one of the page's objects.
fn linked(kind: &str) -> String {
    let word = kind.split(' ').find(|word| described().iter().any(|object| object.name == *word));
    word.map_or_else(|| kind.to_owned(), |word| kind.replace(word, &format!("[{word}](#{})", word.to_lowercase())))
}
