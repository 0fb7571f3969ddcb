//! A cell: relay domain x sending domain x ESP x stream, the unit in which waves are looked for and controls are counted.

use serde::{Deserialize, Serialize};

use super::ids::{Esp, StreamName};

/// One cell of a team's mail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The recipient's domain: a relay domain, or `icloud.com`.
    #[serde(rename = "r")]
    pub relay_domain: String,
    /// Domain of the header From; empty when the report did not say.
    #[serde(rename = "d")]
    pub sending_domain: String,
    /// The provider that sent.
    #[serde(rename = "e")]
    pub esp: Esp,
    /// The stream, or `unregistered`.
    #[serde(rename = "s")]
    pub stream: StreamName,
}
