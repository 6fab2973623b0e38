// SPDX-License-Identifier: Apache-2.0
//! What holds over all rooms together.

mod model;
mod plans;
mod tenants;
