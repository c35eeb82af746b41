//! Runs user-service.

fn main() -> std::process::ExitCode {
    service_kit::run(&user_service::SERVICE, user_service::routes)
}
