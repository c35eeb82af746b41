//! Headers `Cookie` that a server did not write.

use anyhow::Result;

use crate::Experiment;
use crate::experiment::Finding;
use crate::lab::Lab;

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "malformed-cookies",
        promise: "A malformed cookie causes no server error",
        why: "One broken cookie, often from an advertising or statistics script, locks a visitor out of every page \
              until it is deleted.",
        report: "https://github.com/expressjs/express/issues/1331",
        counts: "headers answered with 500 or not at all",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(malformed(lab)),
    },
    Experiment {
        name: "garbage-beside",
        promise: "A malformed cookie does not hide the right one beside it",
        why: "A signed-in person looks like a stranger because of a cookie that a neighbouring site set. Signing \
              in again does not help.",
        report: "https://github.com/web2py/web2py/issues/1084",
        counts: "headers in which the session was not found",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(garbage_beside(lab)),
    },
];

/// Returns headers with a value that is wrong in one way each; `name` is the name of the session's cookie.
fn malformed_headers(name: &str) -> Vec<Vec<u8>> {
    let values: [&[u8]; 16] = [
        b"",
        b"=",
        b"==",
        b"%",
        b"%zz",
        b"%00",
        b"\"",
        b"\"unclosed",
        b"\xff\xfe",
        b"\xc3\x28",
        b"s:x",
        b"s%3Ax.y",
        b"a b",
        b"{}",
        b"../../etc/passwd",
        b"\\",
    ];
    let with_value = values.iter().map(|value| [name.as_bytes(), b"=", value].concat());
    let others: [&[u8]; 8] = [b"", b"=", b";", b";;=;", b"=value", b"\xff", b"name", b"\xe2\x80=\xe2"];
    let long = [name.as_bytes(), b"=", &[b'A'; 6000]].concat();
    let many = "a=b; ".repeat(200).into_bytes();
    with_value
        .chain(others.iter().map(|header| header.to_vec()))
        .chain([long, many])
        .collect()
}

async fn malformed(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let browser = server.signed_in("ada").await?;
    let name = browser.cookie_name();
    let headers = malformed_headers(&name);
    let mut failed = 0;
    for header in &headers {
        let answer = server.browser().get_with("user", header).await?;
        failed += usize::from(answer.status.is_none_or(|status| status >= 500));
    }
    Ok(Finding::none(failed, headers.len()))
}

/// Another program of the same host, or an old one, may set such a cookie; the browser sends it until it expires.
async fn garbage_beside(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let browser = server.signed_in("ada").await?;
    let name = browser.cookie_name();
    let right = browser.cookie_header();
    let headers: Vec<Vec<u8>> = malformed_headers(&name)
        .into_iter()
        .filter(|header| header.len() < 1500)
        .flat_map(|garbage| {
            [
                [&garbage, b"; ".as_slice(), right.as_bytes()].concat(),
                [right.as_bytes(), b"; ", &garbage].concat(),
            ]
        })
        .collect();
    let mut hidden = 0;
    for header in &headers {
        let answer = server.browser().get_with("user", header).await?;
        hidden += usize::from(!answer.done() || !answer.body.contains("ada"));
    }
    Ok(Finding::none(hidden, headers.len()))
}
