-- SPDX-License-Identifier: Apache-2.0

-- What is searched of the messages that the server has. It keeps no text, only where each word stands. A row's id is the
-- message's place, `conversation << 40 | seq`, so that hits come by conversation and in its order, and are counted without
-- a look at the messages.
--
-- `text` has the words of texts, as the SDK segments them: a blank between two. The tokenizer divides them there and does
-- nothing else. `about` has words for the sender and for the kinds of elements.
create virtual table message_index using fts5 (
    text, about, content = '', contentless_delete = 1, detail = full, tokenize = 'ascii'
);

-- How far the index has come. One row.
create table search_state (
    only_row integer primary key check (only_row = 1),
    -- By which rules it was made: by others it is made anew.
    version integer not null,
    -- Messages up to this row are not in it yet, all later ones are as they are stored; 0 once it is whole.
    backlog_to integer not null
);
insert into search_state (only_row, version, backlog_to) select 1, 1, coalesce(max(row_id), 0) from message;
