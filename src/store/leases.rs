//! Leases: one replica does a scheduled job at a time; one that dies gives its lease back by letting it run out.

use std::time::Duration;

use super::{Result, Tx, on};
use crate::domain::time::Timestamp;

/// The right to run a job until it runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: String,
    /// Proof of the right, checked when the job is finished.
    pub token: String,
}

pub(super) const DECLARE: &str = "INSERT INTO jobs (name, due_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
pub(super) const CLAIM: &str = "UPDATE jobs SET lease_token = $2, lease_until = $3 WHERE name = $1 AND due_at <= $4 \
     AND (lease_until IS NULL OR lease_until <= $4) RETURNING name";
pub(super) const FINISH: &str = "UPDATE jobs SET lease_token = NULL, lease_until = NULL, due_at = $3, last_ran_at = $4, \
     last_error = $5 WHERE name = $1 AND lease_token = $2";

impl Tx {
    /// Claims a job that is due and that nobody holds. `token` must be random.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim_job(
        &mut self,
        job: &str,
        token: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<Lease>> {
        let micros = now.micros();
        on!(self, c => sqlx::query(DECLARE).bind(job).bind(micros).execute(c).await.map(drop))?;
        let until = now.plus(lease).micros();
        let claimed: Option<String> = on!(self, c => sqlx::query_scalar(CLAIM)
            .bind(job).bind(token).bind(until).bind(micros).fetch_optional(c).await)?;
        Ok(claimed.map(|job| Lease { job, token: token.to_owned() }))
    }

    /// Gives a lease back and says when the job is next due; false when the lease had run out and another took over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_job(
        &mut self,
        lease: &Lease,
        now: Timestamp,
        next: Timestamp,
        error: Option<&str>,
    ) -> Result<bool> {
        let rows = on!(self, c => sqlx::query(FINISH)
            .bind(&lease.job).bind(&lease.token).bind(next.micros()).bind(now.micros()).bind(error)
            .execute(c).await?.rows_affected());
        Ok(rows > 0)
    }
}
