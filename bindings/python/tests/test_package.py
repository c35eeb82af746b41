"""The package as PyPI gets it: what the wheel and the source distribution hold."""

import shutil
import subprocess
import tarfile
from importlib.metadata import distribution
from pathlib import Path

HERE = Path(__file__).parent.parent
LICENCES = ["LICENSE-APACHE", "LICENSE-MIT"]


def test_wheel_has_licences_types_and_the_list_of_what_is_compiled_in() -> None:
    package = distribution("shared-session")
    info = f"shared_session-{package.version}.dist-info"
    files = {str(file) for file in package.files or []}
    expected = [f"licenses/{name}" for name in LICENCES] + ["sboms/shared-session-python.cyclonedx.json"]
    assert {f"{info}/{name}" for name in expected} | {"shared_session/py.typed"} <= files
    assert not [name for name in files if name.startswith("tests/")]
    assert "pkg:cargo/redis@" in Path(str(package.locate_file(f"{info}/{expected[-1]}"))).read_text()


def test_metadata_has_the_page_and_addresses() -> None:
    metadata = distribution("shared-session").metadata
    assert str(metadata.json["description"]).strip() == (HERE / "README.md").read_text().strip()
    addresses = [url.split(", ")[1] for url in metadata.get_all("Project-URL") or []]
    assert len(addresses) == 3
    assert [address for address in addresses if not address.startswith("https://")] == []


def test_source_distribution_is_complete(tmp_path: Path) -> None:
    maturin, cargo = shutil.which("maturin"), shutil.which("cargo")
    assert maturin
    assert cargo
    subprocess.run([maturin, "sdist", "--out", tmp_path], cwd=HERE, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    sources = tmp_path / archive.name.removesuffix(".tar.gz")
    for name in LICENCES:
        assert (sources / name).read_bytes() == (HERE / "../.." / name).read_bytes()
    assert (sources / "README.md").read_bytes() == (HERE / "README.md").read_bytes()
    # the crates, their manifests and the lock file fit together
    manifest = sources / "bindings/python/Cargo.toml"
    subprocess.run([cargo, "tree", "--locked", "--manifest-path", manifest], check=True, capture_output=True)
