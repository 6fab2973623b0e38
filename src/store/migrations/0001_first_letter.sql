-- SPDX-License-Identifier: Apache-2.0

-- What the sync task knows of the server. One row.
create table sync_state (
    only_row integer primary key check (only_row = 1),
    -- The server's store behind this cache: another one makes the cache worthless.
    instance text,
    -- Server time of the last sync that was completed; null until there is one.
    since_ms integer,
    -- How far the user's own stream is known.
    version integer not null default 0,
    nick text not null default '',
    face_url text not null default ''
);
insert into sync_state (only_row) values (1);

create table conversation (
    row_id integer primary key,
    conversation_id text not null unique,
    -- The server's number for the log; null until the server has spoken of it.
    log integer,
    -- The user's own row, as of `version` of the user's stream.
    version integer not null default 0,
    visible_from integer not null default 1,
    visible_to integer,
    read_seq integer not null default 0,
    base_counted integer not null default 0,
    base_own integer not null default 0,
    own_counted integer not null default 0,
    -- The log's head.
    max_seq integer not null default 0,
    change_seq integer not null default 0,
    counted integer not null default 0,
    order_key integer not null default 0,
    peer_read_seq integer not null default 0,
    peer_read_ms integer not null default 0,
    -- Up to here listeners were told of messages, or it was decided not to tell; null until decided.
    frontier_seq integer,
    -- What the list shows: the group's or the peer's.
    name text not null default '',
    face_url text not null default '',
    group_type text,
    -- This device's own.
    draft_text text,
    draft_ms integer not null default 0,
    -- Time of the latest draft or unsent message: raises the conversation on this device until the server has it.
    local_key integer not null default 0,
    unread integer not null generated always as
        (max(0, (counted - base_counted) - (own_counted - base_own))) virtual,
    list_key integer not null generated always as (max(order_key, local_key)) virtual
);
-- The conversation list, newest first. A key of 0 is a conversation without anything to show.
create index conversation_list on conversation (list_key desc, conversation_id) where list_key > 0;
-- The total of unread messages.
create index conversation_unread on conversation (unread) where unread > 0;

create table message (
    row_id integer primary key,
    message_id text not null unique,
    conversation integer not null,
    -- Its sequence; for one not sent, the last sequence that was there when it was made.
    anchor_seq integer not null,
    -- 0 once sent; those not sent stand after their anchor, rising.
    sub integer not null,
    -- 1 sending, 2 sent, 3 failed.
    status integer not null,
    sender text not null,
    nick text not null,
    face_url text not null,
    timestamp_ms integer not null,
    -- Whether it was sent from this device: its listeners are not told of it as new.
    is_local_origin integer not null,
    -- Why it failed.
    failure integer,
    -- JSON with at least the fields of a message body, as it came: what this version cannot read stays in it.
    body text not null
);
-- A conversation's history, either way; also its last message.
create unique index message_history on message (conversation, anchor_seq, sub);
-- What is not sent, of one conversation.
create index message_unsent on message (conversation, timestamp_ms) where status <> 2;

-- The sequences of a log that are either in `message` or known to be hidden from this user. What lies in
-- no range has not been fetched. Ranges of one conversation neither overlap nor touch.
create table held_range (
    conversation integer not null,
    from_seq integer not null,
    to_seq integer not null,
    primary key (conversation, from_seq)
) without rowid;

-- Messages to send, in the order of their positions.
create table outbox (
    position integer primary key autoincrement,
    message_id text not null unique
);
