//! Ids: who issues them, how long they live, and where they can be read.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::Experiment;
use crate::experiment::Finding;
use crate::lab::{Lab, Redis};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "fixation",
        promise: "A sign-in changes the id, and the id from before is not signed in",
        why: "Someone who once sat at the same computer, or slipped a known id into a browser, is later in another \
              person's account without any password.",
        report: "https://medium.com/passportjs/fixing-session-fixation-b2b68619c51d",
        counts: "old ids that are signed in",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(fixation(lab)),
    },
    Experiment {
        name: "old-id-after-renewal",
        promise: "After a renewal the old id shows nothing",
        why: "Whoever copied the old cookie can still get in after the owner logged out. Changing to a new id \
              protects nobody while the old one still opens the door.",
        report: "https://github.com/laravel/framework/issues/20100",
        counts: "old ids that still work",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(old_id_after_renewal(lab)),
    },
    Experiment {
        name: "foreign-ids",
        promise: "No session begins under an id that the server did not issue, or whose session has ended",
        why: "An attacker plants an id in a visitor's browser, waits until the visitor signs in, and uses the same \
              id.",
        report: "https://github.com/phpredis/phpredis/issues/1033",
        counts: "foreign ids adopted",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(foreign_ids(lab)),
    },
    Experiment {
        name: "ids-at-rest",
        promise: "No cookie of a signed-in user can be made from what Redis holds",
        why: "One stolen backup is enough to enter the account of everyone who is signed in. No password has to be \
              guessed.",
        report: "https://github.com/alexedwards/scs/issues/195",
        counts: "sessions taken over with what Redis holds",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(ids_at_rest(lab)),
    },
];

const ROUNDS: usize = 20;

async fn fixation(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let mut taken = 0;
    for _ in 0..ROUNDS {
        let victim = server.visitor().await?;
        let attacker = victim.clone();
        ensure!(victim.sign_in("ada").await.done(), "a sign-in was refused");
        taken += usize::from(attacker.shows_user("ada").await);
    }
    Ok(Finding::none(taken, ROUNDS))
}

async fn old_id_after_renewal(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let mut alive = 0;
    for _ in 0..ROUNDS {
        let browser = server.signed_in("ada").await?;
        let old = browser.clone();
        ensure!(browser.post("/renew", "").await.done(), "a renewal was refused");
        ensure!(browser.shows_user("ada").await, "a renewal signed the user out");
        alive += usize::from(old.shows_user("ada").await);
    }
    Ok(Finding::none(alive, ROUNDS))
}

/// Sends ids that look right: some have changed letters, others are of sessions that have ended. An attacker who plants one
/// would know the id of the session that begins under it.
async fn foreign_ids(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let mut adopted = 0;
    for round in 0..ROUNDS {
        let planted = server.visitor().await?;
        if round % 2 == 0 {
            planted.set_cookies(
                planted
                    .cookies()
                    .iter()
                    .map(|(name, value)| (name.clone(), altered(value)))
                    .collect(),
            );
        } else {
            ensure!(planted.clone().log_out().await.done(), "a log-out was refused");
        }
        let victim = planted.clone();
        let _ = victim.set("secret", "x").await;
        adopted += usize::from(planted.show("secret").await.is_ok_and(|fields| !fields.is_empty()));
    }
    Ok(Finding::none(adopted, ROUNDS))
}

/// Uses each key, and each part of a key, and each value that could be an id, as the cookie.
async fn ids_at_rest(lab: &Lab) -> Result<Finding> {
    const USERS: usize = 5;
    let (redis, server) = lab.stack().await?;
    let mut name = String::new();
    for user in 0..USERS {
        let browser = server.signed_in(&format!("user{user}")).await?;
        name = browser.cookie_name();
    }
    let mut seen = std::collections::BTreeSet::new();
    for candidate in candidates(&redis).await? {
        let thief = server.browser();
        thief.set_cookies(vec![(name.clone(), candidate)]);
        if let Some(user) = thief
            .show("user")
            .await
            .ok()
            .and_then(|fields| fields.get("user").and_then(Value::as_str).map(str::to_owned))
        {
            seen.insert(user);
        }
    }
    Ok(Finding::none(seen.len(), USERS))
}

/// Returns the keys and short values, whole and without each prefix that ends at a separator.
async fn candidates(redis: &Redis) -> Result<Vec<String>> {
    let mut texts = redis.keys().await?;
    for key in texts.clone() {
        texts.extend(redis.command::<String>(&["GET", &key]).await);
    }
    let is_cookie = |text: &str| {
        text.len() < 200
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte))
    };
    let suffixes = |text: &String| -> Vec<String> {
        let ends = text
            .match_indices([':', '_', '/', '.'])
            .map(|(at, mark)| at + mark.len());
        std::iter::once(0).chain(ends).map(|at| text[at..].to_owned()).collect()
    };
    Ok(texts
        .iter()
        .flat_map(suffixes)
        .filter(|text| text.len() >= 8 && is_cookie(text))
        .collect())
}

/// Changes some letters and digits in the middle of an id, so that its form stays right.
fn altered(id: &str) -> String {
    let middle = id.len() / 3;
    let swap = |(at, letter): (usize, char)| match letter {
        _ if at < middle || at >= middle + 6 => letter,
        'a'..='y' | 'A'..='Y' | '0'..='8' if letter != 'f' => char::from_u32(u32::from(letter) + 1).unwrap_or(letter),
        'f' | 'z' => 'a',
        'Z' => 'A',
        '9' => '0',
        other => other,
    };
    id.char_indices().map(swap).collect()
}
