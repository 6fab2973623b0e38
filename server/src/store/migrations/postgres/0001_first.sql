-- SPDX-License-Identifier: Apache-2.0
-- The tables of the first release. Each belongs to the room named above it; no other room reads or writes it.

-- store ---------------------------------------------------------------------------------------------------------

create table instance (
    id text collate "C" not null primary key,   -- a client that meets another one drops what it cached
    secret text not null,              -- what resume tokens are signed with
    sync_ms bigint not null            -- how far the time of catching up has come; it never falls
);

-- Two servers that start at once make one row.
create unique index instance_is_one on instance ((true));

-- app -----------------------------------------------------------------------------------------------------------

create table app (
    app bigint not null primary key,
    name text collate "C" not null,
    secret_key text not null,          -- what UserSigs are signed with, used as text
    is_demo boolean not null,
    created_ms bigint not null
);

create table app_setting (
    app bigint not null,
    name text collate "C" not null,
    value text not null,               -- a setting without a row has its default
    primary key (app, name)
);

-- account -------------------------------------------------------------------------------------------------------

create table account (
    app bigint not null,
    user_id text collate "C" not null,
    nick text not null,
    face_url text not null,
    version bigint not null,           -- head of the user's own stream
    login_epoch bigint not null,       -- raised by each login
    created_ms bigint not null,
    primary key (app, user_id)
);

create table login_slot (
    app bigint not null,
    user_id text collate "C" not null,
    device text collate "C" not null,
    platform text not null,
    epoch bigint not null,             -- of the login that took the slot; resume tokens name it
    login_ms bigint not null,
    primary key (app, user_id, device)
);

-- conversation --------------------------------------------------------------------------------------------------

create table log (
    id bigint generated always as identity primary key, -- never used again, unlike the id of a group
    app bigint not null,
    kind bigint not null,              -- 0 between two users, 1 of a group
    low text collate "C" not null,              -- the lower of the two users, or the group
    high text collate "C" not null,             -- the higher of the two users, or nothing
    max_seq bigint not null,           -- dense: seq 1 to max_seq all exist
    counted bigint not null,           -- messages that count as unread, up to max_seq
    change_seq bigint not null,
    member_version bigint not null,    -- raised when somebody joins or leaves
    last_ms bigint not null,           -- time of the last message; orders the conversation list
    active_ms bigint not null          -- when anything last happened here, by the time of catching up
);

-- Finds the log between two users.
create unique index log_between on log (app, low, high) where kind = 0;

create table conversation (
    app bigint not null,
    user_id text collate "C" not null,
    log bigint not null,
    visible_from bigint not null,
    visible_to bigint,                 -- null while the user is in it
    left_counted bigint not null,      -- log.counted at visible_to
    left_ms bigint not null,           -- time of the message at visible_to
    read_seq bigint not null,          -- never falls
    base_counted bigint not null,      -- log.counted at the later of reading and joining
    base_own bigint not null,          -- own_counted there
    own_counted bigint not null,       -- the user's own messages that count
    version bigint not null,           -- of the user's stream when this row last changed
    primary key (app, user_id, log)    -- the conversation list of a user
);

-- Lists the members of a log for the fan-out.
create index conversation_members on conversation (log, user_id) where visible_to is null;

create table log_change (
    log bigint not null,
    change_seq bigint not null,
    server_ms bigint not null,
    body text not null,                -- JSON of the wire
    primary key (log, change_seq)
);

-- message -------------------------------------------------------------------------------------------------------

create table message (
    log bigint not null,
    seq bigint not null,
    app bigint not null,
    message_id text collate "C" not null,       -- made by the sender
    sender text collate "C" not null,
    nick text not null,                -- the sender's when it was sent
    face_url text not null,
    server_ms bigint not null,         -- never falls within a log
    counted bigint not null,           -- of the log, up to and with this one
    sender_counted bigint not null,    -- of its sender, up to and with this one
    digest text not null,              -- of the body as first sent: what a repeat is compared with
    body text not null,                -- JSON of the wire
    primary key (log, seq)             -- a page of history
);

-- Finds a message that is sent again.
create unique index message_id on message (app, message_id);

-- Finds a member's last own message before a position.
create index message_of_sender on message (log, sender, seq);

-- group ---------------------------------------------------------------------------------------------------------

create table group_info (
    app bigint not null,
    group_id text collate "C" not null,
    log bigint not null,
    type text not null,
    name text collate "C" not null,
    face_url text not null,
    owner text not null,               -- empty where the owner left
    member_count bigint not null,
    created_ms bigint not null,
    primary key (app, group_id)
);

-- Finds the groups of a page of the conversation list.
create unique index group_of_log on group_info (log);
