// SPDX-License-Identifier: Apache-2.0

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use super::*;

type Listener = dyn Fn(u32) + Send + Sync;

fn registry() -> Registry<Listener> {
    Registry::default()
}

fn counter() -> (Arc<AtomicU32>, Arc<Listener>) {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let listener = move |number| {
        counted.fetch_add(number, Ordering::SeqCst);
    };
    (count, Arc::new(listener))
}

#[test]
fn a_listener_lives_without_its_subscription() {
    let registry = registry();
    let (count, listener) = counter();
    drop(registry.add(listener));
    registry.notify(|listener| listener(1));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn a_listener_that_throws_silences_no_other() {
    let registry = registry();
    let (count, listener) = counter();
    registry.add(Arc::new(|_| panic!("the app's own error")));
    registry.add(listener);
    registry.notify(|listener| listener(1));
    registry.notify(|listener| listener(1));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn no_call_begins_after_a_cancellation_from_inside_and_twice() {
    let registry = registry();
    let count = Arc::new(AtomicU32::new(0));
    let own: Arc<Mutex<Option<Arc<Subscription>>>> = Arc::default();
    let (counted, cancelling) = (Arc::clone(&count), Arc::clone(&own));
    let subscription = registry.add(Arc::new(move |number| {
        counted.fetch_add(number, Ordering::SeqCst);
        let subscription = lock(&cancelling).clone().expect("it is set below");
        subscription.cancel();
        subscription.cancel();
    }));
    *lock(&own) = Some(Arc::clone(&subscription));
    registry.notify(|listener| listener(1));
    registry.notify(|listener| listener(1));
    subscription.cancel();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(registry.is_empty());
}

#[test]
fn a_cancellation_reaches_a_listener_that_is_next_in_the_same_round() {
    let registry = registry();
    let (count, listener) = counter();
    let later: Arc<Mutex<Option<Arc<Subscription>>>> = Arc::default();
    let cancelled = Arc::clone(&later);
    registry.add(Arc::new(move |_| lock(&cancelled).as_ref().expect("it is set below").cancel()));
    *lock(&later) = Some(registry.add(listener));
    registry.notify(|listener| listener(1));
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn no_call_begins_after_a_cancellation_from_another_thread() {
    for _ in 0..200 {
        let registry = Arc::new(registry());
        let (count, listener) = counter();
        let subscription = registry.add(listener);
        let caller = thread::spawn({
            let registry = Arc::clone(&registry);
            move || (0..100).for_each(|_| registry.notify(|listener| listener(1)))
        });
        subscription.cancel();
        let counted = count.load(Ordering::SeqCst);
        caller.join().unwrap();
        assert_eq!(count.load(Ordering::SeqCst), counted);
    }
}

#[test]
fn a_cancellation_does_not_wait_for_a_listener_that_waits_for_it() {
    let registry = Arc::new(registry());
    let (begun, has_begun) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let ended = Mutex::new(ended);
    let subscription = registry.add(Arc::new(move |_| {
        begun.send(()).unwrap();
        lock(&ended).recv().unwrap();
    }));
    let caller = thread::spawn({
        let registry = Arc::clone(&registry);
        move || registry.notify(|listener| listener(1))
    });
    has_begun.recv().unwrap();
    subscription.cancel();
    end.send(()).unwrap();
    caller.join().unwrap();
}
