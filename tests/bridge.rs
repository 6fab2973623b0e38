// SPDX-License-Identifier: Apache-2.0
//! The bridge, as old systems, Objective-C, Java and C meet it: JSON in and out, against a real server.
//!
//! * [`user`]: a user behind a bridge, whose listener keeps what it hears. [`methods`]: every method, once well and
//!   once refused, and the forms of what it gives. [`life`]: order, bounds, ends, and what a listener may do.
//!   [`hostile`]: requests that nobody should make.

mod hostile;
mod life;
mod methods;
mod user;
