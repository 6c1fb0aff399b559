import base64
import hashlib
import os
import stat
import zipfile

from wheels import archive

MEMBERS = {
    "x-1.dist-info/WHEEL": b"Wheel-Version: 1.0\n",
    "x-1.dist-info/RECORD": b"old",
    "x/_core.so": b"\x7fELF" * 1000,
    "x/__init__.py": b"",
}


def test_record_has_each_file_and_itself(tmp_path):
    archive.write(MEMBERS, tmp_path / "x.whl", 0)
    members = archive.read(tmp_path / "x.whl")
    lines = members["x-1.dist-info/RECORD"].decode().splitlines()
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"\x7fELF" * 1000).digest()).decode().rstrip("=")
    assert f"x/_core.so,sha256={digest},4000" in lines
    assert lines[-1] == "x-1.dist-info/RECORD,,"
    assert {line.split(",")[0] for line in lines} == set(MEMBERS)


def test_the_same_bytes_whatever_the_order(tmp_path, monkeypatch):
    archive.write(MEMBERS, tmp_path / "a.whl", 1_700_000_000)
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    os.umask(os.umask(0o077))
    archive.write(dict(reversed(MEMBERS.items())), tmp_path / "b.whl", 1_700_000_000)
    assert (tmp_path / "a.whl").read_bytes() == (tmp_path / "b.whl").read_bytes()


def test_time_and_modes(tmp_path):
    archive.write(MEMBERS, tmp_path / "x.whl", 1_700_000_000)
    with zipfile.ZipFile(tmp_path / "x.whl") as wheel:
        assert {entry.date_time for entry in wheel.infolist()} == {(2023, 11, 14, 22, 13, 20)}
        modes = {entry.filename: stat.filemode(entry.external_attr >> 16) for entry in wheel.infolist()}
        assert wheel.namelist() == sorted(
            MEMBERS, key=lambda name: ("dist-info" in name, "RECORD" in name, name)
        )
    assert modes["x/_core.so"] == "-rwxr-xr-x" and modes["x/__init__.py"] == "-rw-r--r--"


def test_a_time_before_zips_calendar(tmp_path):
    archive.write(MEMBERS, tmp_path / "x.whl", 0)
    with zipfile.ZipFile(tmp_path / "x.whl") as wheel:
        assert wheel.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
