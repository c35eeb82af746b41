//! Runs user-service, or one of its subcommands.

fn main() -> std::process::ExitCode {
    service_kit::run_with_commands(&user_service::SERVICE, user_service::routes, user_service::execute)
}
