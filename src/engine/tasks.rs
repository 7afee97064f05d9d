//! Background tasks: named, tracked, restarted when they fail, stopped when told.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a failed task rests before it is begun again.
const REST: Duration = Duration::from_secs(1);

/// For so long after a failure a task passes for one that fails: health is not asked each second.
const FAILING: Duration = Duration::from_secs(60);

/// What a task is doing.
#[derive(Clone, Debug, Default)]
pub struct TaskState {
    /// Whether it runs.
    pub running: bool,
    /// How often it failed.
    pub failures: u64,
    /// When it last failed.
    last_failed: Option<Instant>,
    /// The last failure, in words without data of people.
    pub last_error: Option<String>,
}

impl TaskState {
    /// Whether it failed a moment ago.
    pub fn is_failing(&self) -> bool {
        self.last_failed.is_some_and(|at| at.elapsed() < FAILING)
    }
}

/// All tasks of the process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    states: Arc<Mutex<BTreeMap<&'static str, TaskState>>>,
}

impl Tasks {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process is to stop.
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// For libraries of ours that spawn by themselves.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Runs `body` until the stop; one that returns an error is begun again after a rest.
    pub fn keep<F, Fut, E>(&self, name: &'static str, body: F)
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send,
        E: std::error::Error + Send + 'static,
    {
        let this = self.clone();
        self.tracker.spawn(async move {
            this.set(name, |state| state.running = true);
            loop {
                let outcome = tokio::select! {
                    outcome = body() => outcome,
                    () = this.stop.cancelled() => break,
                };
                match outcome {
                    Ok(()) => break,
                    Err(_) if this.stop.is_cancelled() => break,
                    Err(error) => {
                        tracing::warn!(
                            task = name,
                            error = &error as &dyn std::error::Error,
                            "a task failed and begins again"
                        );
                        this.set(name, |state| {
                            state.failures += 1;
                            state.last_failed = Some(Instant::now());
                            state.last_error = Some(error.to_string());
                        });
                        tokio::select! {
                            () = tokio::time::sleep(REST) => {}
                            () = this.stop.cancelled() => break,
                        }
                    }
                }
            }
            this.set(name, |state| state.running = false);
        });
    }

    /// Runs a piece of work to its end, also during a stop.
    pub fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(work);
    }

    /// The state of every kept task.
    pub fn states(&self) -> BTreeMap<&'static str, TaskState> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells all to stop and waits for them, at most `grace`. False when some were left behind.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }

    fn set(&self, name: &'static str, change: impl FnOnce(&mut TaskState)) {
        change(self.states.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default());
    }
}
