//! Work that a handler gives to a task of its own: whether it outlives whoever waits for it, and what is answered when it panics.

use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use super::problem::Problem;
use crate::metrics::HttpMetrics;

/// Runs them. A panic in one is counted and answered like a panic in the handler itself.
#[derive(Clone)]
pub struct Tasks {
    listener: &'static str,
    metrics: HttpMetrics,
}

impl Tasks {
    /// Those of the handlers behind this listener.
    pub fn new(listener: &'static str, metrics: HttpMetrics) -> Self {
        Self { listener, metrics }
    }

    /// Does the work and waits for it; when nobody waits any more, it is dropped.
    pub(super) async fn beside<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        self.ended(AbortOnDropHandle::new(tokio::spawn(work)).await)
    }

    /// Does the work and waits for it; when nobody waits any more, it goes on to its end.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        self.ended(tokio::spawn(work).await)
    }

    fn ended<T>(&self, ended: Result<Result<T, Problem>, JoinError>) -> Result<T, Problem> {
        ended.unwrap_or_else(|error| {
            if error.is_panic() {
                self.metrics.http_panics_total.inc([&self.listener]);
            }
            // Not the panic's words: they may hold what was being read. The panic hook has put them in the log, sealed.
            Err(Problem::internal())
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;
    use crate::domain::time::Timestamp;
    use crate::metrics::Metrics;

    fn tasks() -> (Tasks, HttpMetrics) {
        let metrics = Metrics::new(Timestamp::default()).unwrap().http;
        (Tasks::new("api", metrics.clone()), metrics)
    }

    async fn panics() -> Result<(), Problem> {
        panic!("a bug")
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_counted() {
        let (tasks, metrics) = tasks();
        assert_eq!(tasks.beside(async { Ok(7) }).await.unwrap(), 7);
        assert_eq!(metrics.http_panics_total.get([&"api"]), 0);
        let answered = [tasks.beside(panics()).await, tasks.apart(panics()).await];
        assert!(answered.into_iter().all(|answer| answer.unwrap_err().into_response().status() == 500));
        assert_eq!(metrics.http_panics_total.get([&"api"]), 2);
    }

    #[tokio::test]
    async fn only_what_is_done_apart_goes_on_when_nobody_waits_for_it() {
        let (tasks, _) = tasks();
        for goes_on in [false, true] {
            let ((give, given), (say, said)) = (oneshot::channel(), oneshot::channel());
            let work = async move {
                let word: u8 = given.await.unwrap_or_default();
                let _ = say.send(word);
                Ok(())
            };
            let mut waiting: std::pin::Pin<Box<dyn Future<Output = _>>> =
                if goes_on { Box::pin(tasks.apart(work)) } else { Box::pin(tasks.beside(work)) };
            assert!(poll!(&mut waiting).is_pending());
            tokio::task::yield_now().await;
            drop(waiting);
            tokio::task::yield_now().await;
            assert_eq!(give.send(7).is_ok(), goes_on);
            assert_eq!(said.await.ok(), goes_on.then_some(7));
        }
    }
}
