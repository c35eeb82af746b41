//! A fault suite for any HTTP session stack.
