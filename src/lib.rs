//! Strata: SQL models, built, tested and published.
mod config;
mod diag;
mod hash;
mod jinja;
mod secret;
mod source;
mod system;
