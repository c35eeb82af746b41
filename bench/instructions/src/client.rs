//! Sends requests on one connection, each after the response to the one before.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::Result;

/// Sends requests of one kind, after a sign-in if they come with a session.
pub fn run(address: &str, kind: &str, requests: usize) -> Result<()> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    let (line, expected) = match kind {
        "bare" => ("GET /bare", "(kky)"),
        "no-cookie" => ("GET /read", "()"),
        "read" => ("GET /read", "(kky)"),
        "change" => ("POST /change", "visits ("),
        _ => return Err("unknown kind of request".into()),
    };
    let cookie = match kind {
        "bare" | "no-cookie" => None,
        _ => Some(sign_in(&mut connection)?),
    };
    let request = request(line, cookie.as_deref());
    for _ in 0..requests {
        let response = exchange(&mut connection, &request)?;
        if !response.starts_with("HTTP/1.1 200") || !response.contains(expected) {
            return Err(format!("unexpected response: {response}").into());
        }
    }
    Ok(())
}

/// Returns the session cookie.
fn sign_in(connection: &mut TcpStream) -> Result<String> {
    let response = exchange(connection, &request("POST /sign-in", None))?;
    let mut lines = response.lines();
    let cookie = lines.find_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next());
    Ok(cookie.ok_or("no session cookie")?.to_owned())
}

fn request(line: &str, cookie: Option<&str>) -> String {
    let length = if line.starts_with("POST") {
        "content-length: 0\r\n"
    } else {
        ""
    };
    let cookie = cookie.map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
    format!("{line} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: instructions\r\n{length}{cookie}\r\n")
}

/// Sends a request and returns the response.
fn exchange(connection: &mut TcpStream, request: &str) -> Result<String> {
    connection.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match connection.read(&mut buffer)? {
            0 => return Err("the server closed the connection".into()),
            length => response.extend_from_slice(&buffer[..length]),
        }
        let text = String::from_utf8_lossy(&response).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.ok_or("no content-length")?.parse::<usize>()? {
            return Ok(text);
        }
    }
}
