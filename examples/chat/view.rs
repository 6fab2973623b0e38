// SPDX-License-Identifier: Apache-2.0
//! The screen: the messages, the other conversations beside them, the line that is typed below.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect, Size};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};

use crate::row;
use crate::state::{Chat, Connection};
use crate::wrap::{fit, width};

const SIDE_COLUMNS: u16 = 24;
/// A narrower terminal has no place for the list.
const COLUMNS_WITH_SIDE_MIN: u16 = 64;
const KEYS: &str = "Enter send · ↑ ↓ PgUp PgDn scroll · Ctrl-R send failed again · Esc leave";
/// For a narrower terminal.
const KEYS_SHORT: &str = "Enter send · Esc leave · PgUp PgDn · Ctrl-R";

/// Where everything stands.
pub struct Areas {
    title: Rect,
    /// The messages, without a frame around them.
    pub messages: Rect,
    side: Rect,
    prompt: Rect,
    keys: Rect,
}

/// Divides a terminal.
pub fn areas(size: Size) -> Areas {
    let rows = [Constraint::Length(1), Constraint::Min(1), Constraint::Length(3), Constraint::Length(1)];
    let [title, body, prompt, keys] =
        Rect::from((ratatui::layout::Position::ORIGIN, size)).layout(&Layout::vertical(rows));
    let side = if size.width < COLUMNS_WITH_SIDE_MIN { 0 } else { SIDE_COLUMNS };
    let [messages, side] = body.layout(&Layout::horizontal([Constraint::Min(1), Constraint::Length(side)]));
    Areas { title, messages, side, prompt, keys }
}

/// Draws the state.
pub fn draw(frame: &mut Frame<'_>, chat: &Chat) {
    let areas = areas(frame.area().as_size());
    draw_title(frame, areas.title, chat);
    draw_messages(frame, areas.messages, chat);
    draw_conversations(frame, areas.side, chat);
    draw_prompt(frame, areas.prompt, chat);
    let last_line = match &chat.notice {
        Some(notice) => fit(notice, usize::from(areas.keys.width)).yellow(),
        None if width(KEYS) > usize::from(areas.keys.width) => KEYS_SHORT.dark_gray(),
        None => KEYS.dark_gray(),
    };
    frame.render_widget(last_line, areas.keys);
}

fn draw_title(frame: &mut Frame<'_>, area: Rect, chat: &Chat) {
    let names = Line::from(vec![
        " 鸿雁  ".bold(),
        Span::raw(chat.me.as_str()).cyan(),
        Span::raw(" → "),
        Span::raw(chat.title()).bold(),
    ]);
    let state = match &chat.connection {
        Connection::Connected => "● connected ".green(),
        Connection::Connecting => "◌ connecting ".yellow(),
        Connection::Offline(reason) => Span::raw(format!("○ offline: {reason} ")).red(),
        Connection::Refused(reason) => Span::raw(format!("○ {reason} ")).red(),
    };
    // A long reason leaves room for the names, and very long names leave some for the state.
    let room = area.width.saturating_sub(cells(names.width()) + 1).max(area.width / 4);
    let state_columns = cells(state.width()).min(room);
    let state = Span::styled(fit(&state.content, usize::from(state_columns)), state.style);
    let [left, right] = area.layout(&Layout::horizontal([Constraint::Min(0), Constraint::Length(state_columns)]));
    frame.render_widget(names, left);
    frame.render_widget(state, right);
}

fn draw_messages(frame: &mut Frame<'_>, area: Rect, chat: &Chat) {
    let rows = usize::from(area.height);
    let mut lines: Vec<Line<'static>> = Vec::new();
    let below = chat.bottom().map_or(0, |bottom| bottom + 1);
    for message in chat.timeline.messages()[..below].iter().rev() {
        lines.extend(row::lines(message, area.width, chat.now_ms).into_iter().rev());
        if lines.len() >= rows {
            break;
        }
    }
    lines.truncate(rows);
    lines.reverse();
    let used = cells(lines.len());
    let bottom = Rect { y: area.bottom() - used, height: used, ..area };
    frame.render_widget(Paragraph::new(lines), bottom);
}

fn draw_conversations(frame: &mut Frame<'_>, area: Rect, chat: &Chat) {
    let elsewhere: i64 = chat.conversations.iter().map(|held| held.unread_count).sum();
    let title = if elsewhere > 0 { format!(" {elsewhere} unread ") } else { " conversations ".to_owned() };
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(Style::new().dark_gray()).title(title);
    let columns = usize::from(block.inner(area).width);
    let lines = chat.conversations.iter().map(|held| {
        let unread = if held.unread_count > 0 { format!(" {}", held.unread_count) } else { String::new() };
        let is_open = held.conversation_id == chat.conversation_id;
        let sign = if is_open { "▸" } else { " " };
        let kind = if held.group_id.is_some() { "#" } else { "" };
        let name = fit(&format!("{sign}{kind}{}", held.show_name), columns.saturating_sub(width(&unread)));
        Line::from(vec![if is_open { name.bold() } else { Span::raw(name) }, unread.yellow().bold()])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}

fn draw_prompt(frame: &mut Frame<'_>, area: Rect, chat: &Chat) {
    let hint = match chat.waiting_count() {
        0 if chat.is_scrolled_back() => " newer messages below ".to_owned(),
        0 => String::new(),
        1 => " 1 line waits for the login ".to_owned(),
        count => format!(" {count} lines wait for the login "),
    };
    let block = Block::bordered().border_type(BorderType::Rounded).title(hint.yellow());
    let inside = block.inner(area);
    let (text, cell) = chat.prompt.window(usize::from(inside.width));
    frame.render_widget(Paragraph::new(text).block(block), area);
    frame.set_cursor_position((inside.x + cells(cell), inside.y));
}

fn cells(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use hongyan::message::Message;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Buffer;

    use super::*;
    use crate::sample::{NOW_MS, conversation, mine, sending, theirs};
    use crate::state::Input;

    fn chat(size: Size) -> Chat {
        let mut chat = Chat::new("alice", "c2c_bob", size, NOW_MS);
        chat.update(Input::Connection(Connection::Connected));
        chat.update(Input::Conversations(vec![conversation("bob", 2, 0), conversation("carol", 1, 3)]));
        chat
    }

    /// The screen as text.
    fn screen(chat: &Chat) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(chat.size.width, chat.size.height)).unwrap();
        terminal.draw(|frame| draw(frame, chat)).unwrap();
        let buffer = terminal.backend().buffer();
        (0..chat.size.height).map(|y| line(buffer, y)).collect()
    }

    fn line(buffer: &Buffer, y: u16) -> String {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // The second cell of a wide character is blank.
            x += cells(width(symbol).max(1));
        }
        line.trim_end().to_owned()
    }

    #[test]
    fn the_whole_screen() {
        let mut chat = chat(Size::new(72, 12));
        let read = Message { is_peer_read: true, ..mine(1, "Did the letter come?") };
        let messages = vec![sending("x", "Good."), theirs(2, "It did. 鸿雁传书"), read];
        chat.update(Input::Newest { messages, is_finished: true });
        chat.prompt.insert('你');
        assert_eq!(
            screen(&chat),
            [
                " 鸿雁  alice → bob                                          ● connected",
                "                                                ╭ 3 unread ────────────╮",
                "                                                │▸bob                  │",
                "                                                │ carol               3│",
                "                                                │                      │",
                " now me         Did the letter come?         ✓✓ │                      │",
                " now bob        It did. 鸿雁传书                │                      │",
                " now me         Good.                         … ╰──────────────────────╯",
                "╭──────────────────────────────────────────────────────────────────────╮",
                "│你                                                                    │",
                "╰──────────────────────────────────────────────────────────────────────╯",
                "Enter send · ↑ ↓ PgUp PgDn scroll · Ctrl-R send failed again · Esc leave",
            ]
        );
    }

    #[test]
    fn the_newest_lines_stand_at_the_bottom_and_what_is_too_much_is_cut_at_the_top() {
        let mut chat = chat(Size::new(40, 8));
        let messages = vec![theirs(3, "three"), theirs(2, "a text that is too long for one line"), theirs(1, "one")];
        chat.update(Input::Newest { messages, is_finished: true });
        let expected =
            [" now bob        a text that is too", "                long for one line", " now bob        three"];
        assert_eq!(screen(&chat)[1..4], expected);
    }

    #[test]
    fn no_terminal_is_too_small() {
        for (columns, rows) in [(0, 0), (1, 1), (3, 2), (10, 5), (63, 6), (64, 6)] {
            let mut chat = chat(Size::new(columns, rows));
            let messages = vec![mine(2, "鸿雁传书 and more"), theirs(1, "one")];
            chat.update(Input::Newest { messages, is_finished: false });
            chat.prompt.insert('鸿');
            let _ = screen(&chat);
        }
    }
}
