//! Tells the linker what an addon of Node.js needs.

fn main() {
    napi_build::setup();
}
