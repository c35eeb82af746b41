//! A program without a library behind a real nginx, which asks `ForwardAuth` who is signed in.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpRequest, HttpServer, web};
use reqwest::{Client, Method, Response};
use shared_session::backend::memory::Memory;
use shared_session::{Clock, Session, SessionManager, Settings};
use shared_session_testkit::faulty::{Fault, Faulty};
use shared_session_testkit::servers::{Port, ServerProcess, start_again};

/// Signs a user in by the fields in the path: `/set/userid/"anna"`.
async fn set(session: Session, field: web::Path<(String, String)>) -> &'static str {
    let value: serde_json::Value = serde_json::from_str(&field.1).unwrap();
    session.insert(field.0.clone(), value).unwrap();
    "set"
}

/// The program without a library: it shows what the proxy says.
async fn show(request: HttpRequest) -> String {
    let header = |name| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    format!("{:?} {:?}", header("x-session-user"), header("x-session-role"))
}

/// nginx in front of both programs.
struct Site {
    address: String,
    backend: Arc<Faulty>,
    folder: PathBuf,
    _nginx: ServerProcess,
    _port: Port,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Site {
    fn start() -> Self {
        let backend = Arc::new(Faulty::new(Arc::new(Memory::new(Clock::system())), Fault::Never));
        let builder = SessionManager::builder(&Settings::default()).backend(backend.clone());
        let sessions = builder.build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = listener.local_addr().unwrap();
        let application = move || {
            let auth = sessions.forward_auth("/auth").field("role", "x-session-role");
            App::new()
                .service(auth)
                .route("/reports/", web::get().to(show))
                .service(
                    web::scope("")
                        .wrap(sessions.middleware())
                        .route("/set/{name}/{value}", web::post().to(set)),
                )
        };
        let server = HttpServer::new(application).workers(1).disable_signals();
        let server = server.listen(listener).unwrap().run();
        std::thread::spawn(move || actix_web::rt::System::new().block_on(server));
        let (nginx, port, folder) = start_again(|| {
            let port = Port::reserve();
            let folder = std::env::temp_dir().join(format!("shared-session-nginx-{}", port.number()));
            fs::create_dir_all(&folder).unwrap();
            fs::write(
                folder.join("nginx.conf"),
                configuration(port.number(), &upstream.to_string()),
            )
            .unwrap();
            let mut command = Command::new("nginx");
            command
                .arg("-e")
                .arg("stderr")
                .arg("-p")
                .arg(&folder)
                .args(["-c", "nginx.conf"]);
            let nginx = ServerProcess::start(&mut command, &folder.join("log"), "on Debian: apt-get install nginx");
            let address = format!("127.0.0.1:{}", port.number());
            nginx.wait_until(|_| std::net::TcpStream::connect(&address).is_ok())?;
            Ok((nginx, port, folder))
        });
        Self {
            address: format!("http://127.0.0.1:{}", port.number()),
            backend,
            folder,
            _nginx: nginx,
            _port: port,
        }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Client::new().request(method, format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, headers: &[(&str, &str)]) -> (u16, String) {
        let response = self.send(Method::GET, "/reports/", headers).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Begins a session with this field, or sets the field of this one. Returns the cookie.
    async fn set(&self, field: &str, json: &str, cookie: &str) -> String {
        let path = format!("/set/{field}/{json}");
        let response = self.send(Method::POST, &path, &[("cookie", cookie)]).await;
        assert_eq!(response.status(), 200, "{response:?}");
        match response.headers().get("set-cookie") {
            Some(cookie) => cookie.to_str().unwrap().split(';').next().unwrap().to_owned(),
            None => cookie.to_owned(),
        }
    }
}

/// The example of `ForwardAuth`'s page, and the header of a field.
fn configuration(port: u16, upstream: &str) -> String {
    let page = include_str!("../../src/actix/forward_auth.rs");
    let example = page
        .split("/// ```nginx\n")
        .nth(1)
        .unwrap()
        .split("/// ```")
        .next()
        .unwrap();
    let example: Vec<&str> = example.lines().map(|line| line.trim_start_matches("///")).collect();
    let example = example
        .join("\n")
        .replace("127.0.0.1:8080", upstream)
        .replace("127.0.0.1:9000", upstream)
        .replace(
            "proxy_set_header X-Session-User $session_user;",
            "auth_request_set $role $upstream_http_x_session_role; proxy_set_header X-Session-Role $role;
             proxy_set_header X-Session-User $session_user;",
        );
    format!(
        "daemon off; master_process off; pid nginx.pid; events {{ worker_connections 64; }}
         http {{
             access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;
             server {{
                 listen 127.0.0.1:{port};
                 {example}
                 location /set/ {{ proxy_http_version 1.1; proxy_pass http://{upstream}; }}
             }}
         }}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn program_behind_a_proxy_learns_who_is_signed_in() {
    let site = Site::start();
    let cookie = site.set("userid", "7", "").await;
    assert_eq!(
        site.get(&[("cookie", &cookie)]).await,
        (200, r#"Some("7") None"#.to_owned())
    );
    site.set("role", r#""r%C3%A9d%5Cn""#, &cookie).await;
    let (_, body) = site.get(&[("cookie", &cookie)]).await;
    assert_eq!(body, r#"Some("7") Some("r%C3%A9d%0A")"#);
    // what the client claims does not reach the program
    let cookie = site.set("userid", r#""anna""#, "").await;
    let claims = [
        ("cookie", &*cookie),
        ("x-session-user", "root"),
        ("x-session-role", "admin"),
    ];
    assert_eq!(site.get(&claims).await, (200, r#"Some("anna") None"#.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_in_without_a_user() {
    let site = Site::start();
    let nobody = site.set("cart", "[1]", "").await;
    let empty = site.set("userid", r#""""#, "").await;
    for cookie in ["", "sid=x", &nobody, &empty] {
        let response = site.send(Method::GET, "/reports/", &[("cookie", cookie)]).await;
        assert_eq!(response.status(), 401, "{cookie}");
        assert!(response.headers().contains_key("www-authenticate"));
        assert!(!response.headers().contains_key("set-cookie"));
    }
    // the resource is the proxy's alone
    assert_eq!(site.send(Method::GET, "/auth", &[]).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_is_not_told_to_sign_in_while_the_store_is_unavailable() {
    let site = Site::start();
    let cookie = site.set("userid", "7", "").await;
    site.backend.set_unreachable(true);
    let response = site.send(Method::GET, "/reports/", &[("cookie", &cookie)]).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    site.backend.set_unreachable(false);
}

#[actix_web::test]
async fn check_by_a_proxy_extends_the_idle_timeout_unless_it_is_told_not_to() {
    for (extends, expected) in [(true, 200), (false, 401)] {
        let clock = shared_session_testkit::TestClock::default();
        let builder = SessionManager::builder(&Settings::default()).clock(clock.clock());
        let sessions = builder.build().unwrap();
        let application = App::new()
            .service(
                sessions
                    .forward_auth("/auth")
                    .extend_idle_timeout(extends)
                    .user_header("remote-user"),
            )
            .service(
                web::scope("")
                    .wrap(sessions.middleware())
                    .route("/set/{name}/{value}", web::post().to(set)),
            );
        let service = init_service(application).await;
        let begun = TestRequest::post().uri("/set/userid/7").to_request();
        let begun = call_service(&service, begun).await;
        let cookie = begun.response().cookies().next().unwrap().into_owned();
        let mut last = 0;
        for _ in 0..3 {
            clock.advance(Settings::default().ttl() - Duration::from_secs(60));
            let request = TestRequest::default().method(Method::PUT.as_str().parse().unwrap());
            let request = request.uri("/auth").cookie(cookie.clone()).to_request();
            let response = call_service(&service, request).await;
            last = response.status().as_u16();
            assert_eq!(response.headers().contains_key("remote-user"), last == 200);
            assert_eq!(response.headers().get("cache-control").unwrap(), "no-store");
        }
        assert_eq!(last, expected);
    }
}
