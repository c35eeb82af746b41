//! New ids: changes in flight, a sign-in that is sent twice, and clients that leave.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::time::sleep;

use crate::Experiment;
use crate::experiment::Finding;
use crate::lab::{Browser, Lab};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "renewal-in-flight",
        promise: "A change in flight is kept when the session gets a new id",
        why: "A visitor who is signed in is treated as a stranger in the middle of a page. What the second request \
              should have saved is lost.",
        report: "https://github.com/expressjs/session/issues/923",
        counts: "changes lost that were answered as done",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(in_flight(lab)),
    },
    Experiment {
        name: "double-sign-in",
        promise: "A sign-in that is sent twice succeeds twice",
        why: "The sign-in worked, yet the person sees an error page and thinks the site is broken or the password \
              wrong.",
        report: "https://github.com/statamic/cms/pull/10465",
        counts: "second sign-ins that succeed, with what the session held",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(double_sign_in(lab)),
    },
    Experiment {
        name: "reset-change",
        promise: "A client that leaves during a change loses nothing",
        why: "A phone leaves the Wi-Fi or a tab is closed at the wrong moment, and the visitor is signed out or \
              the cart is empty.",
        report: "https://github.com/aspnet/Session/issues/201",
        counts: "sessions that lost something",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(reset(lab, "/set?name=note", Visitor::SignedIn)),
    },
    Experiment {
        name: "reset-renewal",
        promise: "A client that leaves during a renewal loses nothing, once the user has signed in again",
        why: "Someone on a train with bad reception is signed out again and again, having done nothing wrong.",
        report: "https://github.com/silverstripe/silverstripe-framework/issues/11281",
        counts: "sessions that lost something",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(reset(lab, "/renew", Visitor::SignedIn)),
    },
    Experiment {
        name: "reset-sign-in",
        promise: "A client that leaves during a sign-in can sign in at once, and loses nothing",
        why: "With a weak connection a person may fail to get in at all, although the password is right and the \
              server has already said yes.",
        report: "https://github.com/elizaOS/eliza/issues/31107",
        counts: "sessions that lost something",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(reset(lab, "/session", Visitor::Anonymous)),
    },
];

const ROUNDS: usize = 20;

/// Who sends a request that is reset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visitor {
    Anonymous,
    SignedIn,
}

async fn in_flight(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let mut lost = 0;
    for round in 0..ROUNDS {
        let browser = server.signed_in("ada").await?;
        let slow = browser.tab();
        let change = slow.slow("note", "x", Duration::from_millis(100));
        let renewal = async {
            sleep(Duration::from_millis(50)).await;
            browser.post("/renew", "").await
        };
        let (changed, renewed) = tokio::join!(change, renewal);
        ensure!(renewed.done(), "round {round}: the renewal was answered with {renewed}");
        lost += usize::from(!changed.done() || browser.show("note").await?.get("note") != Some(&json!("x")));
    }
    Ok(Finding::none(lost, ROUNDS))
}

/// The first response is lost, or the user clicks twice: the second request carries the old cookie.
async fn double_sign_in(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let mut succeeded = 0;
    for _ in 0..ROUNDS {
        let visitor = server.visitor().await?;
        let first = visitor.clone().sign_in("ada").await;
        ensure!(first.done(), "a sign-in was answered with {first}");
        let second = visitor.clone();
        let done = second.sign_in("ada").await.done();
        succeeded += usize::from(done && has_cart(&second).await);
    }
    Ok(Finding::all(succeeded, ROUNDS))
}

/// Resets the connection of a request at another moment each round. The browser has the cookies from before. A user who is not signed in
/// with them signs in, and finds everything.
async fn reset(lab: &Lab, path: &str, visitor: Visitor) -> Result<Finding> {
    const MOMENTS: usize = 40;
    let (_redis, server) = lab.stack().await?;
    let mut lost = 0;
    for moment in 0..MOMENTS {
        let browser = server.visitor().await?;
        if visitor == Visitor::SignedIn {
            ensure!(browser.sign_in("ada").await.done(), "a sign-in was refused");
        }
        let after = Duration::from_micros(250) * u32::try_from(moment)?;
        browser.reset_during(path, "ada", after).await?;
        // a user needs longer than this
        sleep(Duration::from_millis(100)).await;
        if !browser.shows_user("ada").await {
            browser.sign_in("ada").await;
        }
        lost += usize::from(!browser.shows_user("ada").await || !has_cart(&browser).await);
    }
    Ok(Finding::none(lost, MOMENTS))
}

async fn has_cart(browser: &Browser) -> bool {
    browser
        .show("cart")
        .await
        .is_ok_and(|fields| fields.get("cart") == Some(&json!("bread")))
}
