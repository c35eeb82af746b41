//! [`Cookies`]: the cookies of a browser.

use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub struct Cookies(BTreeMap<String, String>);

impl Cookies {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Returns the `Cookie` header, if there is a cookie.
    pub fn header(&self) -> Option<String> {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Sets or removes the cookie of a `Set-Cookie` header.
    pub fn receive(&mut self, header: &str) {
        let mut attributes = header.split("; ");
        let (name, value) = attributes.next().unwrap().split_once('=').unwrap();
        if attributes.any(|attribute| attribute == "Max-Age=0") {
            self.0.remove(name);
        } else {
            self.set(name, value);
        }
    }
}
