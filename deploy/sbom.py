"""Print the bill of materials of a site as CycloneDX 1.6: `python -m deploy.sbom`.

It names the locked packages of Python and npm with their hashes, and the native libraries inside the
installed wheels. `--licences` prints the licences as a table instead. Two runs print the same.
"""

import argparse
import json
import re
import sys
import tomllib
from base64 import b64decode
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCKS = tuple(ROOT / "requirements" / f"{name}.txt" for name in ("run", "resampler", "redis"))
NPM_LOCK = ROOT / "frontend" / "package-lock.json"
LICENCES = ROOT / "deploy" / "licences.toml"
_REQUIREMENT = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)(?:\[[^\]]*\])?==([^ ;\\\n]+)(.*(?:\n +--hash.*)*)", re.MULTILINE
)
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
# Such as `libavif-c6062d5f.so.16.4.2`. The version is that of the binary interface.
_LIBRARY = re.compile(r"^(lib[\w+]+?)(?:-[0-9a-f]{8})+\.so(?:\.([\d.]+))?$")


def main() -> None:
    """Print the bill of materials or the licences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--licences", action="store_true", help="print the licences as a table")
    chosen = parser.parse_args()
    found = bill_of_materials()
    if chosen.licences:
        sys.stdout.writelines(
            f"{one['name']}\t{one['version']}\t{one['licenses'][0]['expression']}\n"
            for one in found["components"]
        )
    else:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")


def bill_of_materials() -> dict[str, Any]:
    """Return the bill of materials. Raises `KeyError` for a Python package or a library without a licence."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"pkg:pypi/{project['name']}@{project['version']}",
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"expression": project["license"]}],
            }
        },
        "components": [*_python_packages(), *_npm_packages(), *_libraries()],
    }


def licences() -> dict[str, Any]:
    """Return the reviewed licences: `allowed`, and those of the tables `python`, `npm` and `libraries`."""
    return tomllib.loads(LICENCES.read_text())


def locked() -> dict[tuple[str, str], list[str]]:
    """Return the SHA-256 of the files of each locked Python package, by name and version."""
    found: dict[tuple[str, str], list[str]] = {}
    for lock in LOCKS:
        for name, version, rest in _REQUIREMENT.findall(lock.read_text()):
            found.setdefault((name, version), _HASH.findall(rest))
    return dict(sorted(found.items()))


def _python_packages() -> Iterator[dict[str, Any]]:
    for (name, version), hashes in locked().items():
        known = _component(f"pkg:pypi/{name}@{version}", name, version, licences()["python"][name])
        # A package has one hash for each of its wheels, of which a site installs one.
        yield known | {"properties": [{"name": "sha256", "value": digest} for digest in hashes]}


def _npm_packages() -> Iterator[dict[str, Any]]:
    """Yield the packages that are bundled into the scripts of the pages, without the tools of the build."""
    for path, package in json.loads(NPM_LOCK.read_text())["packages"].items():
        if path and not package.get("dev"):
            name, version = path.rpartition("node_modules/")[2], package["version"]
            reference = f"pkg:npm/{name.replace('@', '%40')}@{version}"
            digest = b64decode(package["integrity"].removeprefix("sha512-")).hex()
            licence = licences()["npm"].get(name, package["license"].strip("()"))
            known = _component(reference, name, version, licence)
            yield known | {"hashes": [{"alg": "SHA-512", "content": digest}]}


def _libraries() -> Iterator[dict[str, Any]]:
    """Yield the native libraries inside the wheels that are installed here."""
    for name, version in locked():
        for library, number in _inside(name):
            reference = f"pkg:generic/{library}@{number}?inside={name}"
            known = _component(reference, library, number, licences()["libraries"][library])
            yield known | {"description": f"inside the wheel of {name} {version}"}


@cache
def _inside(package: str) -> tuple[tuple[str, str], ...]:
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return ()
    found = (_LIBRARY.match(file.name) for file in files if file.parent.name.endswith(".libs"))
    return tuple(sorted({(match[1], match[2] or "unknown") for match in found if match}))


def _component(reference: str, name: str, version: str, licence: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "purl": reference,
        "licenses": [{"expression": licence}],
    }


if __name__ == "__main__":
    main()
