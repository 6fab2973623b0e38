// SPDX-License-Identifier: Apache-2.0
//! The line that is being typed.

use crate::wrap::{graphemes, width};

/// A line of text and a cursor in it.
#[derive(Debug, Default)]
pub struct Prompt {
    text: String,
    /// In bytes, always between two graphemes.
    cursor: usize,
}

impl Prompt {
    /// Puts a character before the cursor; one that would steer the terminal is left out.
    pub fn insert(&mut self, typed: char) {
        if !typed.is_control() {
            self.text.insert(self.cursor, typed);
            self.cursor += typed.len_utf8();
        }
    }

    /// Takes out what stands before the cursor.
    pub fn backspace(&mut self) {
        let end = self.cursor;
        self.left();
        self.text.drain(self.cursor..end);
    }

    /// Takes out what stands after the cursor.
    pub fn delete(&mut self) {
        let end = self.after_cursor();
        self.text.drain(self.cursor..end);
    }

    /// Moves the cursor one character back.
    pub fn left(&mut self) {
        self.cursor = self.edges().take_while(|edge| *edge < self.cursor).last().unwrap_or(0);
    }

    /// Moves the cursor one character forward.
    pub fn right(&mut self) {
        self.cursor = self.after_cursor();
    }

    /// Moves the cursor to the beginning.
    pub fn home(&mut self) {
        self.cursor = 0;
    }

    /// Moves the cursor to the end.
    pub fn end(&mut self) {
        self.cursor = self.text.len();
    }

    /// Takes the line out, unless it is blank.
    pub fn take(&mut self) -> Option<String> {
        self.cursor = 0;
        let text = std::mem::take(&mut self.text);
        (!text.trim().is_empty()).then_some(text)
    }

    /// The part around the cursor that fits into `columns` cells, and the cell of the cursor in it.
    pub fn window(&self, columns: usize) -> (String, usize) {
        let room = columns.saturating_sub(1);
        let mut before = String::new();
        for grapheme in graphemes(&self.text[..self.cursor]).into_iter().rev() {
            if width(&before) + width(&grapheme) > room {
                break;
            }
            before.insert_str(0, &grapheme);
        }
        let cell = width(&before);
        let mut shown = before;
        for grapheme in graphemes(&self.text[self.cursor..]) {
            if width(&shown) + width(&grapheme) > columns {
                break;
            }
            shown.push_str(&grapheme);
        }
        (shown, cell)
    }

    /// Where graphemes begin, and the end.
    fn edges(&self) -> impl Iterator<Item = usize> {
        let lengths = graphemes(&self.text).into_iter().map(|grapheme| grapheme.len());
        std::iter::once(0).chain(lengths.scan(0, |edge, length| {
            *edge += length;
            Some(*edge)
        }))
    }

    fn after_cursor(&self) -> usize {
        self.edges().find(|edge| *edge > self.cursor).unwrap_or(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Prompt {
        let mut prompt = Prompt::default();
        text.chars().for_each(|typed| prompt.insert(typed));
        prompt
    }

    #[test]
    fn editing_moves_by_what_a_person_sees_as_one_character() {
        let mut prompt = typed("鸿👍🏽雁");
        prompt.left();
        prompt.backspace();
        assert_eq!(prompt.text, "鸿雁");
        prompt.home();
        prompt.delete();
        prompt.end();
        prompt.insert('!');
        assert_eq!(prompt.take().as_deref(), Some("雁!"));
        assert_eq!(prompt.text, "");
    }

    #[test]
    fn the_ends_hold() {
        let mut prompt = typed("a");
        prompt.right();
        prompt.delete();
        prompt.home();
        prompt.left();
        prompt.backspace();
        assert_eq!(prompt.text, "a");
    }

    #[test]
    fn a_blank_line_is_no_message() {
        assert_eq!(typed("  ").take(), None);
    }

    #[test]
    fn a_long_line_scrolls_with_the_cursor() {
        let mut prompt = typed("hello 鸿雁");
        assert_eq!(prompt.window(6), (" 鸿雁".to_owned(), 5));
        assert_eq!(prompt.window(20), ("hello 鸿雁".to_owned(), 10));
        prompt.home();
        assert_eq!(prompt.window(6), ("hello ".to_owned(), 0));
    }
}
