"""The files of a zarr store, in a folder or a zip archive: their sizes, and nothing outside of the store."""

from __future__ import annotations

import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pyg_gears.data.io.inspection.limits import start_step
from pyg_gears.data.io.inspection.node import Unfit, printable

MAX_FILES = 1_000_000
MAX_METADATA_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Listing:
    """The files of a store.

    Attributes:
        path: The folder or archive.
        prefix: Where the root group lies in an archive: at its top (``""``) or in its only folder (``"name.zarr/"``).
        sizes: Unpacked size of every file by its name below the root group, in bytes.
    """

    path: Path
    prefix: str
    sizes: dict[str, int]

    def metadata(self, name: str) -> bytes:
        """A small file.

        Raises:
            Unfit: when it is large.
        """
        if self.sizes[name] > MAX_METADATA_BYTES:
            raise Unfit(f"{printable(name)} is larger than {MAX_METADATA_BYTES // 2**20} MiB")
        if self.path.is_dir():
            return (self.path / name).read_bytes()
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(self.prefix + name)


def list_store(path: Path) -> Listing:
    """List a store.

    Raises:
        Unfit: for links, pipes and devices in a folder; for names that lead out of an archive or occur twice in it.
    """
    if path.is_dir():
        sizes: dict[str, int] = {}
        _list_folder(path, "", sizes)
        return Listing(path, "", sizes)
    return _list_archive(path)


def _list_folder(folder: Path, prefix: str, sizes: dict[str, int]) -> None:
    start_step()
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_symlink():
                raise Unfit(f"{printable(name)} is a link")
            if entry.is_dir(follow_symlinks=False):
                if name.count("/") > 64:
                    raise Unfit("its folders are nested deeper than 64 levels")
                _list_folder(Path(entry.path), f"{name}/", sizes)
                continue
            state = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(state.st_mode):
                raise Unfit(f"{printable(name)} is neither a file nor a folder")
            sizes[name] = state.st_size
            if len(sizes) > MAX_FILES:
                raise Unfit(f"it has more than {MAX_FILES} files")


def _list_archive(path: Path) -> Listing:
    start_step(path.stat().st_size)
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_FILES:
        raise Unfit(f"it has more than {MAX_FILES} files")
    sizes: dict[str, int] = {}
    for entry in entries:
        name = entry.filename
        if name.startswith("/") or "\\" in name or {"", ".", ".."} & set(name.split("/")):
            raise Unfit(f"{printable(name)} leads out of the archive")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise Unfit(f"{printable(name)} is a link")
        if name in sizes:
            raise Unfit(f"{printable(name)} occurs twice")
        if entry.flag_bits & 1:
            raise Unfit("it is encrypted")
        sizes[name] = entry.file_size
    top = {name.split("/", 1)[0] for name in sizes}
    prefix = f"{top.pop()}/" if len(top) == 1 and not {".zgroup", "zarr.json"} & set(sizes) else ""
    return Listing(path, prefix, {name.removeprefix(prefix): size for name, size in sizes.items()})
