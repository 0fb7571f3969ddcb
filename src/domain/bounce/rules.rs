//! placeholder
/// p
pub enum Party {}
/// r
pub struct Rule;
/// b
pub struct RuleBook;
