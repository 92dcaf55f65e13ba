"""The bill of materials names every locked package, and each licence is an allowed one."""

import json
import re

from deploy import sbom


def names(kind: str) -> set[str]:
    found = sbom.bill_of_materials()["components"]
    return {one["name"] for one in found if one["purl"].startswith(f"pkg:{kind}/")}


def test_every_locked_package_is_named() -> None:
    lines = [line for lock in sbom.LOCKS for line in lock.read_text().splitlines()]
    locked = {re.split(r"[=\[]", line)[0] for line in lines if "==" in line and not line.startswith(" ")}
    assert names("pypi") == locked
    packages = json.loads(sbom.NPM_LOCK.read_text())["packages"]
    shipped = {path for path, package in packages.items() if path and not package.get("dev")}
    assert names("npm") == {path.rpartition("node_modules/")[2] for path in shipped}


def test_native_libraries_in_wheels_are_named() -> None:
    assert {"libavif", "libwebp", "libjpeg", "libpq"} <= names("generic")


def test_each_licence_is_allowed() -> None:
    known = sbom.licences()
    for component in sbom.bill_of_materials()["components"]:
        (licence,) = component["licenses"]
        parts = re.split(r" AND | OR ", licence["expression"])
        assert set(parts) <= set(known["allowed"]), component["name"]


def test_licences_are_of_locked_packages_only() -> None:
    assert set(sbom.licences()["python"]) == {name for name, _version in sbom.locked()}


def test_references_are_unique_and_runs_agree() -> None:
    found = sbom.bill_of_materials()
    references = [one["bom-ref"] for one in found["components"]]
    assert len(references) == len(set(references))
    assert found == sbom.bill_of_materials()
    assert all(one["properties"] for one in found["components"] if one["purl"].startswith("pkg:pypi/"))
