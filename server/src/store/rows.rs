// SPDX-License-Identifier: Apache-2.0
//! Many rows as one parameter of a statement: see [`super::dialect`].

use hongyan_protocol::ids::{ChangeSeq, DeviceId, GroupId, LogId, MessageId, SdkAppId, Seq, UserId, Version};
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::{Query, QueryAs};

/// One column of many rows.
pub(crate) enum Column {
    Bigint(Vec<i64>),
    Text(Vec<String>),
}

/// What stands in one place of a row.
pub(crate) trait Cell {
    fn column<'a>(cells: impl Iterator<Item = &'a Self>) -> Column
    where
        Self: 'a;
}

/// A tuple of cells. It is also written as JSON, with the same values.
pub(crate) trait Row: serde::Serialize + Sized {
    fn columns(rows: &[Self]) -> Vec<Column>;
}

/// Rows as JSON: an array of arrays.
pub(crate) fn to_json<T: Row>(rows: &[T]) -> String {
    serde_json::to_string(rows).expect("rows are tuples of numbers and texts")
}

/// A statement that takes an array for each column.
pub(crate) trait BindColumns: Sized {
    fn bind_column(self, column: Column) -> Self;

    fn bind_columns<T: Row>(self, rows: &[T]) -> Self {
        T::columns(rows).into_iter().fold(self, Self::bind_column)
    }
}

impl BindColumns for Query<'_, Postgres, PgArguments> {
    fn bind_column(self, column: Column) -> Self {
        match column {
            Column::Bigint(values) => self.bind(values),
            Column::Text(values) => self.bind(values),
        }
    }
}

impl<O> BindColumns for QueryAs<'_, Postgres, O, PgArguments> {
    fn bind_column(self, column: Column) -> Self {
        match column {
            Column::Bigint(values) => self.bind(values),
            Column::Text(values) => self.bind(values),
        }
    }
}

macro_rules! cells {
    ($kind:ident: $($cell:ty => $value:expr),+ $(,)?) => {$(
        impl Cell for $cell {
            fn column<'a>(cells: impl Iterator<Item = &'a Self>) -> Column where Self: 'a {
                let value: fn(&Self) -> _ = $value;
                Column::$kind(cells.map(value).collect())
            }
        }
    )+};
}

cells! { Bigint:
    i64 => |number| *number,
    SdkAppId => |app| app.get(),
    LogId => |log| log.get(),
    Seq => |seq| seq.get(),
    ChangeSeq => |seq| seq.get(),
    Version => |version| version.get(),
}

cells! { Text:
    String => Clone::clone,
    &str => |text| (*text).to_owned(),
    UserId => |user| user.as_str().to_owned(),
    GroupId => |group| group.as_str().to_owned(),
    MessageId => ToString::to_string,
    DeviceId => ToString::to_string,
}

impl<T: Cell> Cell for &T {
    fn column<'a>(cells: impl Iterator<Item = &'a Self>) -> Column
    where
        Self: 'a,
    {
        T::column(cells.copied())
    }
}

macro_rules! rows {
    ($($cell:ident $place:tt),+) => {
        impl<$($cell: Cell + serde::Serialize),+> Row for ($($cell,)+) {
            fn columns(rows: &[Self]) -> Vec<Column> {
                vec![$($cell::column(rows.iter().map(|row| &row.$place))),+]
            }
        }
    };
}

rows!(A 0);
rows!(A 0, B 1);
rows!(A 0, B 1, C 2);
rows!(A 0, B 1, C 2, D 3);
rows!(A 0, B 1, C 2, D 3, E 4);
rows!(A 0, B 1, C 2, D 3, E 4, F 5);
rows!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
rows!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
