//! placeholder
/// d
pub struct Diagnostic;
/// r
pub enum Role {}
