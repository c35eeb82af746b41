//! Runs the service.

fn main() -> std::process::ExitCode {
    service_kit::run(&task_service::SERVICE, task_service::routes)
}
