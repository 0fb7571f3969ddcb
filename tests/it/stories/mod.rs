//! Stories of people and their mail on a time line, through the real door: what is said when, and what may be sent then.

mod app_consent;
mod bounces;
mod erasure;
mod forum;
mod forwarding;
mod operators;
mod own_word;
mod relay_or_not;
mod senders_fault;
mod times;
mod who_is_told;
