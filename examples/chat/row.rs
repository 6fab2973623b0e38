// SPDX-License-Identifier: Apache-2.0
//! One message as lines: its age, its sender, its text and, for own messages, how far it came.

use hongyan::message::{Element, GroupTipsType, Message, MessageStatus};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};

use crate::wrap::{fit, width, wrap};

const AGE_COLUMNS: usize = 4;
const SENDER_COLUMNS: usize = 10;
const MARK_COLUMNS: usize = 2;
/// Between the marks and what stands beside the messages.
const RIGHT_COLUMNS: usize = 1;
/// The age, the sender and a blank after each.
const LEFT_COLUMNS: usize = AGE_COLUMNS + 1 + SENDER_COLUMNS + 1;

/// How many lines a message takes in a pane of so many columns.
pub fn height(message: &Message, columns: u16) -> u16 {
    u16::try_from(text_lines(message, columns).len()).unwrap_or(u16::MAX)
}

/// The lines of a message in a pane of so many columns.
pub fn lines(message: &Message, columns: u16, now_ms: i64) -> Vec<Line<'static>> {
    let texts = text_lines(message, columns);
    let last = texts.len().saturating_sub(1);
    let mut lines = Vec::with_capacity(texts.len());
    for (index, text) in texts.into_iter().enumerate() {
        let mut spans = if index == 0 {
            let age = format!("{:>AGE_COLUMNS$} ", age(now_ms - message.timestamp_ms));
            let sender = format!("{} ", fit(sender(message), SENDER_COLUMNS));
            vec![age.dark_gray(), Span::styled(sender, Style::new().fg(color_of(message)).bold())]
        } else {
            vec![Span::raw(" ".repeat(LEFT_COLUMNS))]
        };
        let mark = if index == last { mark(message) } else { Span::raw("") };
        let gap =
            text_columns(columns).saturating_sub(width(&text)) + MARK_COLUMNS - mark.width().min(MARK_COLUMNS) + 1;
        spans.push(if is_tip(message) { text.dark_gray().italic() } else { Span::raw(text) });
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(mark);
        lines.push(Line::from(spans));
    }
    lines
}

/// What a message says, in words.
pub fn text(message: &Message) -> String {
    let parts = message.elements.iter().map(|element| match element {
        Element::Text { text } => text.clone(),
        Element::Custom { data, description, .. } if description.is_empty() => {
            format!("[custom, {} bytes]", data.len())
        }
        Element::Custom { description, .. } => format!("[{description}]"),
        Element::GroupTips { tips, operator_id, members, .. } => match tips {
            GroupTipsType::Invite => {
                // The first tip of a group names its maker among the members.
                let others: Vec<_> = members.iter().filter(|member| *member != operator_id).cloned().collect();
                format!("{operator_id} brought in {}", others.join(", "))
            }
            GroupTipsType::Quit => format!("{operator_id} left"),
            GroupTipsType::Unknown => "something happened in the group".to_owned(),
        },
        Element::Unknown { .. } => "[made by a newer version]".to_owned(),
    });
    parts.collect::<Vec<_>>().join("\n")
}

fn text_columns(columns: u16) -> usize {
    usize::from(columns).saturating_sub(LEFT_COLUMNS + 1 + MARK_COLUMNS + RIGHT_COLUMNS)
}

fn text_lines(message: &Message, columns: u16) -> Vec<String> {
    wrap(&text(message), text_columns(columns))
}

fn is_tip(message: &Message) -> bool {
    message.elements.iter().all(|element| matches!(element, Element::GroupTips { .. }))
}

fn sender(message: &Message) -> &str {
    match message {
        _ if is_tip(message) => "·",
        _ if message.is_self => "me",
        _ if message.nick_name.is_empty() => &message.sender,
        _ => &message.nick_name,
    }
}

fn color_of(message: &Message) -> Color {
    const OTHERS: [Color; 5] = [Color::Yellow, Color::Magenta, Color::Green, Color::Blue, Color::LightRed];
    let sum: usize = message.sender.bytes().map(usize::from).sum();
    if message.is_self { Color::Cyan } else { OTHERS[sum % OTHERS.len()] }
}

fn mark(message: &Message) -> Span<'static> {
    match message.status {
        _ if !message.is_self || is_tip(message) => Span::raw(""),
        MessageStatus::Sending => "…".yellow(),
        MessageStatus::Failed => "✗".red().bold(),
        MessageStatus::Sent if message.is_peer_read => "✓✓".green(),
        MessageStatus::Sent => "✓".dark_gray(),
    }
}

fn age(passed_ms: i64) -> String {
    const MINUTE_MS: i64 = 60_000;
    const HOUR_MS: i64 = 60 * MINUTE_MS;
    const DAY_MS: i64 = 24 * HOUR_MS;
    match passed_ms {
        ..MINUTE_MS => "now".to_owned(),
        MINUTE_MS..HOUR_MS => format!("{}m", passed_ms / MINUTE_MS),
        HOUR_MS..DAY_MS => format!("{}h", passed_ms / HOUR_MS),
        _ => format!("{}d", passed_ms / DAY_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{NOW_MS, mine, sending, theirs};

    fn plain(message: &Message, columns: u16) -> Vec<String> {
        lines(message, columns, NOW_MS + 180_000).iter().map(|line| line.to_string().trim_end().to_owned()).collect()
    }

    #[test]
    fn a_message_shows_its_age_its_sender_and_its_text() {
        assert_eq!(plain(&theirs(1, "hello"), 40), ["  3m bob        hello"]);
        let named = Message { nick_name: "鲍勃".into(), ..theirs(1, "你好") };
        assert_eq!(plain(&named, 40), ["  3m 鲍勃       你好"]);
    }

    #[test]
    fn own_messages_show_how_far_they_came_at_the_edge() {
        let failed = Message { status: MessageStatus::Failed, ..sending("a", "hi") };
        let read = Message { is_peer_read: true, ..mine(1, "hi") };
        let ends = [sending("a", "hi"), failed, mine(1, "hi"), read].map(|message| plain(&message, 30)[0].clone());
        assert_eq!(
            ends,
            [
                "  3m me         hi          …",
                "  3m me         hi          ✗",
                "  3m me         hi          ✓",
                "  3m me         hi         ✓✓",
            ]
        );
        assert!(lines(&mine(1, "a long text that wraps"), 30, 0).iter().all(|line| line.width() <= 30));
    }

    #[test]
    fn the_height_is_the_number_of_lines() {
        for columns in [3, 20, 30, 80] {
            let message = mine(1, "鸿雁 the wild goose\n\ncarries letters over a thousand miles");
            assert_eq!(usize::from(height(&message, columns)), lines(&message, columns, 0).len());
        }
    }

    #[test]
    fn what_is_no_text_is_put_in_words() {
        let with = |element| text(&Message { elements: vec![element], ..theirs(1, "") });
        let custom = Element::Custom { data: vec![1, 2], description: String::new(), extension: String::new() };
        assert_eq!(with(custom), "[custom, 2 bytes]");
        assert_eq!(with(Element::Unknown { json: "{}".into() }), "[made by a newer version]");
    }
}
