//! Writes `docs/comparison.md` and the table in `README.md` from what `torture/compare.sh` found out. Run it in the repository's folder.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use torture::comparison::{candidates, page, with_table};

fn main() -> Result<()> {
    let candidates = candidates(Path::new("torture/candidates"))?;
    fs::write("docs/comparison.md", page(&candidates)?).context("cannot write docs/comparison.md")?;
    let readme = fs::read_to_string("README.md").context("cannot read README.md")?;
    fs::write("README.md", with_table(&readme, &candidates)?).context("cannot write README.md")
}
