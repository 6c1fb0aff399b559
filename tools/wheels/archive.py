"""The wheel as a file: the same members give the same bytes, whoever packs them, when and where."""

import base64
import hashlib
import time
import zipfile
from pathlib import Path

EARLIEST = 315532800  # 1980, with which zip's calendar begins
Members = dict[str, bytes]


def read(path: Path) -> Members:
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist() if not name.endswith("/")}


def of_folder(folder: Path) -> Members:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def dist_info(members: Members) -> str:
    """The name of the folder of metadata."""
    (found,) = {name.split("/")[0] for name in members if name.split("/")[0].endswith(".dist-info")}
    return found


def record(members: Members, place: str) -> bytes:
    """RECORD, which has a line for each file, and of itself the name only."""
    lines = []
    for name in order(members):
        digest = base64.urlsafe_b64encode(hashlib.sha256(members[name]).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(members[name])}\n")
    return "".join([*lines, f"{place},,\n"]).encode()


def order(members: Members) -> list[str]:
    """Metadata comes last, as the format of wheels advises."""
    return sorted(members, key=lambda name: (".dist-info/" in name, name))


def write(members: Members, path: Path, epoch: int) -> None:
    """Write a wheel; its RECORD is made anew. epoch: the time of every file, in seconds."""
    place = f"{dist_info(members)}/RECORD"
    kept = {name: content for name, content in members.items() if name != place}
    stamp = time.gmtime(max(epoch, EARLIEST))[:6]
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in [
            *((name, kept[name]) for name in order(kept)),
            (place, record(kept, place)),
        ]:
            entry = zipfile.ZipInfo(name, stamp)
            entry.create_system = 3  # Unix, whose modes these are
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content, compresslevel=9)
