// SPDX-License-Identifier: Apache-2.0
//! Backups and restores of one folder to another; with servers and clients: `tests/backup.rs`.

use super::*;
use crate::store::{execute, fetch_all};

struct Folders {
    root: tempfile::TempDir,
}

impl Folders {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn file(&self) -> PathBuf {
        self.root.path().join("copy")
    }

    async fn open(&self) -> Store {
        Store::open(&Place::Folder(self.data()), Clock::frozen(1_000)).await.unwrap()
    }

    async fn back_up(&self) -> Result<u64, Error> {
        back_up(&self.data(), &self.file()).await
    }

    async fn restore(&self, present: Present) -> Result<Restored, Error> {
        restore(&self.file(), &self.data(), present, Clock::frozen(1_000)).await
    }

    /// Every file, with its length.
    fn listed(&self) -> Vec<(PathBuf, u64)> {
        let mut listed = Vec::new();
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    listed.push((entry.path(), entry.metadata().unwrap().len()));
                }
            }
        }
        listed.sort();
        listed
    }
}

async fn note(store: &Store, name: &str) {
    let mut write = store.begin().await.unwrap();
    execute!(write, "insert into app_setting (app, name, value) values (1, $1, '')", name).unwrap();
    write.commit(|| {}).await.unwrap();
}

async fn notes(store: &Store) -> Vec<String> {
    let mut read = store.read().await.unwrap();
    let rows = fetch_all!(read, (String,), "select name from app_setting order by name limit 100").unwrap();
    rows.into_iter().map(|(name,)| name).collect()
}

#[tokio::test]
async fn a_backup_beside_an_open_store_holds_what_was_committed_and_nothing_else() {
    let folders = Folders::new();
    let store = folders.open().await;
    note(&store, "before").await;
    let mut midway = store.begin().await.unwrap();
    execute!(midway, "insert into app_setting (app, name, value) values (1, 'midway', '')").unwrap();
    let bytes = folders.back_up().await.unwrap();
    assert_eq!(bytes, fs::metadata(folders.file()).unwrap().len());
    midway.commit(|| {}).await.unwrap();
    assert_eq!(notes(&store).await, ["before", "midway"], "the store goes on");
    let instance = store.instance();
    store.close().await;

    let restored = folders.restore(Present::SetAside).await.unwrap();
    let store = folders.open().await;
    assert_eq!(notes(&store).await, ["before"]);
    assert!(store.instance() == restored.instance && restored.instance != instance);
    store.close().await;
    let aside = folders.root.path().join("aside");
    fs::create_dir(&aside).unwrap();
    fs::rename(restored.aside.unwrap(), aside.join(FILE_NAME)).unwrap();
    let before = Store::open(&Place::Folder(aside), Clock::frozen(1_000)).await.unwrap();
    assert_eq!((notes(&before).await, before.instance()), (vec!["before".to_owned(), "midway".to_owned()], instance));
}

#[tokio::test]
async fn a_token_signed_before_a_restore_is_not_good_after_it() {
    let folders = Folders::new();
    let store = folders.open().await;
    // Tokens are signed with this alone.
    let secret = store.secret().to_vec();
    store.close().await;
    let reopened = folders.open().await;
    assert_eq!(reopened.secret(), secret, "a start alone changes nothing");
    folders.back_up().await.unwrap();
    reopened.close().await;
    folders.restore(Present::SetAside).await.unwrap();
    assert_ne!(folders.open().await.secret(), secret);
}

#[cfg(unix)]
#[tokio::test]
async fn a_backup_and_a_restored_store_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folders = Folders::new();
    folders.open().await.close().await;
    folders.back_up().await.unwrap();
    fs::remove_dir_all(folders.data()).unwrap();
    folders.restore(Present::Kept).await.unwrap();
    for (path, expected) in [(folders.file(), 0o600), (folders.data(), 0o700), (folders.data().join(FILE_NAME), 0o600)]
    {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, expected, "{}", path.display());
    }
}

#[tokio::test]
async fn a_backup_writes_over_nothing_and_leaves_nothing_unfinished() {
    let folders = Folders::new();
    let refusal = folders.back_up().await.unwrap_err().to_string();
    assert!(refusal.contains("there is no store in"), "{refusal}");
    assert_eq!(folders.listed(), []);
    folders.open().await.close().await;
    fs::write(folders.file(), "something else").unwrap();
    let before = folders.listed();
    let refusal = folders.back_up().await.unwrap_err().to_string();
    assert!(refusal.contains("writes over nothing"), "{refusal}");
    assert_eq!(folders.listed(), before);
    fs::remove_file(folders.file()).unwrap();
    let unfinished = with_suffix(&folders.file(), UNFINISHED);
    fs::write(&unfinished, "another's").unwrap();
    let refusal = folders.back_up().await.unwrap_err().to_string();
    assert!(refusal.contains("or was stopped midway"), "{refusal}");
    assert_eq!(fs::read_to_string(&unfinished).unwrap(), "another's");
}

#[tokio::test]
async fn a_store_in_the_place_is_left_alone_unless_it_is_to_be_set_aside_and_under_a_server_always() {
    let folders = Folders::new();
    let store = folders.open().await;
    note(&store, "kept").await;
    folders.back_up().await.unwrap();
    store.close().await;
    let refusal = folders.restore(Present::Kept).await.unwrap_err().to_string();
    assert!(refusal.contains("holds a store already"), "{refusal}");
    let lock = FolderLock::take(&folders.data()).unwrap();
    let refusal = folders.restore(Present::SetAside).await.unwrap_err().to_string();
    assert!(refusal.contains("another server is running"), "{refusal}");
    drop(lock);
    let store = folders.open().await;
    assert_eq!(notes(&store).await, ["kept"]);
}

#[tokio::test]
async fn what_is_no_whole_backup_of_this_or_an_older_version_is_refused_and_changes_nothing() {
    let folders = Folders::new();
    let store = folders.open().await;
    note(&store, "kept").await;
    folders.back_up().await.unwrap();
    store.close().await;
    let whole = fs::read(folders.file()).unwrap();
    let expect = async |sentence: &str| {
        let before = folders.listed();
        let refusal = folders.restore(Present::SetAside).await.unwrap_err();
        assert!(!refusal.is_internal() && refusal.to_string().contains(sentence), "{sentence}: {refusal}");
        assert_eq!(folders.listed(), before, "{sentence}");
    };
    for length in [0, 1, 50, 4096, whole.len() - 4096, whole.len() - 1] {
        fs::write(folders.file(), &whole[..length]).unwrap();
        expect("is not a whole backup").await;
    }
    let mut spoilt = whole.clone();
    spoilt[4096 * 3..4096 * 4].fill(0xff);
    fs::write(folders.file(), spoilt).unwrap();
    expect("is not a whole backup").await;
    fs::write(folders.file(), "a letter to a friend").unwrap();
    expect("is not a whole backup").await;
    fs::write(folders.file(), &whole).unwrap();
    let log = with_suffix(&folders.file(), "-wal");
    fs::write(&log, "frames").unwrap();
    expect("a write-ahead log lies beside it").await;
    fs::remove_file(log).unwrap();
    change(&folders.file(), "create table other (id text)").await;
    change(&folders.file(), "drop table instance").await;
    expect("no such table: instance").await;
    fs::write(folders.file(), &whole).unwrap();
    change(&folders.file(), "insert into _sqlx_migrations values (99, 'later', 0, true, x'00', 0)").await;
    expect("newer version of the server").await;
    fs::remove_file(folders.file()).unwrap();
    expect("there is no file").await;

    fs::write(folders.file(), &whole).unwrap();
    folders.restore(Present::SetAside).await.unwrap();
    assert_eq!(notes(&folders.open().await).await, ["kept"]);
}

async fn change(file: &Path, statement: &'static str) {
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_store_too_damaged_to_be_opened_is_set_aside_with_all_its_files() {
    let folders = Folders::new();
    folders.open().await.close().await;
    folders.back_up().await.unwrap();
    let store = folders.data().join(FILE_NAME);
    fs::write(&store, vec![0x55; 20_000]).unwrap();
    fs::write(with_suffix(&store, "-wal"), vec![0x56; 5_000]).unwrap();
    let aside = folders.restore(Present::SetAside).await.unwrap().aside.unwrap();
    assert_eq!(fs::read(&aside).unwrap(), vec![0x55; 20_000]);
    assert_eq!(fs::read(with_suffix(&aside, "-wal")).unwrap(), vec![0x56; 5_000]);
    folders.open().await;
}

#[tokio::test]
async fn a_restore_that_was_stopped_midway_is_begun_anew() {
    let folders = Folders::new();
    folders.open().await.close().await;
    folders.back_up().await.unwrap();
    fs::remove_dir_all(folders.data()).unwrap();
    let left = folders.data().join(STAGING);
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join(FILE_NAME), "half of it").unwrap();
    fs::write(left.join("hongyan.db-wal"), "frames").unwrap();
    folders.restore(Present::Kept).await.unwrap();
    assert!(!left.exists());
    folders.open().await;
}
