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
    for round in 0..ROUNDS {
        let browser = server.signed_in("ada").await?;
        let (mut slow, mut leaving) = (browser.clone(), browser.clone());
        let change = slow.slow("note", "x", Duration::from_millis(100));
        let log_out = async {
            sleep(Duration::from_millis(50)).await;
            leaving.log_out().await
        };
        let (_, left) = tokio::join!(change, log_out);
        ensure!(left.done(), "round {round}: the log-out was answered with {left}");
        undone += usize::from(is_alive(browser).await);
    }
    Ok(Finding::none(undone, ROUNDS))
}

async fn against_adds(lab: &Lab) -> Result<Finding> {
    const ADDS: u64 = 40;
    let (_redis, server) = lab.stack().await?;
    let mut undone = 0;
    for round in 0..ROUNDS {
        let browser = server.signed_in("ada").await?;
        let adds = join_all((0..ADDS).map(|n| {
            let mut browser = browser.clone();
            async move {
                sleep(Duration::from_millis(n / 2)).await;
                browser.post("/add", "bread").await
            }
        }));
        let log_out = async {
            sleep(Duration::from_millis(10)).await;
            browser.clone().log_out().await
        };
        let (_, left) = tokio::join!(adds, log_out);
        ensure!(left.done(), "round {round}: the log-out was answered with {left}");
        undone += usize::from(is_alive(browser).await);
    }
    Ok(Finding::none(undone, ROUNDS))
}

/// A browser sends two cookies of the same name if one was set for another path or a parent domain.
async fn two_cookies(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let mut alive = 0;
    for _ in 0..ROUNDS / 2 {
        let (first, second) = (server.signed_in("ada").await?, server.signed_in("ada").await?);
        let mut both = server.browser();
        both.set_cookies([first.cookies(), second.cookies()].concat());
        let left = both.log_out().await;
        // what is not answered as done promises nothing, and the user sees it
        if left.done() {
            alive += usize::from(is_alive(first).await) + usize::from(is_alive(second).await);
        }
    }
    Ok(Finding::none(alive, ROUNDS))
}

/// Returns whether the cookies from before a log-out are still signed in.
async fn is_alive(mut browser: Browser) -> bool {
    browser.shows_user("ada").await
}
