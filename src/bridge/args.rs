// SPDX-License-Identifier: Apache-2.0
//! Requests, read by the table: what is unknown, missing or of another type is refused before anything happens.

use hongyan_protocol::bytes::Base64Bytes;
use hongyan_protocol::codes::Code;
use hongyan_protocol::json::is_within_depth;
use hongyan_protocol::limits::{INTEGER_MAX, JSON_DEPTH_MAX, PACKET_BYTES_MAX};
use serde_json::{Map, Value};

use crate::bridge::numbers::Numbers;
use crate::bridge::table::{self, Row};
use crate::error::ImError;

/// How much of what an app sent stands in a description.
const ECHO_CHARS_MAX: usize = 60;

/// One field of a request or of an object in it.
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// Whether the call fails without it. `null` is as good as nothing.
    pub(super) is_required: bool,
    #[cfg(test)]
    pub(super) doc: &'static str,
}

/// What a value is.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text,
    /// Bytes as base64.
    Bytes,
    Flag,
    /// A number of 32 bits.
    Int,
    /// A number of 64 bits as text: many JSON readers would round it.
    Long,
    /// A number that every JSON reader keeps.
    Number,
    /// One of the native numbers.
    Choice(Numbers),
    /// One of some words.
    Word(&'static [&'static str]),
    List(&'static Form),
    Object(&'static [Param]),
}

/// Makes the fields of an object: name, whether it must or may be there, what it is, and what it means.
macro_rules! params {
    ($($name:ident $need:ident $form:expr => $doc:literal),* $(,)?) => {
        &[$($crate::bridge::args::Param {
            name: stringify!($name),
            form: $form,
            is_required: $crate::bridge::args::need!($need),
            #[cfg(test)]
            doc: $doc,
        }),*]
    };
}
macro_rules! need {
    (must) => {
        true
    };
    (may) => {
        false
    };
}
pub(super) use {need, params};

/// A request whose method exists and whose parameters are what the method takes.
pub(super) struct Request {
    pub(super) row: &'static Row,
    pub(super) args: Args,
}

impl Request {
    pub(super) fn read(text: &str) -> Result<Self, ImError> {
        let mut request = object(text)?;
        let method = match request.remove("method") {
            Some(Value::String(method)) => method,
            _ => return Err(invalid("method", "the name of a method is needed")),
        };
        let row = table::find(&method).ok_or_else(|| {
            ImError::new(Code::FEATURE_NOT_IN_PLAN, format!("method: there is no {}", shorten(&method)))
        })?;
        let params = match request.remove("params") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(invalid("params", "an object is needed")),
        };
        if let Some(name) = request.keys().next() {
            return Err(invalid(&shorten(name), "a request has method and params only"));
        }
        Ok(Self { row, args: Args::read(row.params, params, "")? })
    }
}

/// JSON text that is an object, not larger and not deeper than a frame may be.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, ImError> {
    if text.len() > PACKET_BYTES_MAX {
        return Err(Code::PACKET_TOO_LARGE.into());
    }
    if !is_within_depth(text.as_bytes(), JSON_DEPTH_MAX) {
        return Err(ImError::new(Code::INVALID_JSON, format!("JSON of more than {JSON_DEPTH_MAX} levels")));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ImError::new(Code::INVALID_JSON, "the JSON is not an object")),
        Err(error) => Err(ImError::new(Code::INVALID_JSON, error.to_string())),
    }
}

/// A value that was read.
pub(super) enum Arg {
    Text(String),
    Bytes(Vec<u8>),
    Flag(bool),
    Int(i32),
    Long(i64),
    List(Vec<Arg>),
    Object(Args),
}

/// The fields that are there.
pub(super) struct Args(Vec<(&'static str, Arg)>);

impl Args {
    /// Reads what belongs to an object, and refuses what does not. `path` is where the object stands.
    pub(super) fn read(params: &'static [Param], mut object: Map<String, Value>, path: &str) -> Result<Self, ImError> {
        let place = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let mut args = Vec::new();
        for param in params {
            match object.remove(param.name).filter(|value| !value.is_null()) {
                Some(value) => args.push((param.name, param.form.read(value, &place(param.name))?)),
                None if param.is_required => return Err(invalid(&place(param.name), "it is needed")),
                None => {}
            }
        }
        match object.keys().next() {
            Some(name) => Err(invalid(&place(&shorten(name)), "there is no such field")),
            None => Ok(Self(args)),
        }
    }

    /// A field that may be absent.
    pub(super) fn find<T: FromArg>(&mut self, name: &str) -> Result<Option<T>, ImError> {
        let Some(at) = self.0.iter().position(|(present, _)| *present == name) else { return Ok(None) };
        T::from_arg(self.0.swap_remove(at).1).map(Some).ok_or_else(|| not_in_table(name))
    }

    /// A field that the table requires.
    pub(super) fn take<T: FromArg>(&mut self, name: &str) -> Result<T, ImError> {
        self.find(name)?.ok_or_else(|| not_in_table(name))
    }
}

/// The table and what runs disagree; a test calls every method.
fn not_in_table(name: &str) -> ImError {
    ImError::new(Code::INTERNAL_ERROR, format!("{name}: the table of methods has it otherwise"))
}

/// A parameter that is not valid.
pub(super) fn invalid(place: &str, why: &str) -> ImError {
    ImError::new(Code::INVALID_PARAMETERS, format!("{place}: {why}"))
}

fn shorten(text: &str) -> String {
    text.chars().take(ECHO_CHARS_MAX).collect()
}

impl Form {
    fn read(self, value: Value, place: &str) -> Result<Arg, ImError> {
        let arg = match (self, value) {
            (Self::Text, Value::String(text)) => Some(Arg::Text(text)),
            (Self::Word(words), Value::String(text)) => words.contains(&text.as_str()).then_some(Arg::Text(text)),
            (Self::Bytes, value @ Value::String(_)) => {
                serde_json::from_value::<Base64Bytes>(value).ok().map(|bytes| Arg::Bytes(bytes.0))
            }
            (Self::Flag, Value::Bool(flag)) => Some(Arg::Flag(flag)),
            (Self::Long, Value::String(text)) => text.parse().ok().map(Arg::Long),
            (Self::Int, Value::Number(number)) => int(&number).map(Arg::Int),
            (Self::Number, Value::Number(number)) => {
                number.as_i64().filter(|number| (-INTEGER_MAX..=INTEGER_MAX).contains(number)).map(Arg::Long)
            }
            (Self::Choice(numbers), Value::Number(number)) => {
                int(&number).filter(|int| numbers.iter().any(|(known, _)| known == int)).map(Arg::Int)
            }
            (Self::List(form), Value::Array(items)) => {
                let read = |(index, item)| form.read(item, &format!("{place}[{index}]"));
                Some(Arg::List(items.into_iter().enumerate().map(read).collect::<Result<_, _>>()?))
            }
            (Self::Object(params), Value::Object(object)) => Some(Arg::Object(Args::read(params, object, place)?)),
            _ => None,
        };
        arg.ok_or_else(|| invalid(place, &format!("{} is needed", self.describe())))
    }

    /// In words.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Bytes => "a text of padded base64".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Int => "a whole number of 32 bits".to_owned(),
            Self::Long => "a text with a whole number of 64 bits".to_owned(),
            Self::Number => "a whole number".to_owned(),
            Self::Choice(numbers) => {
                let known: Vec<String> = numbers.iter().map(|(number, _)| number.to_string()).collect();
                format!("one of the numbers {}", known.join(", "))
            }
            Self::Word(words) => format!("one of the words {}", words.join(", ")),
            Self::List(_) => "a list".to_owned(),
            Self::Object(_) => "an object".to_owned(),
        }
    }
}

fn int(number: &serde_json::Number) -> Option<i32> {
    i32::try_from(number.as_i64()?).ok()
}

/// What a handler takes an argument as.
pub(super) trait FromArg: Sized {
    /// Nothing where the table has another form.
    fn from_arg(arg: Arg) -> Option<Self>;
}

macro_rules! from_arg {
    ($($type:ty = $variant:ident),*) => {$(
        impl FromArg for $type {
            fn from_arg(arg: Arg) -> Option<Self> {
                if let Arg::$variant(value) = arg { Some(value) } else { None }
            }
        }
    )*};
}
from_arg!(String = Text, Vec<u8> = Bytes, bool = Flag, i32 = Int, i64 = Long, Args = Object);

impl FromArg for Vec<String> {
    fn from_arg(arg: Arg) -> Option<Self> {
        list(arg)
    }
}

impl FromArg for Vec<i32> {
    fn from_arg(arg: Arg) -> Option<Self> {
        list(arg)
    }
}

impl FromArg for Vec<Args> {
    fn from_arg(arg: Arg) -> Option<Self> {
        list(arg)
    }
}

fn list<T: FromArg>(arg: Arg) -> Option<Vec<T>> {
    let Arg::List(items) = arg else { return None };
    items.into_iter().map(T::from_arg).collect()
}
