"""What must survive a run that dies: who holds an environment, until when, and how to undo what was done there.

Locally the claim of a place is a directory, named by the systems there (``<state>/faults/<environment>/<systems>/``): a
locked file, a lease, and one file for each undo. Where the target can keep it, all three are one object there as well
(``claims``).
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import secrets
import socket
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ... import clock
from ...model import CannotObserve
from ...platforms import PlatformRefused
from ...polling import TimedOut, wait_until
from ...state import state_directory
from ..blast import Blast
from ..undo import BadUndo, Undo
from .own_keys import SUFFIX as KEYS_SUFFIX
from .own_keys import OwnKeys, read_keys

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ...model import Json
    from .target import TargetClaim

_SHAPE = 1
_SUFFIX = ".json"
_BESIDE = "+"
"""Between the names of systems that share a place."""
_PASSERS_BY_S = 0.3
"""Those who only look whether the lock is free hold it for a moment."""


class Held(Exception):
    """Somebody else holds the environment, or the place of these systems."""

    def __init__(self, environment: str, holder: Holder | None, systems: Collection[str] = ()) -> None:
        self.holder = holder
        what = f"{', '.join(systems)} of {environment}" if systems else environment
        who = holder.words() if holder else "somebody who left no name"
        there = f" on {holder.host}" if holder and holder.host not in ("", socket.gethostname()) else ""
        which = f" --system {next(iter(systems))}" if systems else ""
        end = f"drillbook abort --env {environment}{which}{there}"
        super().__init__(f"{what} is held by {who}; wait for it, or end it: {end}")


class LeftBehind(Exception):
    """A run died and left harm, or may have."""

    def __init__(self, environment: str, left: tuple[Leftover, ...]) -> None:
        self.left = left
        what = "; ".join(one.words() for one in left)
        super().__init__(f"{environment} has leftovers: {what}; undo them: drillbook recover --env {environment}")


@dataclass(frozen=True, slots=True)
class Record:
    """One harm's undo, as it is written down before the harm."""

    id: str
    environment: str
    epoch: int
    """Which claim of the environment wrote it."""
    fault: str
    undo: Undo
    recorded_at: str
    """RFC 3339, UTC."""
    run: str
    """The directory of the run's journal."""
    undone: str | None = None
    """The evidence, once the watchdog has undone it and waits for the runner's end."""
    blast: Blast | None = None
    """What it hits; None where a version before wrote the record."""

    def to_json(self) -> dict[str, Json]:
        """Return the record as one object."""
        return {
            "shape": _SHAPE,
            "id": self.id,
            "environment": self.environment,
            "epoch": self.epoch,
            "fault": self.fault,
            "undo": self.undo.to_json(),
            "recorded_at": self.recorded_at,
            "run": self.run,
            "undone": self.undone,
            "blast": None if self.blast is None else asdict(self.blast),
        }

    @classmethod
    def from_json(cls, value: Json) -> Record:
        """Read what ``to_json`` wrote. Raises BadUndo."""
        if not isinstance(value, dict) or value.get("shape") != _SHAPE:
            raise BadUndo("not an undo record of this version of Drillbook")
        epoch, undone = value.get("epoch"), value.get("undone")
        words = {key: value.get(key) for key in ("id", "environment", "fault", "recorded_at", "run")}
        if not isinstance(epoch, int) or not all(isinstance(word, str) for word in words.values()):
            raise BadUndo("an undo record with missing parts")
        return cls(
            **{key: str(word) for key, word in words.items()},
            epoch=epoch,
            undo=Undo.from_json(value.get("undo")),
            undone=undone if isinstance(undone, str) else None,
            blast=Blast.from_json(value.get("blast")),
        )


def new_record(claim: Claim, *, fault: str, undo: Undo, run: str, blast: Blast | None = None) -> Record:
    """Return a record for a fault that is about to be injected."""
    return Record(secrets.token_hex(6), claim.environment, claim.epoch, fault, undo, clock.now(), run, blast=blast)


@dataclass(frozen=True, slots=True)
class Leftover:
    """An undo record that nobody guards any more."""

    path: Path
    """Its file; for one that lies on a target alone, its id."""
    record: Record | None
    problem: str | None = None
    """Why the record cannot be read."""

    def words(self) -> str:
        """Say what was left, in a few words."""
        if self.record is None:
            return f"{self.path} ({self.problem})"
        return f'"{self.record.fault}" since {self.record.recorded_at}'

    @property
    def system(self) -> str | None:
        """Whose harm it is; None where the record does not tell."""
        system = self.record.undo.data.get("system") if self.record is not None else None
        return system if isinstance(system, str) else None

    def may_concern(self, systems: Iterable[str]) -> bool:
        """Say whether the harm may be one of these systems'; a record that does not tell may be anybody's."""
        return self.system is None or self.system in map(system_in, systems)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an environment."""

    who: str
    host: str
    pid: int
    since: str
    """RFC 3339, UTC."""
    run: str
    epoch: int
    watchdog: int | None = None
    """The process that undoes; None before it is ready."""

    def words(self) -> str:
        """Say who it is, in a few words."""
        return f"{self.who} on {self.host}, process {self.pid}, since {self.since}"


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a run may hold harm in an environment."""

    epoch: int
    expires_at: float
    """Seconds since 1970 by the clock of where it lies; each heartbeat moves it on."""
    ends_at: float
    """Seconds since 1970 by the same clock; nothing moves it."""


class Claim(Protocol):
    """An environment held for faults: lock, lease and undo records as one thing."""

    @property
    def environment(self) -> str:
        """The environment's name."""
        ...

    @property
    def epoch(self) -> int:
        """Counts the claims of this environment: a later one has a greater number."""
        ...

    def put(self, record: Record) -> None:
        """Write a record so that it survives the machine's death, before this returns."""
        ...

    def remove(self, record_id: str) -> None:
        """Remove a record whose harm is proven undone; one that is not there is fine."""
        ...

    def found(self) -> tuple[Leftover, ...]:
        """Return all records there are."""
        ...

    def renew(self, lease: Lease) -> None:
        """Publish how long the claim holds."""
        ...

    def release(self) -> None:
        """Let go. Another process that shares the claim still holds it."""
        ...


class LocalClaim:
    """A claim as files of this user on this machine; held (flock) by all who have its file open."""

    def __init__(self, environment: str, folder: Path, fd: int, holder: Holder, systems: tuple[str, ...] = ()) -> None:
        self.environment = environment
        self.systems = systems
        """What is at this place, by name; nothing for what a version that knew no places has left."""
        self.folder = folder
        self.fd = fd
        self.holder = holder
        self.on_targets: tuple[TargetClaim, ...] = ()
        """The same on the targets, where those can keep it."""

    @property
    def epoch(self) -> int:
        """Counts the claims of this environment."""
        return self.holder.epoch

    @property
    def target_lock(self) -> Path:
        """The file that whoever writes to a target for this claim locks."""
        return self.folder / "target.lock"

    @property
    def held(self) -> bool:
        """Whether this process still holds it."""
        return self.fd >= 0

    @classmethod
    def take(
        cls, environment: str, *, run: str, systems: Iterable[str] = (), leftovers_are_fine: bool = False
    ) -> LocalClaim:
        """Take a place of an environment.

        Args:
            environment: its name.
            run: the directory of the run's journal.
            systems: the names of all that is there (``Spot.name``).
            leftovers_are_fine: for the one who comes to undo them.

        Raises:
            Held: another run, or the watchdog that cleans up after it, holds it.
            LeftBehind: nobody holds it, and there are undo records.
        """
        systems = tuple(sorted(systems))
        folder = folder_of(environment, systems)
        for one in (folder_of(environment), folder):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock_or_raise(fd, environment, systems)
            _refuse_holders_elsewhere(environment, systems)
            for suffix in (_SUFFIX, KEYS_SUFFIX):
                for unfinished in folder.glob(f".*{suffix}.*"):  # its writer died before any harm
                    unfinished.unlink(missing_ok=True)
            if not leftovers_are_fine:
                _refuse_leftovers(environment, systems)
            before = _read_holder(fd)
            claim = cls(environment, folder, fd, _ourselves(run, 1 + (before.epoch if before else 0)), systems)
            claim.tell(claim.holder)
            claim.count_keys()
        except BaseException:
            os.close(fd)
            raise
        return claim

    def tell(self, holder: Holder) -> None:
        """Write down who holds it."""
        self.holder = holder
        line = json.dumps(asdict(holder)).encode() + b"\n"
        os.pwrite(self.fd, line, 0)
        os.ftruncate(self.fd, len(line))

    def put(self, record: Record) -> None:
        """Write a record and put it onto the disk, its folder's entry included, and onto the targets.

        Raises:
            PlatformRefused, CannotObserve: a target does not take it.
        """
        self._write(record)
        for claim in self.on_targets:
            claim.put(record)

    def mark(self, record: Record, evidence: str) -> None:
        """Note in a record that its harm is undone, for whoever waits for that."""
        self._write(replace(record, undone=evidence))

    def remove(self, record_id: str) -> None:
        """Remove a record, from the targets first; one that is not there is fine.

        Raises:
            PlatformRefused, CannotObserve: a target keeps it, and so does the disk.
        """
        for claim in self.on_targets:
            claim.remove(record_id)
        (self.folder / f"{record_id}{_SUFFIX}").unlink(missing_ok=True)
        _sync_folder(self.folder)

    def found(self) -> tuple[Leftover, ...]:
        """Return all records there are on this machine."""
        return found_in(self.folder)

    def remember(self, keys: OwnKeys) -> None:
        """Remember what a run's clients may write, here and on the targets, before they do.

        Raises:
            OSError: the disk does not take it.
            PlatformRefused, CannotObserve: a target does not take it.
        """
        path = self._keys_file(keys.id)
        self._write_keys(keys.noted(time.time(), read_keys(path) if path.exists() else None))
        for claim in self.on_targets:
            claim.remember(keys)

    def count_keys(self) -> None:
        """Put down how many keys each run that is gone can have written, before this one's own life hides its end."""
        last_sign_s = _last_sign_s(self.folder)
        for path in files_of(self.folder, KEYS_SUFFIX):
            with contextlib.suppress(OSError, CannotObserve):  # it stays as it is, and whoever asks for it is told
                keys = read_keys(path)
                if keys.count is None:
                    self._write_keys(keys.ended(last_sign_s))

    def forget(self, keys_id: str) -> None:
        """Forget keys that are deleted. Raises PlatformRefused, CannotObserve when a target keeps them."""
        for claim in self.on_targets:
            claim.forget(keys_id)
        self._keys_file(keys_id).unlink(missing_ok=True)

    def remembered(self) -> tuple[OwnKeys, ...]:
        """Return what runs that are gone may have written, as this machine and the targets remember it.

        Raises:
            PlatformRefused, CannotObserve: a target, or a file here, cannot be read.
        """
        there = {keys.id: keys for claim in self.on_targets for keys in claim.read().keys if keys.count is not None}
        here = {keys.id: keys for keys in map(read_keys, files_of(self.folder, KEYS_SUFFIX))}
        return tuple(keys.ended(_last_sign_s(self.folder)) for keys in (there | here).values())

    def _write_keys(self, keys: OwnKeys) -> None:
        write_durably(self._keys_file(keys.id), json.dumps(keys.to_json(), indent=1) + "\n")

    def _keys_file(self, keys_id: str) -> Path:
        return self.folder / f"{keys_id}{KEYS_SUFFIX}"

    def _write(self, record: Record) -> None:
        write_durably(self.folder / f"{record.id}{_SUFFIX}", json.dumps(record.to_json(), indent=2) + "\n")

    def renew(self, lease: Lease) -> None:
        """Publish how long the claim holds."""
        fresh = self.folder / ".lease.new"
        fresh.write_text(json.dumps(asdict(lease)) + "\n", "utf-8")
        fresh.replace(self.folder / "lease")

    def forget_target_claims(self) -> None:
        """Let go of the targets; one that cannot be reached keeps its claim until the lease is over."""
        for claim in self.on_targets:
            with contextlib.suppress(PlatformRefused, CannotObserve, BadUndo):
                claim.drop()

    def release(self) -> None:
        """Let go."""
        self.forget_target_claims()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def overlap(some: Iterable[str], others: Iterable[str]) -> bool:
    """Say whether two lists of what is at places have a system, or a part of one, in common.

    ``shop`` has ``shop.api`` and ``shop.database`` in it; these two have nothing in common.
    """
    return any(
        one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.") for one in some for other in others
    )


def system_in(name: str) -> str:
    """Return the system of what is at a place: of ``shop`` and of ``shop.api``."""
    return name.partition(".")[0]


def is_name(text: str) -> bool:
    """Say whether a text can be the name of an environment: that of a folder."""
    return bool(text) and not text.startswith(".") and "/" not in text


def files_of(folder: Path, suffix: str = _SUFFIX) -> tuple[Path, ...]:
    """Return the files of a claim's folder that are written to their end: undo records, or those of another suffix."""
    return tuple(sorted(path for path in folder.glob(f"*{suffix}") if not path.name.startswith(".")))


def folder_of(environment: str, systems: Iterable[str] = ()) -> Path:
    """Return where the claim and the records of an environment's place are.

    Args:
        environment: its name.
        systems: the names of all systems that are there; without any, the folder that holds those of all places.

    Raises:
        ValueError: that is no environment's name, or no system's.
        CannotObserve: what would have to be a folder is none, or is not ours to read and write.
    """
    for name in (environment, *systems):
        if not is_name(name):
            raise ValueError(f"not the name of an environment or a system: {name!r}")
    folder = state_directory() / "faults" / environment / _BESIDE.join(sorted(systems))
    there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not (there.is_dir() and os.access(there, os.R_OK | os.W_OK | os.X_OK)):
        raise CannotObserve(
            f"undo records cannot be kept in {folder}: {there} is no folder that we may read and write",
            hint="set DRILLBOOK_STATE_DIR to one",
        )
    return folder


def folders_of(environment: str) -> dict[tuple[str, ...], Path]:
    """Return the folders that hold claims of an environment here, by the systems whose place each is."""
    whole = folder_of(environment)
    if not whole.is_dir():
        return {}
    parts = sorted(path for path in whole.iterdir() if path.is_dir() and is_name(path.name))
    return {(): whole, **{tuple(path.name.split(_BESIDE)): path for path in parts}}


def leftovers(environment: str, systems: Collection[str] = ()) -> tuple[Leftover, ...]:
    """Return the undo records that nobody guards: the runner and its watchdog are both gone.

    While somebody holds a place its records are not leftovers.

    Args:
        environment: its name.
        systems: those whose harm, or whose place, is asked about; without any, all.
    """
    free = {there: found_in(folder) for there, folder in folders_of(environment).items() if holder_in(folder) is None}
    return tuple(
        row
        for there, rows in free.items()
        for row in rows
        if not systems or overlap(systems, there) or (not _parts(there) and row.may_concern(systems))
    )


def holder_of(environment: str, systems: Collection[str] = ()) -> Holder | None:
    """Return who holds an environment or a place of it, or None when all is free.

    Args:
        environment: its name.
        systems: those whose place is asked about; without any, all.
    """
    folders = folders_of(environment).items()
    asked = (folder for there, folder in folders if not systems or not there or overlap(systems, there))
    return next((holder for folder in asked if (holder := holder_in(folder)) is not None), None)


def holder_in(folder: Path) -> Holder | None:
    """Return who holds the claim in a folder, or None when it is free."""
    try:
        fd = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(fd) or Holder("somebody", "this machine", 0, "an unknown time", "", 0)
    finally:
        os.close(fd)
    return None


def read_record(path: Path) -> Leftover:
    """Read one record file; what cannot be read is a leftover with its problem."""
    try:
        return Leftover(path, Record.from_json(json.loads(path.read_text("utf-8"))))
    except OSError as error:
        return Leftover(path, None, error.strerror)
    except (ValueError, BadUndo) as error:
        return Leftover(path, None, str(error))


def write_durably(path: Path, text: str) -> None:
    """Write a file whole or not at all, and put it and its folder's entry onto the disk before returning."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _lock_or_raise(fd: int, environment: str, systems: tuple[str, ...]) -> None:
    try:
        wait_until(lambda: _lock(fd), what="the lock", timeout_s=_PASSERS_BY_S, every_s=0.02)
    except TimedOut:
        raise Held(environment, _read_holder(fd), systems) from None


def _refuse_holders_elsewhere(environment: str, systems: tuple[str, ...]) -> None:
    """Refuse where one of the systems is held with others than it is beside now: the file was changed meanwhile."""
    for there, folder in folders_of(environment).items():
        concerned = there != systems and (not there or overlap(there, systems))
        if concerned and (holder := holder_in(folder)) is not None:
            raise Held(environment, holder, there)


def _refuse_leftovers(environment: str, systems: tuple[str, ...]) -> None:
    """Refuse for what lies in our own folder, which we have locked, and for what concerns our systems elsewhere."""
    left = (*found_in(folder_of(environment, systems)), *leftovers(environment, systems))
    if left:
        raise LeftBehind(environment, left)


def _parts(there: tuple[str, ...]) -> bool:
    """Say whether a place is that of some components of a system: what is there concerns nobody elsewhere."""
    return any("." in name for name in there)


def _last_sign_s(folder: Path) -> float:
    """Return when a run was last seen to hold a claim, by this machine's clock."""
    try:
        return (folder / "lease").stat().st_mtime
    except OSError:
        return time.time()


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def found_in(folder: Path) -> tuple[Leftover, ...]:
    """Return the records in a folder; what cannot be read is one too."""
    rows = (read_record(path) for path in files_of(folder))
    return tuple(row for row in rows if row.record is not None or row.path.exists())


def _read_holder(fd: int) -> Holder | None:
    try:
        value = json.loads(os.pread(fd, 65536, 0))
        return Holder(**value)
    except (OSError, ValueError, TypeError):
        return None


def _ourselves(run: str, epoch: int) -> Holder:
    try:
        who = getpass.getuser()
    except (OSError, KeyError):
        who = f"user {os.getuid()}"
    return Holder(who, socket.gethostname(), os.getpid(), clock.now(), run, epoch)
