//! Log-out, against requests in flight and with several cookies.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use tokio::time::sleep;

use crate::Experiment;
use crate::experiment::Finding;
use crate::lab::{Browser, Lab};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "log-out-in-flight",
        promise: "A request in flight does not undo a log-out",
        why: "Someone logs out on a shared computer and walks away. The session is alive again, and the next \
              person at that computer can use the account.",
        report: "https://github.com/tj/connect-redis/issues/328",
        counts: "log-outs undone",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(in_flight(lab)),
    },
    Experiment {
        name: "log-out-against-adds",
        promise: "Many changes at the same moment do not undo a log-out",
        why: "The busier the page, the more often log-out fails. People believe they are safe, and they are not.",
        report: "https://github.com/auth0/nextjs-auth0/issues/2335",
        counts: "log-outs undone",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(against_adds(lab)),
    },
    Experiment {
        name: "two-cookies",
        promise: "A log-out with two session cookies ends both sessions",
        why: "A person is stuck at the sign-in page with the right password. Only deleting cookies helps, and most \
              people do not know how.",
        report: "https://github.com/matomo-org/matomo/pull/15602",
        counts: "sessions still alive",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(two_cookies(lab)),
    },
];

const ROUNDS: usize = 20;

async fn in_flight(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let mut undone = 0;
    for _ in 0..ROUNDS {
        let browser = server.signed_in("ada").await?;
        let tab = browser.tab();
        let change = tab.slow("note", "x", Duration::from_millis(100));
        undone += usize::from(is_undone(browser, Duration::from_millis(50), change).await?);
    }
    Ok(Finding::none(undone, ROUNDS))
}

async fn against_adds(lab: &Lab) -> Result<Finding> {
    const ADDS: u64 = 40;
    let (_redis, server) = lab.stack().await?;
    let mut undone = 0;
    for _ in 0..ROUNDS {
        let browser = server.signed_in("ada").await?;
        let adds = join_all((0..ADDS).map(|n| {
            let tab = browser.tab();
            async move {
                sleep(Duration::from_millis(n / 2)).await;
                tab.post("/add", "bread").await
            }
        }));
        undone += usize::from(is_undone(browser, Duration::from_millis(10), adds).await?);
    }
    Ok(Finding::none(undone, ROUNDS))
}

/// Logs out after a time, while other tabs send requests. Returns whether the browser is signed in after all responses, with the cookies that
/// it then has, or with those from before the log-out.
async fn is_undone<T>(browser: Browser, after: Duration, requests: impl Future<Output = T>) -> Result<bool> {
    let before = browser.clone();
    let log_out = async {
        sleep(after).await;
        browser.log_out().await
    };
    let (_, left) = tokio::join!(requests, log_out);
    ensure!(left.done(), "a log-out was answered with {left}");
    Ok(browser.shows_user("ada").await || before.shows_user("ada").await)
}

/// A browser sends two cookies of the same name if one was set for another path or a parent domain.
async fn two_cookies(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let mut alive = 0;
    for _ in 0..ROUNDS / 2 {
        let (first, second) = (server.signed_in("ada").await?, server.signed_in("ada").await?);
        let both = server.browser();
        both.set_cookies([first.cookies(), second.cookies()].concat());
        let left = both.log_out().await;
        // what is not answered as done promises nothing, and the user sees it
        if left.done() {
            alive += usize::from(first.shows_user("ada").await) + usize::from(second.shows_user("ada").await);
        }
    }
    Ok(Finding::none(alive, ROUNDS))
}
