//! `/api/v1` over a real app: its log and read models in a temporary folder, its policies running.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod access;
mod accounts;
mod api_access;
mod attributes;
mod closed;
mod damaged_files;
mod devices;
mod document;
mod effects;
mod erased;
mod events;
mod follow;
mod former_ids;
mod groups;
mod history;
mod late_policies;
mod namesakes;
mod offboardings;
mod probes;
mod problems;
mod projection_holds;
mod projections;
mod proofs;
mod publications;
mod removal;
mod roles;
mod rule_in_force;
mod segments;
mod setup;
mod timeline;
mod tokens;
mod unreadable_workspace;
mod walk;
mod world;
