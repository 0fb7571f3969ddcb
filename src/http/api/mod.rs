//! The internal API: JSON, bearer tokens with scopes, errors that name the field. No address ever stands in a URL.
//!
//! To add a route: a handler with its `utoipa::path` in a file of its own, and one line in the table below.

pub mod auth;
mod batch;
mod canaries;
mod changes;
mod check;
mod document;
mod erase;
mod gate;
mod history;
mod incoming;
mod ndjson;
mod openapi;
mod overrides;
mod parameters;
pub mod problem;
pub mod question;
pub mod sendability;
mod streams;
pub mod tasks;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;

use self::auth::Tokens;
use self::tasks::Tasks;
use super::body::{BodyLimits, InFlight};
use crate::clock::Clock;
use crate::dns::Resolvers;
use crate::domain::ids::TeamId;
use crate::domain::stream::Stream;
use crate::intake::Intake;
use crate::sources::import::Directory;

pub use openapi::document as openapi_document;

/// What every route of the API needs. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// The door, and through it store, streams, keys and policy.
    pub intake: Intake,
    /// Who may ask what.
    pub tokens: Tokens,
    /// The configured teams; empty: any team may be named.
    pub teams: Arc<[TeamId]>,
    /// The same with their apps, for the import.
    pub directory: Arc<Directory>,
    /// The streams of the configuration file. They cannot be changed over the API.
    pub configured: Arc<[Stream]>,
    /// The budget of bytes that all bodies together may hold.
    pub in_flight: InFlight,
    /// What one body may take.
    pub body: BodyLimits,
    /// Runs what a handler does in a task of its own.
    pub tasks: Tasks,
    /// Set when the daemon is to stop: whoever waits for something to happen waits no longer.
    pub stopping: CancellationToken,
    /// Time.
    pub clock: Clock,
    /// How a stream is checked when somebody asks for it.
    pub checkup: Checkup,
}

/// The API as its handlers have it: axum clones it for every request.
type Shared = Arc<Api>;

/// How a stream is checked when somebody asks for it.
#[derive(Clone)]
pub struct Checkup {
    /// Who is asked.
    pub resolvers: Resolvers,
    /// How long it may take.
    pub deadline: Duration,
}

/// Declares the routes: the router, the list of them, and the document that describes them, from one table.
macro_rules! routes {
    ($($method:ident $path:literal => $($handler:ident)::+,)+) => {
        /// Method and path of every route.
        pub const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),+];

        fn routes() -> Router<Shared> {
            Router::new()$(.route($path, axum::routing::$method($($handler)::+)))+
        }

        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($handler)::+),+))]
        struct Described;
    };
}

routes! {
    post "/v1/sendability" => sendability::check,
    post "/v1/sendability/batch" => batch::check,
    get "/v1/gate/{stream}" => gate::show,
    get "/v1/changes" => changes::follow,
    get "/v1/streams" => streams::list,
    put "/v1/streams" => streams::register,
    get "/v1/streams/{name}" => streams::show,
    post "/v1/streams/{name}/check" => check::check_now,
    get "/v1/streams/{name}/history" => history::show,
    get "/v1/canaries" => canaries::show,
    put "/v1/users" => users::import,
    post "/v1/users/erase" => erase::erase,
    post "/v1/users/override" => overrides::decide,
    get "/openapi.json" => openapi::show,
}

/// The router.
pub fn router(api: Api) -> Router {
    routes()
        .method_not_allowed_fallback(problem::no_such_method)
        .fallback(problem::no_such_route)
        .with_state(Arc::new(api))
}
