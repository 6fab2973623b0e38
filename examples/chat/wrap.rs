// SPDX-License-Identifier: Apache-2.0
//! Text in terminal cells: how wide it is, and how it breaks into lines. A Chinese character takes two cells and may
//! stand alone on a line; a Latin word stays whole where it can. Control characters are left out, so that nobody's
//! message can steer the reader's terminal.

use ratatui::style::Style;
use ratatui::text::Span;

/// The user-perceived characters of a text.
pub fn graphemes(text: &str) -> Vec<String> {
    Span::raw(text).styled_graphemes(Style::new()).map(|grapheme| grapheme.symbol.to_owned()).collect()
}

/// How many cells a text takes on one line.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text in lines of at most `columns` cells.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    // A character of two cells fits nothing narrower.
    text.split('\n').flat_map(|line| wrap_line(line, columns.max(2))).collect()
}

fn wrap_line(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut break_at = 0;
    for grapheme in graphemes(text) {
        let is_wide = width(&grapheme) > 1;
        let is_space = grapheme.chars().all(char::is_whitespace);
        if is_wide {
            break_at = line.len();
        }
        if width(&line) + width(&grapheme) > columns {
            let rest = if is_space || break_at == 0 { String::new() } else { line.split_off(break_at) };
            lines.push(line.trim_end().to_owned());
            line = rest;
            break_at = 0;
            if is_space {
                continue;
            }
        }
        line.push_str(&grapheme);
        if is_wide || is_space {
            break_at = line.len();
        }
    }
    lines.push(line);
    lines
}

/// A text in exactly `columns` cells: filled up with blanks, or cut with a mark that says so.
pub fn fit(text: &str, columns: usize) -> String {
    let mut fitted = String::new();
    let is_cut = width(text) > columns;
    let room = if is_cut { columns.saturating_sub(1) } else { columns };
    for grapheme in graphemes(text) {
        if width(&fitted) + width(&grapheme) > room {
            break;
        }
        fitted.push_str(&grapheme);
    }
    if is_cut && columns > 0 {
        fitted.push('…');
    }
    let missing = columns.saturating_sub(width(&fitted));
    fitted.push_str(&" ".repeat(missing));
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_they_fit() {
        assert_eq!(wrap("the wild goose carries letters", 12), ["the wild", "goose", "carries", "letters"]);
        assert_eq!(wrap("unbreakable", 4), ["unbr", "eaka", "ble"]);
        assert_eq!(wrap("one\n\ntwo", 10), ["one", "", "two"]);
    }

    #[test]
    fn chinese_breaks_between_characters_and_takes_two_cells_each() {
        assert_eq!(wrap("鸿雁传书", 5), ["鸿雁", "传书"]);
        assert_eq!(wrap("ab 鸿雁 cd", 5), ["ab 鸿", "雁 cd"]);
        assert_eq!(wrap("鸿", 1), ["鸿"]);
    }

    #[test]
    fn no_line_is_wider_than_asked_and_no_letter_is_lost() {
        let text = "A mixed line: 你好, world! 鸿雁 carries 👍🏽 letters over thousand里路 without losing one";
        for columns in 2..40 {
            let lines = wrap(text, columns);
            assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {lines:?}");
            let letters = |text: &str| text.replace(' ', "");
            assert_eq!(letters(&lines.concat()), letters(text));
        }
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(wrap("\u{1b}[2Jgone\u{7}", 20), ["[2Jgone"]);
        assert_eq!(fit("\u{1b}x", 3), "x  ");
    }

    #[test]
    fn a_fitted_text_takes_exactly_its_cells() {
        assert_eq!(fit("bob", 5), "bob  ");
        assert_eq!(fit("鸿雁传书", 5), "鸿雁…");
        assert_eq!(fit("鸿雁传书", 4), "鸿… ");
        assert_eq!(fit("x", 0), "");
    }
}
