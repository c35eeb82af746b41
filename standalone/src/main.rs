//! Runs both services.

fn main() -> std::process::ExitCode {
    service_kit::run(&standalone::SERVICE, standalone::routes)
}
