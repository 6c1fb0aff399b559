import pytest

from wheels import check, sbom
from wheels.commands import Refusal

PRINTED = """\
_engine.so: go1.26.8
\tpath\tgoloop/pybind
\tmod\tgoloop\t(devel)\t
\tdep\tgolang.org/x/sys\tv0.49.0\th1:XbzkgYJHdqh=
\tbuild\t-buildmode=c-shared
"""


def made():
    return sbom.document("1.2.3", sbom.read(PRINTED), "v0.4.10", "0.15.2", 1_700_000_000)


def test_what_go_notes_is_read():
    assert sbom.read(PRINTED) == sbom.BuildInfo(
        "1.26.8", [("golang.org/x/sys", "v0.49.0", "h1:XbzkgYJHdqh=")]
    )


def test_it_is_cyclonedx():
    check.validate(sbom.text(made()))


def test_what_is_no_cyclonedx_is_refused():
    bom = made()
    bom["components"][0]["type"] = "lirbary"
    with pytest.raises(Refusal):
        check.validate(sbom.text(bom))


def test_each_module_and_the_standard_library_are_in_it():
    bom = made()
    assert [part["purl"] for part in bom["components"]] == [
        "pkg:golang/std@1.26.8",
        "pkg:golang/golang.org/x/sys@v0.49.0",
        "pkg:golang/github.com/go-python/gopy@v0.4.10",
    ]
    assert bom["components"][1]["properties"] == [{"name": "go:sum", "value": "h1:XbzkgYJHdqh="}]
    assert bom["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"


def test_a_module_without_a_known_licence_is_not_passed_over():
    printed = PRINTED + "\tdep\texample.org/new\tv1.0.0\th1:x=\n"
    with pytest.raises(KeyError):
        sbom.document("1", sbom.read(printed), "v0.4.10", "", 0)


def test_go_mods_version():
    assert sbom.required("require (\n\tgolang.org/x/sys v0.49.0\n)\n", "golang.org/x/sys") == "v0.49.0"
    with pytest.raises(ValueError):
        sbom.required("", "golang.org/x/sys")
