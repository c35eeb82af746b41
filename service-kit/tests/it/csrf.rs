//! The CSRF check, and the security headers of a standalone process.

use actix_web::web::{self, ServiceConfig};
use service_kit::Service;
use service_kit::server::security_headers;
use service_kit::testing::{self, Running, SERVICE, browser};
use shared_session::Session;

fn start() -> Running {
    let routes = |config: &mut ServiceConfig| {
        let change = async |session: Session| session.insert("changed", true).map(|()| "done");
        config.service(web::resource("/test/change").route(web::post().to(change)));
    };
    testing::start(routes, &[])
}

#[actix_web::test]
async fn only_requests_of_this_site_change_anything() {
    let server = start();
    let address = server.url("");
    let host = address.strip_prefix("http://").unwrap();
    let (own, https) = (format!("http://{host}"), format!("https://{host}"));
    let capitals = own.to_uppercase();
    let longer = format!("{own}.example.com");
    let cases: [(&[(&str, &str)], u16); 17] = [
        (&[("sec-fetch-site", "same-origin")], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "")], 403),
        // `Sec-Fetch-Site` has precedence over `Origin`
        (&[("sec-fetch-site", "cross-site"), ("origin", &own)], 403),
        (
            &[("sec-fetch-site", "same-origin"), ("origin", "http://example.com")],
            200,
        ),
        (&[("origin", &own)], 200),
        (&[("origin", &capitals)], 200),
        // the proxy names the scheme that the client used
        (&[("origin", &https), ("x-forwarded-proto", "https")], 200),
        (&[("origin", &https)], 403),
        (&[("origin", &own), ("x-forwarded-proto", "https")], 403),
        (&[("origin", "http://example.com")], 403),
        (&[("origin", &longer)], 403),
        (&[("origin", "null")], 403),
        (&[("origin", host)], 403),
        (&[], 403),
    ];
    for (headers, status) in cases {
        let mut request = browser().post(server.url("/test/change"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{headers:?}");
        // a rejected request creates no session
        assert_eq!(
            response.headers().contains_key("set-cookie"),
            status == 200,
            "{headers:?}"
        );
        if status == 403 {
            let html = response.text().await.unwrap();
            assert!(html.contains("another site") && html.contains("<h1>"), "{html}");
        }
    }
}

#[actix_web::test]
async fn every_unsafe_method_is_checked() {
    let server = start();
    for (method, status) in [
        ("PUT", 403),
        ("DELETE", 403),
        ("PATCH", 403),
        ("BREW", 403),
        ("GET", 405),
        ("HEAD", 405),
    ] {
        let request = browser().request(method.parse().unwrap(), server.url("/test/change"));
        assert_eq!(request.send().await.unwrap().status(), status, "{method}");
    }
}

#[actix_web::test]
async fn only_a_standalone_process_sets_security_headers() {
    for standalone in [true, false] {
        let service = Service { standalone, ..SERVICE };
        let server = Running::start(&service, |_| |_: &mut ServiceConfig| {}, &[]);
        for path in ["/test/style.css", "/nothing", "/healthz"] {
            let response = browser().get(server.url(path)).send().await.unwrap();
            for (name, value) in security_headers::SECURITY_HEADERS {
                let set: Vec<_> = response.headers().get_all(name).iter().collect();
                assert_eq!(set, if standalone { vec![value] } else { vec![] }, "{path}: {name}");
            }
        }
    }
}
