// SPDX-License-Identifier: Apache-2.0
//! Random operations on several devices, behind networks that break at random: when all is healed, every device shows
//! what a small model of the logs says.
//!
//! * [`plan`]: what will happen, drawn from a seed. [`world`]: makes it happen. [`model`]: what must come of it.
//!
//! `HONGYAN_SEED` runs one case again, of `HONGYAN_STEPS` operations; `HONGYAN_CASES` says how many there are; with
//! `HONGYAN_SOAK=1` they are many and new ones each time.

mod model;
mod plan;
mod world;

use plan::Plan;
use world::World;

use crate::harness::is_soak;

const CASES: u64 = 10;
const SOAK_CASES: u64 = 100;
const STEPS: usize = 60;
const SOAK_STEPS: usize = 300;

/// Names the case that failed.
struct Case {
    seed: u64,
    steps: usize,
}

impl Drop for Case {
    #[expect(clippy::print_stderr, reason = "a failure is of use only with its seed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the case that failed runs again with HONGYAN_SEED={} HONGYAN_STEPS={}", self.seed, self.steps);
        }
    }
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

async fn run(seed: u64, steps: usize) {
    let case = Case { seed, steps };
    let plan = Plan::draw(seed, steps);
    let mut world = World::new(seed).await;
    for step in &plan.steps {
        world.apply(step).await;
    }
    world.settle().await;
    world.check().await;
    drop(case);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_operations_under_any_faults_end_as_the_model_says() {
    if let Some(seed) = number_from("HONGYAN_SEED") {
        let steps =
            number_from("HONGYAN_STEPS").map_or(STEPS, |steps| usize::try_from(steps).expect("a count of steps"));
        return run(seed, steps).await;
    }
    for seed in 1..=number_from("HONGYAN_CASES").unwrap_or(CASES) {
        run(seed, STEPS).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn soak_any_operations_under_any_faults_end_as_the_model_says() {
    if !is_soak() {
        return;
    }
    for _ in 0..number_from("HONGYAN_CASES").unwrap_or(SOAK_CASES) {
        run(rand::random(), SOAK_STEPS).await;
    }
}
