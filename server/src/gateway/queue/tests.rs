// SPDX-License-Identifier: Apache-2.0

use super::*;

fn queue(pushes_max: usize, bytes_max: usize) -> OutQueue {
    queue_within(&Arc::default(), pushes_max, bytes_max)
}

fn queue_within(budget: &Arc<Budget>, pushes_max: usize, bytes_max: usize) -> OutQueue {
    let queue = OutQueue::new(QueueLimits { pushes_max, bytes_max }, PushCounters::default(), Arc::clone(budget));
    queue.open("session".to_owned());
    assert!(is_reply(queue.pop(), "session"));
    queue
}

fn is_reply(frame: Option<OutFrame>, expected: &str) -> bool {
    matches!(frame, Some(OutFrame::Reply(text)) if text == expected)
}

fn event(text: &str) -> Arc<Charged> {
    Charged::new(&text.into(), &Arc::default())
}

fn drain(queue: &OutQueue) -> Vec<(u64, String)> {
    std::iter::from_fn(|| queue.pop())
        .filter_map(|frame| match frame {
            OutFrame::Push { number, event } => Some((number, event.text().to_owned())),
            OutFrame::Reply(_) => None,
        })
        .collect()
}
#[test]
fn events_before_the_session_is_open_are_not_taken() {
    let queue =
        OutQueue::new(QueueLimits { pushes_max: 10, bytes_max: 1_000 }, PushCounters::default(), Arc::default());
    assert!(!queue.push(&event("early")));
    queue.open("session".to_owned());
    queue.push(&event("event"));
    assert!(is_reply(queue.pop(), "session"));
    assert_eq!(drain(&queue), [(1, "event".to_owned())]);
}

#[test]
fn push_numbers_are_dense_while_nothing_is_left_out() {
    let queue = queue(100, 1_000);
    for _ in 0..50 {
        assert!(!queue.push(&event("e")));
        queue.reply("r".to_owned());
    }
    let numbers: Vec<u64> = drain(&queue).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
}

#[test]
fn many_sessions_share_the_bytes_of_one_event_and_it_counts_once() {
    let budget = Arc::default();
    let event = Charged::new(&"x".repeat(1_000).into(), &budget);
    let queues: Vec<_> = (0..10).map(|_| queue_within(&budget, 10, 10_000)).collect();
    for queue in &queues {
        queue.push(&event);
    }
    drop(event);
    assert_eq!(budget.held_bytes(), 1_000 + 10 * ENTRY_BYTES);
    queues[0].pop();
    assert_eq!(budget.held_bytes(), 1_000 + 9 * ENTRY_BYTES);
    drop(queues);
    assert_eq!(budget.held_bytes(), 0);
}

#[test]
fn a_queue_that_is_emptied_keeps_answers_and_last_words_and_owes_a_resync() {
    let budget = Arc::default();
    let queue = queue_within(&budget, 10, 1_000);
    for _ in 0..3 {
        queue.push(&Charged::new(&"event".into(), &budget));
    }
    queue.reply("answer".to_owned());
    queue.push_always("farewell".into());
    assert_eq!((queue.shed(), queue.push_bytes()), (3, "farewell".len()));
    assert_eq!(budget.held_bytes(), 2 * ENTRY_BYTES + "answer".len());
    assert!(queue.push(&event("later")), "until the client knows, what follows is left out too");
    assert!(is_reply(queue.pop(), "answer"));
    let read = drain(&queue);
    assert_eq!(read[0], (4, "farewell".to_owned()));
    assert_eq!(read[1], (6, r#""event":"resync","data":{}}"#.to_owned()));
    assert_eq!((read.len(), budget.held_bytes(), queue.shed()), (2, 0, 0));
    assert!(!queue.push(&event("event")));
}

#[test]
fn answers_count_until_their_last_piece_is_written_and_not_after_the_end() {
    let budget = Arc::default();
    let queue = queue_within(&budget, 10, 1_000);
    queue.reply("answer".to_owned());
    queue.reply("another".to_owned());
    assert_eq!(queue.answer_bytes(), 2 * ENTRY_BYTES + "answeranother".len());
    assert_eq!(budget.held_bytes(), queue.answer_bytes());
    queue.pop();
    queue.set_unwritten(100_000);
    assert_eq!(budget.held_bytes(), ENTRY_BYTES + "another".len() + 100_000);
    queue.set_unwritten(0);
    assert_eq!(budget.held_bytes(), ENTRY_BYTES + "another".len());

    queue.push(&Charged::new(&"event".into(), &budget));
    queue.set_unwritten(100_000);
    queue.give_up();
    assert!(budget.held_bytes() == 0 && queue.answer_bytes() == 0 && queue.is_empty() && queue.pop().is_none());
    queue.set_unwritten(100_000);
    queue.reply("too late".to_owned());
    assert!(!queue.push(&Charged::new(&"too late".into(), &budget)));
    assert!(budget.held_bytes() == 0 && queue.is_empty());
}

#[test]
fn where_room_is_scarce_one_unread_answer_is_enough() {
    let budget: Arc<Budget> = Arc::default();
    budget.set_max(1_000);
    let queue = queue_within(&budget, 10, 1_000);
    queue.reply("answer".to_owned());
    assert!(!queue.is_congested(0));
    budget.add(501);
    assert!(queue.is_congested(0));
    queue.pop();
    assert!(!queue.is_congested(0), "who has read may ask");
    assert!(queue.is_congested(1), "an answer that is owed counts");
    budget.remove(501);
    assert!(!queue.is_congested(1));
}

#[test]
fn what_does_not_fit_uses_up_its_number_and_a_resync_follows_the_rest() {
    let queue = queue(2, 1_000);
    let left_out: Vec<bool> = (0..5).map(|_| queue.push(&event("event"))).collect();
    assert_eq!(left_out, [false, false, true, true, true]);
    assert_eq!(queue.last_number(), 5);
    let read = drain(&queue);
    assert_eq!(read.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 6]);
    assert_eq!(read[2].1, r#""event":"resync","data":{}}"#);
    assert!(!queue.push(&event("event")));
    assert_eq!(drain(&queue), [(7, "event".to_owned())]);
}

#[test]
fn a_resync_that_is_asked_for_follows_what_waits() {
    let queue = queue(2, 1_000);
    queue.push(&event("event"));
    queue.resync();
    assert!(!queue.is_empty());
    let read = drain(&queue);
    assert_eq!(read.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(read[1].1, r#""event":"resync","data":{}}"#);
}

#[test]
fn bytes_bound_the_queue_as_well_as_frames() {
    let queue = queue(100, 10);
    assert!(!queue.push(&event("0123456789")));
    assert!(queue.push(&event("0")));
}

#[test]
fn answers_are_never_left_out_and_say_when_it_is_enough() {
    let queue = queue(1, 1);
    for _ in 0..REPLIES_CONGESTED {
        assert!(!queue.is_congested(0));
        queue.reply("answer".to_owned());
    }
    assert!(queue.is_congested(0));
    assert_eq!(std::iter::from_fn(|| queue.pop()).count(), REPLIES_CONGESTED);
    assert!(queue.is_empty());
}

#[test]
fn answers_that_are_owed_count_like_those_that_wait() {
    let queue = queue(1, 1);
    assert!(!queue.is_congested(REPLY_BYTES_CONGESTED));
    queue.reply("answer".to_owned());
    assert!(queue.is_congested(REPLY_BYTES_CONGESTED));
    queue.pop();
    assert!(!queue.is_congested(REPLY_BYTES_CONGESTED));
}

#[test]
fn the_last_event_passes_a_full_queue_and_nothing_follows_it() {
    let queue = queue(1, 1_000);
    queue.push(&event("first"));
    queue.push(&event("left out"));
    queue.end(Some("last".into()));
    queue.push(&event("too late"));
    queue.reply("too late".to_owned());
    assert_eq!(drain(&queue), [(1, "first".to_owned()), (3, "last".to_owned())]);
    assert!(queue.is_empty());
}
