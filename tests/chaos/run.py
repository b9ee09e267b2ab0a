"""Thousands of uploads while everything fails: `python -m tests.chaos.run`.

    plan ──▶ uploads ──▶ the local cloud, whose provider fails by chance     ──▶ judge ──▶ table
    (seeded)             and whose workers are killed, until all is at rest

The functions are the real ones in real processes. Judged is by the provider's own book (charges,
calls, what was looked for), the bucket and the ledger, never by our log. The seed settles what is
uploaded and what is drawn; who meets what also depends on the machine's pace.
"""

import hashlib
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, unquote, urlsplit

import typer
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from local.cloud import (
    ROOT,
    STATE_BUCKET,
    SWEEP_FUNCTION,
    SWEEP_TIMER,
    UPLOAD_FUNCTION,
    UPLOADS_BUCKET,
    Cloud,
    Scale,
)
from local.faas import DeliverySettings
from local.imagex import Book, Charge, FaultSettings, StoredFile
from local.tos import ObjectStore
from shared.ledger import Record
from shared.metadata import identity, recognised

READMES = ("README.md", "README.zh-CN.md")
PAID_ACTION = "GetCVImageGenerateResult"
TIMEOUT_SECONDS, SETTLE_SECONDS = 1.0, 3.0
# The paid call takes up to 1.05 s: one in twenty is answered, and stored, after its caller gave up.
FAULTS = FaultSettings(
    latency_seconds=0.05,
    latency_jitter_seconds=1.0,
    lose_answer=0.02,
    lose_request=0.02,
    commit_late=0.02,
    commit_late_seconds=0.8,
    charge_without_storing=0.003,
    executed_before_error=0.5,
    probe_errors=0.1,
    error_rates={
        "garbage": 0.01,
        "truncated": 0.01,
        "http_502": 0.01,
        "http_504": 0.005,
        "InternalError": 0.01,
        "50500": 0.005,
        "ServiceUnavailableTemp": 0.01,
        "FlowLimitExceeded": 0.005,
        "50429": 0.005,
    },
)
# Ten retries are over before a killed owner's lease is: then only the sweep can help.
RETRY_DELAYS = (0.1, 0.2)
REFUSED = ("[refuse]", "敏感词", "[copyright]", "[no-face]", "[review-down]", "[refuse-output]")
INVALID = ({"seed": "abc"}, {"steps": "99"}, {"output": "a~b"}, {"req-json": "{"})

Store = Literal["tos", "sqlite"]
Kind = Literal[
    "plain", "refused", "refused once", "invalid", "no prompt",
    "named", "same name", "overwriting", "replaced",
]  # fmt: skip
SHARES: dict[Kind, float] = {
    "plain": 84, "refused": 4, "refused once": 1, "invalid": 2, "no prompt": 1,
    "named": 2, "same name": 1, "overwriting": 1, "replaced": 4,
}  # fmt: skip
ENDS: dict[Kind, tuple[str, ...]] = {
    "refused": ("rejected",),
    "invalid": ("rejected",),
    "no prompt": ("skipped",),
    "same name": ("generated", "rejected"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does. Times are in seconds, `qps` the provider's."""

    uploads: int
    seed: int
    instances: int = 7
    concurrency: int = 16
    qps: float = 36.0
    kill_every: float = 3.0
    backlog: int = 400
    rest_within: float = 300.0


@dataclass(frozen=True, slots=True)
class Upload:
    """An object to be put; once it was, `etag` and the `id` of its record are known."""

    key: str
    kind: Kind
    metadata: dict[str, str]
    picture: int
    etag: str = ""
    id: str = ""


@dataclass(slots=True)
class Tally:
    """What one run came to; `broken` are sentences, one for each rule that was broken."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether every promise was."""
        return not (self.counts["lost"] or self.counts["unexplained"] or self.broken)


def planned(plan: Plan) -> list[Upload]:
    """Draw what is uploaded, in order. A key that is replaced comes twice."""
    rng = random.Random(plan.seed)
    kinds = rng.choices(list(SHARES), list(SHARES.values()), k=plan.uploads)
    uploads: list[Upload] = []
    for number, kind in enumerate(kinds):
        metadata = _metadata(kind, number, rng, names=1 + plan.uploads // 200)
        uploads.append(Upload(f"uploads/{number:06}.png", kind, metadata, 2 * number))
    for number, kind in reversed(list(enumerate(kinds))):
        if kind == "replaced":
            # Put at any time from at once to well after the first one ended.
            place = number + 1 + rng.randrange(plan.backlog)
            uploads.insert(place, replace(uploads[number], picture=2 * number + 1))
    return uploads[: plan.uploads]


def _metadata(kind: Kind, number: int, rng: random.Random, names: int) -> dict[str, str]:
    prompt = f"水彩 {number}"
    match kind:
        case "refused":
            return {"prompt": f"{rng.choice(REFUSED)} {number}"}
        case "refused once":
            return {"prompt": f"违规一次 {number}"}
        case "invalid":
            return {"prompt": prompt, **rng.choice(INVALID)}
        case "no prompt":
            return {}
        case "named":
            return {"prompt": prompt, "output": f"named/{number}.png"}
        case "same name":
            return {"prompt": prompt, "output": f"same/{rng.randrange(names)}.png"}
        case "overwriting":
            name = f"over/{rng.randrange(names)}.png"
            return {"prompt": prompt, "output": name, "overwrite": "true"}
        case "plain" | "replaced":
            return {"prompt": prompt}


def picture(seed: int) -> bytes:
    """Draw a small picture that no other seed gives."""
    file = BytesIO()
    pixels = random.Random(seed).randbytes(16 * 16 * 3)
    Image.frombytes("RGB", (16, 16), pixels).save(file, "PNG")
    return file.getvalue()


class NotedBook(Book):
    """The provider's book, which notes as well which names were looked for, and when."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.looks: dict[str, list[float]] = {}

    def files(self, prefix: str, after: str, limit: int) -> list[StoredFile]:
        found = super().files(prefix, after, limit)
        # Also where a file is found: a name that is overwritten has an older one.
        self.looks.setdefault(prefix, []).append(time.time())
        return found


class Ledger:
    """The ledger as it lies on the disk, read without the code that is being judged.

    It is in the objects, or in the file `path`.
    """

    def __init__(self, objects: ObjectStore, path: Path | None = None) -> None:
        self._objects = objects
        self._path = path

    def ended(self) -> int:
        """Count the end records."""
        ((count,),) = self._rows("COUNT(*)", finished=True) or ((0,),)
        return int(count)

    def documents(self, *, finished: bool) -> Iterator[tuple[str, bytes]]:
        """Go through the records that ended, or those that did not: id and JSON."""
        for (name,) in self._rows("id" if self._path else "key", finished=finished):
            record_id = name.rpartition("/")[2].removesuffix(".json")
            document = self._read(record_id, finished=finished)
            if document is not None:  # it may have ended meanwhile
                yield record_id, document

    def pending(self) -> dict[str, Record]:
        """Return what has not ended, by id."""
        return {i: Record.from_json(text) for i, text in self.documents(finished=False)}

    def end(self, record_id: str) -> Record | None:
        """Return an end record."""
        document = self._read(record_id, finished=True)
        return Record.from_json(document) if document is not None else None

    def _read(self, record_id: str, *, finished: bool) -> bytes | None:
        while True:
            rows = self._rows("json" if self._path else "blob", record_id, finished=finished)
            if self._path or not rows:
                return rows[0][0].encode() if rows else None
            with suppress(FileNotFoundError):  # replaced since the look into the index
                return self._objects.blobs.path(rows[0][0]).read_bytes()

    def _rows(self, columns: str, record_id: str = "", *, finished: bool) -> list[Any]:
        """Select from the records that are, or are not, finished: all of them, or one."""
        if self._path:
            query = f"SELECT {columns} FROM records WHERE finished = ? AND id BETWEEN ? AND ?"
            values: tuple[object, ...] = (int(finished), record_id, record_id or "~")
            if not self._path.exists():
                return []
            with closing(sqlite3.connect(self._path, timeout=30)) as connection:
                begun = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'records'")
                return connection.execute(query, values).fetchall() if begun.fetchone() else []
        folder = f"ledger/{'done' if finished else 'pending'}/"
        key = f"{folder}{record_id}.json"
        query = f"SELECT {columns} FROM objects WHERE bucket = ? AND current = 1"
        values = (STATE_BUCKET, key if record_id else folder, key if record_id else f"{folder}~")
        with self._objects.index.reading() as connection:
            rows = connection.execute(f"{query} AND key BETWEEN ? AND ?", values).fetchall()
        return [tuple(row) for row in rows]


class Killer:
    """Kills workers from entering the context to leaving it, at moments drawn by chance."""

    def __init__(self, cloud: Cloud, plan: Plan) -> None:
        self.kills = 0
        self._platform = cloud.platform
        self._every = plan.kill_every
        self._rng = random.Random(plan.seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._rng.uniform(0.5, 1.5) * self._every):
            name = SWEEP_FUNCTION if self._rng.random() < 0.2 else UPLOAD_FUNCTION
            instances = self._platform._find(name)._instances
            if self._rng.random() < 0.1:
                self.kills += len(instances)
                self._platform.kill(name)
            else:
                # One of several, as when a machine fails; the platform replaces it when needed.
                self.kills += 1
                self._rng.choice(instances).kill()


def run(plan: Plan, store: Store, folder: Path, told: Callable[[str, int], None]) -> Tally:
    """Do one run in `folder` and judge it; `told` gets a line on the state now and then."""
    environment = {
        "VEIMAGEX_TIMEOUT_SECONDS": f"{TIMEOUT_SECONDS}",
        "VEIMAGEX_SETTLE_SECONDS": f"{SETTLE_SECONDS}",
        "REPAINT_DEADLINE_SECONDS": "20",
        "REPAINT_LOG_LEVEL": "warning",
    }
    path = folder.resolve() / "ledger.sqlite" if store == "sqlite" else None
    if path:
        environment["REPAINT_LEDGER"] = f"sqlite://{path}"
    began = time.monotonic()
    book = NotedBook(folder / "book")
    with Cloud(
        folder,
        faults=FAULTS.model_copy(update={"seed": plan.seed, "qps": plan.qps}),
        delivery=DeliverySettings(
            duplicate_probability=0.1, retry_delays=RETRY_DELAYS, seed=plan.seed
        ),
        environment=environment,
        scale=Scale(plan.instances, plan.concurrency, sweep_seconds=2.0),
        book=book,
        paint=lambda image, _prompt, _seed: image,
    ) as cloud:
        ledger, earlier = Ledger(cloud.store, path), dict[str, str]()
        with Killer(cloud, plan) as killer:
            uploads: list[Upload] = []
            for uploaded in _put(cloud, plan):
                uploads = uploaded
                if not earlier and 2 * len(uploads) >= plan.uploads:
                    earlier = {i: _digest(text) for i, text in ledger.documents(finished=True)}
                told(f"{len(uploads)} uploaded, {killer.kills} killed", ledger.ended())
            (timer,) = (t for t in cloud.platform.timers if t.name == SWEEP_TIMER)
            until = time.monotonic() + plan.rest_within
            # With a tick's lock held no tick runs: what is at rest then, stays at rest.
            while timer.running.acquire() and not _at_rest(cloud, ledger):
                if time.monotonic() > until:
                    break
                timer.running.release()
                told(f"waiting for {len(ledger.pending())} pending", ledger.ended())
                time.sleep(0.5)
        try:
            tally = Judge(cloud.store, book, ledger, earlier).judge(uploads)
            tally.counts["dropped"] = len(cloud.platform.queue.dropped)
        finally:
            timer.running.release()
    tally.counts["kills"] = killer.kills
    tally.counts["seconds"] = round(time.monotonic() - began)
    return tally


def _put(cloud: Cloud, plan: Plan) -> Iterator[list[Upload]]:
    """Upload what is planned, no faster than it is worked on; yield what was put by now."""
    storage, done = cloud.runtime().storage(None), list[Upload]()

    def put(upload: Upload) -> Upload:
        metadata = {name: quote(value) for name, value in upload.metadata.items()}
        etag = storage.put(
            UPLOADS_BUCKET,
            upload.key,
            picture(upload.picture),
            content_type="image/png",
            metadata=metadata,
        )
        record_id = identity(UPLOADS_BUCKET, upload.key, etag, recognised(metadata))
        return replace(upload, etag=etag, id=record_id)

    waiting = planned(plan)
    with ThreadPoolExecutor(4) as pool:
        while waiting:
            queue = cloud.platform.queue
            busy = len(queue.waiting) + len(queue.in_flight) + len(queue.delayed)
            room = max(0, plan.backlog - busy)
            batch, waiting = waiting[:room], waiting[room:]
            done += pool.map(put, batch)
            yield done
            time.sleep(0.5)


def _at_rest(cloud: Cloud, ledger: Ledger) -> bool:
    """Say whether nothing is left to be done but what is in doubt."""
    return cloud.platform.idle() and all(
        record.parked == "in_doubt" for record in ledger.pending().values()
    )


class Judge:
    """Judges a run that is at rest. `earlier` are the digests of end records in mid-run."""

    def __init__(
        self,
        objects: ObjectStore,
        book: NotedBook,
        ledger: Ledger,
        earlier: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._objects = objects
        self._book = book
        self._ledger = ledger
        self._earlier = earlier
        self._pending = ledger.pending()
        self._arrived = {call.request_id: call.at for call in book.calls()}
        self._tally = Tally()

    def judge(self, uploads: list[Upload]) -> Tally:
        """Look at every upload, then at what belongs to none."""
        counts, charges = self._tally.counts, self._charges(uploads)
        counts["uploads"], counts["charges"] = len(uploads), len(self._book.charges())
        holders: Counter[str] = Counter()
        for upload in uploads:
            paid = charges.pop(upload.id, [])
            state = self._one(upload, paid)
            if upload.kind == "same name" and state == "generated":
                holders[upload.metadata["output"]] += 1
        for name in (name for name, number in holders.items() if number > 1):
            self._broken(f"The output name {name} was given to {holders[name]} uploads.")
        for record_id, strange in charges.items():
            counts["unexplained"] += len(strange)
            self._broken(f"{len(strange)} charges for {record_id}, which nobody uploaded.")
        calls = [call.outcome for call in self._book.calls() if call.action == PAID_ACTION]
        counts["calls"] = len(calls)
        counts["refused"] = sum(o in ("FlowLimitExceeded", "50429", "50430") for o in calls)
        known = {upload.id for upload in uploads}
        for record_id, document in self._ledger.documents(finished=True):
            if record_id not in known:
                self._broken(f"There is an end record {record_id}, which nobody uploaded.")
            if self._earlier.get(record_id, _digest(document)) != _digest(document):
                self._broken(f"The end record {record_id} changed after it was written.")
        return self._tally

    def _charges(self, uploads: list[Upload]) -> dict[str, list[Charge]]:
        """Return each upload's charges, oldest first, by the id of its record."""
        by_key = {upload.key: upload.id for upload in uploads}
        found: dict[str, list[Charge]] = defaultdict(list)
        for charge in self._book.charges():
            name = charge.output.removeprefix("repaint/").rpartition("-")[0]
            # A name that the user chose tells no id, and the keys of those are put but once.
            key = unquote(urlsplit(charge.source).path).removeprefix("/")
            chosen = charge.output.startswith(("repaint/named/", "repaint/same/", "repaint/over/"))
            found[by_key.get(key, charge.output) if chosen else name].append(charge)
        return found

    def _one(self, upload: Upload, paid: list[Charge]) -> str:
        """Judge one upload; return how it ended."""
        counts, record = self._tally.counts, self._ledger.end(upload.id)
        pending = self._pending.get(upload.id)
        if record is not None and pending is not None:
            self._broken(f"{upload.key} ended and is pending still.")
        if record is not None:
            state: str = record.state
        elif pending is not None:
            state = "parked" if pending.parked == "in_doubt" else "lost"
        elif upload.kind == "no prompt":
            state = "skipped"
        else:
            state = "superseded" if self._is_replaced(upload) else "lost"
        counts[state] += 1
        if state == "lost":
            self._broken(f"{upload.key} ({upload.id}, {upload.kind}) has no end: {pending!r}")
        elif state not in ("parked", *self._allowed(upload)):
            reason = record.reason if record else ""
            self._broken(f"{upload.key} ({upload.kind}) ended {state}: {reason}")
        if record is not None:
            counts["found"] += any(a.outcome == "found" for a in record.attempts)
            self._stored(upload, record, paid)
        self._explain(upload, record, state, paid)
        return state

    def _allowed(self, upload: Upload) -> tuple[str, ...]:
        if upload.kind == "replaced" and self._is_replaced(upload):
            return ("generated", "superseded")
        return ENDS.get(upload.kind, ("generated",))

    def _is_replaced(self, upload: Upload) -> bool:
        return self._objects.head(UPLOADS_BUCKET, upload.key).etag != upload.etag

    def _stored(self, upload: Upload, record: Record, paid: list[Charge]) -> None:
        """Check that what is called generated exists and was paid for."""
        if record.state != "generated":
            return
        names = [uri.partition("/")[2] for uri in record.store_uris]
        if not names or not all(self._book.find(name) for name in names):
            self._broken(f"{upload.key} is called generated; {names} are not all stored.")
        # Two may overwrite one name, and whose file is there at a look nobody can tell.
        shared = upload.kind == "overwriting"
        if not shared and not any(c.stored and c.output in names for c in paid):
            self._broken(f"{upload.key} is called generated; nothing was charged for {names}.")

    def _explain(
        self, upload: Upload, record: Record | None, state: str, paid: list[Charge]
    ) -> None:
        """Ask of every charge but the image's own why it was made."""
        counts = self._tally.counts
        made = [c for c in paid if record and c.store_uri in record.store_uris and c.stored]
        for charge in paid:
            if made and charge is made[0]:
                continue
            after = charge.at - self._asked(charge, record or self._pending.get(upload.id))
            if not charge.stored:
                counts["nothing stored"] += 1
            elif after > SETTLE_SECONDS:
                counts["too late"] += 1
            elif state == "parked" and charge is paid[-1]:
                counts["in doubt"] += 1
            else:
                counts["unexplained"] += 1
                self._broken(
                    f"{upload.key} ({state}): {charge.output} was charged and stored {after:.3f} s "
                    f"after it was asked for, and is not the image. {self._history(paid)} {record}"
                )
        for first, second in pairwise(paid):
            sent, sent_again = (self._asked(c) for c in (first, second))
            looks = self._book.looks.get(first.output, ())
            if not any(sent <= look <= sent_again for look in looks):
                counts["unexplained"] += 1
                self._broken(
                    f"{upload.key}: {second.output} was paid without a look for {first.output}. "
                    f"{self._history(paid)} {record}"
                )

    def _asked(self, charge: Charge, record: Record | None = None) -> float:
        """Return when a charge's call arrived, or was sent if the record knows that."""
        sent = [a.sent_at for a in record.attempts if a.output == charge.output] if record else []
        return min([self._arrived.get(charge.request_id, charge.at), *sent])

    def _history(self, paid: list[Charge]) -> str:
        return "; ".join(
            f"{c.output} asked {self._asked(c):.3f} charged {c.at:.3f} "
            f"stored {c.stored} looked {self._book.looks.get(c.output, [])}"
            for c in paid
        )

    def _broken(self, sentence: str) -> None:
        self._tally.broken.append(sentence)


def _digest(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()


def _share(part: str, whole: str, form: str) -> Callable[[Counter[str]], str]:
    return lambda counts: format(counts[part] / counts[whole] if counts[whole] else 0.0, form)


def _count(name: str) -> Callable[[Counter[str]], str]:
    return lambda counts: f"{counts[name]:,}"


ROWS: tuple[tuple[str, str, Callable[[Counter[str]], str]], ...] = (
    ("uploads", "上传", _count("uploads")),
    ("generated", "已生成", _count("generated")),
    ("rejected", "被拒绝", _count("rejected")),
    ("superseded or skipped", "被覆盖或跳过", lambda c: f"{c['superseded'] + c['skipped']:,}"),
    ("parked in doubt", "存疑搁置", _count("parked")),
    ("**lost**", "**丢失**", _count("lost")),
    ("charges", "扣费", _count("charges")),
    ("charges per generated image", "每张生成图的扣费", _share("charges", "generated", ".4f")),
    ("explained: nothing was stored", "可解释：未存图", _count("nothing stored")),
    ("explained: stored after the settle time", "可解释：逾时才存图", _count("too late")),
    ("explained: of what is in doubt", "可解释：属存疑搁置者", _count("in doubt")),
    ("**charges that no rule explains**", "**无规则可解释的扣费**", _count("unexplained")),
    ("found by looking, not paid again", "查找到，未再付费", _count("found")),
    ("paid calls sent", "发出的付费调用", _count("calls")),
    ("of these refused for their pace", "其中因频率被拒", _share("refused", "calls", ".1%")),
    ("deliveries that the platform dropped", "平台丢弃的投递", _count("dropped")),
    ("workers killed", "被杀死的进程", _count("kills")),
    ("seconds", "秒", _count("seconds")),
)


def table(tallies: dict[Store, Tally], *, chinese: bool = False) -> str:
    """Write the tallies as a Markdown table."""
    head = "账本" if chinese else "ledger"
    lines = [f"| {head} | " + " | ".join(tallies) + " |", "|---|" + "---:|" * len(tallies)]
    for english, translated, value in ROWS:
        values = " | ".join(value(tally.counts) for tally in tallies.values())
        lines.append(f"| {translated if chinese else english} | {values} |")
    return "\n".join(lines)


def write_readmes(tallies: dict[Store, Tally], command: str, folder: Path = ROOT) -> None:
    """Put the table between the markers of each README in `folder` that has them."""
    head, tail = "<!-- chaos -->\n", "<!-- /chaos -->"
    date = datetime.now(UTC).date().isoformat()
    for name in READMES:
        path = folder / name
        before, found, rest = path.read_text("utf-8").partition(head)
        _, closed, after = rest.partition(tail)
        if found and closed:
            text = table(tallies, chinese="zh" in name)
            path.write_text(
                f"{before}{head}`{command}`, {date}:\n\n{text}\n{tail}{after}", encoding="utf-8"
            )


class Show:
    """Shows the state of a run: a bar on a terminal, else a line every 20 seconds."""

    def __init__(self, console: Console, store: Store, total: int) -> None:
        self._console = console
        self._store = store
        self._said = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed} ended · {task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self.bar.add_task(store, total=total, state="starting")

    def __call__(self, state: str, ended: int) -> None:
        self.bar.update(self._task, completed=ended, state=state)
        if not self._console.is_terminal and time.monotonic() - self._said > 20:
            self._said = time.monotonic()
            self._console.print(f"{self._store}: {ended} ended · {state}")


def _told(plan: Plan, store: Store, console: Console) -> Tally:
    """Do one run in a folder of its own, which is kept if a promise was not; say what broke."""
    folder = Path(tempfile.mkdtemp(prefix=f"repaint-chaos-{store}-"))
    show = Show(console, store, plan.uploads)
    try:
        with show.bar:
            tally = run(plan, store, folder, show)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if tally.kept:
        shutil.rmtree(folder, ignore_errors=True)
        return tally
    (folder / "broken.txt").write_text("\n".join(tally.broken), "utf-8")
    for sentence in tally.broken[:20]:
        console.print(f"{store}: {sentence}", soft_wrap=True, markup=False)
    console.print(f"{store}: {len(tally.broken)} broken rules; all that was found is in {folder}")
    return tally


def main(
    uploads: Annotated[int, typer.Option(min=1, help="How many uploads.")] = 10_000,
    seed: Annotated[int, typer.Option(help="What chance begins with.")] = 1,
    ledger: Annotated[Literal["tos", "sqlite", "both"], typer.Option(help="Which.")] = "both",
    readme: Annotated[bool, typer.Option("--readme", help="Write the READMEs' table.")] = False,
) -> None:
    """Upload thousands of pictures while everything fails; judge by the provider's book.

    Exits with 1 where an upload was lost or a charge is not explained; the state is kept then.
    """
    console = Console(stderr=True, highlight=False)
    stores: tuple[Store, ...] = ("tos", "sqlite") if ledger == "both" else (ledger,)
    tallies: dict[Store, Tally] = {}
    try:
        for store in stores:
            tallies[store] = _told(Plan(uploads, seed), store, console)
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None
    sys.stdout.write(table(tallies) + "\n")
    if readme:
        write_readmes(tallies, f"python -m tests.chaos.run --uploads {uploads} --seed {seed}")
    raise typer.Exit(0 if all(tally.kept for tally in tallies.values()) else 1)


if __name__ == "__main__":
    typer.run(main)
