"""The protections of `shared/`, and for each the change of text that removes it.

A mutant that no test kills is a promise that no test checks.
"""

from dataclasses import dataclass

# Of the crash tests, which take longer, one each.
_CRASH = "tests/crash/test_every_operation.py::test_"
_CRASH_WEBHOOK = "tests/crash/test_webhook.py::test_process_killed"
_ATTEMPTS = "tests/shared/processing/test_attempts.py::test_"
_HTTP_CLIENT = "tests/shared/clients/test_http.py::test_"
_HTTP = "tests/shared/http_api/test_http.py::test_"
_LEDGER = "tests/shared/ledger/test_ledger.py"
_NAMES = "tests/shared/processing/test_output_names.py"
_OUTCOME = "tests/shared/clients/test_outcome.py"
_PIPELINE = "tests/shared/processing/test_pipeline.py"
_PROTECTIONS = "tests/mutation/test_protections.py"
_REDRIVE = "tests/shared/processing/test_redrive.py"
_SWEEP = "tests/shared/processing/test_sweep.py"
_VARIANTS = "tests/shared/processing/test_variants.py"
_WEBHOOK = "tests/shared/webhook/test_webhook.py::test_"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One protection removed: `old`, which is in `file` once, becomes `new`.

    `tests` is the file, or the test, that has to fail then.
    """

    protection: str
    file: str
    old: str
    new: str
    tests: str


CLAIM = [
    Mutant(
        "a claim in object storage is created, never overwritten",
        "shared/ledger/tos.py",
        "self._put(self._pending(record.id), record, create_only=True)",
        "self._put(self._pending(record.id), record)",
        _LEDGER,
    ),
    Mutant(
        "a claim in SQLite is created, never overwritten",
        "shared/ledger/sqlite.py",
        '"INSERT INTO records VALUES (?, 0, 1, ?, ?) ON CONFLICT DO NOTHING"',
        '"INSERT OR REPLACE INTO records VALUES (?, 0, 1, ?, ?)"',
        _LEDGER,
    ),
    Mutant(
        "a claim is written before anything is paid",
        "shared/processing/claims.py",
        "entry = ledger.create(record)",
        'entry = Entry(record, "1")',
        f"{_PIPELINE}::test_claim_before_call",
    ),
    Mutant(
        "an attempt is written before it is sent",
        "shared/processing/attempts.py",
        "claim.write(begun.with_attempt(attempt))",
        "claim.record = begun.with_attempt(attempt)",
        _PROTECTIONS,
    ),
    Mutant(
        "a claim whose answer was lost is recognised as one's own",
        "shared/ledger/tos.py",
        "return self._own(record)",
        "return None",
        _LEDGER,
    ),
    Mutant(
        "the end record is read again after the claim",
        "shared/processing/claims.py",
        "if entry is not None:\n            finished = ledger.finished(record.id)",
        "if entry is not None:\n            finished = None",
        _PROTECTIONS,
    ),
]

TAKEOVER = [
    Mutant(
        "a record in object storage is replaced only in the version that was read",
        "shared/ledger/tos.py",
        "self._put(self._pending(record.id), record, if_match=entry.version)",
        "self._put(self._pending(record.id), record)",
        _LEDGER,
    ),
    Mutant(
        "a record in SQLite is replaced only in the version that was read",
        "shared/ledger/sqlite.py",
        "WHERE id = ? AND version = ? AND NOT finished",
        "WHERE id = ? AND ? > 0 AND NOT finished",
        _LEDGER,
    ),
    Mutant(
        "a takeover is written",
        "shared/processing/claims.py",
        "entry = delivery.ledger.replace(other, mine)",
        "entry = Entry(mine, other.version)",
        _PROTECTIONS,
    ),
    Mutant(
        "no delivery takes over while the lease runs",
        "shared/processing/claims.py",
        "if record.is_leased(now) or waits:",
        "if waits:",
        _PROTECTIONS,
    ),
    Mutant(
        "a parked record is left alone until it is due",
        "shared/processing/claims.py",
        "waits = record.park is not None and record.park.due_at > now and not early",
        "waits = False",
        _PIPELINE,
    ),
    Mutant(
        "a lease lasts until the attempt is settled",
        "shared/processing/claims.py",
        "return written_at + SEND_GRACE_SECONDS + MARGIN_SECONDS + slowest",
        "return written_at + SEND_GRACE_SECONDS + MARGIN_SECONDS",
        _PROTECTIONS,
    ),
    Mutant(
        "a lease includes the time until the first byte is sent",
        "shared/processing/claims.py",
        "return written_at + SEND_GRACE_SECONDS + MARGIN_SECONDS + slowest",
        "return written_at + slowest",
        _PROTECTIONS,
    ),
    Mutant(
        "the end record is read after a takeover",
        "shared/processing/claims.py",
        "finished = delivery.ledger.finished(mine.id)",
        "finished = None",
        f"{_ATTEMPTS}takeover_of_ended_record",
    ),
    Mutant(
        "a call that would go out late is not sent",
        "shared/processing/attempts.py",
        "            attempt.sent_at + SEND_GRACE_SECONDS,\n",
        "            attempt.sent_at + 86400.0,\n",
        _PROTECTIONS,
    ),
    Mutant(
        "one reading of the clock decides on the day as well",
        "shared/processing/attempts.py",
        "if now > latest or (attempt.day is not None and billing_day(now) != attempt.day):",
        "if now > latest:",
        f"{_ATTEMPTS}midnight_between_count_and_call",
    ),
    Mutant(
        "a call that can no longer be answered in time is not sent",
        "shared/processing/attempts.py",
        "            self._policy.latest_call(claim.delivery.deadline),\n        )",
        "        )",
        _PROTECTIONS,
    ),
]

END = [
    Mutant(
        "the end record is written before the claim is removed",
        "shared/ledger/tos.py",
        "        stands = record\n        try:",
        "        stands = record\n        self.drop(entry)\n        try:",
        _PROTECTIONS,
    ),
    Mutant(
        "a refused end record counts as written only if there is one",
        "shared/ledger/tos.py",
        "            if found is None:\n                raise\n",
        "            found = found or record\n",
        _PROTECTIONS,
    ),
    Mutant(
        "an end record in object storage is created, never overwritten",
        "shared/ledger/tos.py",
        "self._put(self._done(record.id), record, create_only=True)",
        "self._put(self._done(record.id), record)",
        _LEDGER,
    ),
    Mutant(
        "an end record in SQLite never changes",
        "shared/ledger/sqlite.py",
        "WHERE id = ? AND version = ? AND NOT finished",
        "WHERE id = ? AND version - finished = ?",
        _LEDGER,
    ),
    Mutant(
        "the mark of an end is written before the end record",
        "shared/ledger/tos.py",
        'if record.state != "generated":',
        'if record.state == "generated":',
        _LEDGER,
    ),
    Mutant(
        "a record that was redriven pays nothing beside the new one",
        "shared/processing/attempts.py",
        "if find(ledger, record.redriven_as) is not None:",
        "if find(ledger, record.redriven_as) is record:",
        _REDRIVE,
    ),
    Mutant(
        "an owner that lost the lease cannot end the record",
        "shared/processing/attempts.py",
        "claim.write(claim.record.changed(ending=Ending(",
        "(lambda record: setattr(claim, 'record', record))(claim.record.changed(ending=Ending(",
        _PROTECTIONS,
    ),
    Mutant(
        "an end that was decided is carried out, not paid over",
        "shared/processing/attempts.py",
        "if record.ending is not None or record.instructions is None:",
        "if record.instructions is None:",
        f"{_ATTEMPTS}decision_survives_a_crash",
    ),
    Mutant(
        "a redrive that was overtaken pays nothing beside its old record",
        "shared/processing/attempts.py",
        "if old is not None and old.redriven_as != record.id:",
        "if old is None:",
        f"{_ATTEMPTS}redrive_overtaken",
    ),
    Mutant(
        "an image that turns up late wins over a later refusal",
        "shared/processing/attempts.py",
        "            recovered = self._recover_absent(claim)\n        except ProbeFailed:\n",
        "            recovered = None\n        except ProbeFailed:\n",
        f"{_ATTEMPTS}late_image_wins",
    ),
    Mutant(
        "an object that went away or was overwritten is not paid for later",
        "shared/processing/attempts.py",
        "if record.attempts or claim.taken_over else None",
        "if claim is None else None",
        _PROTECTIONS,
    ),
    Mutant(
        "a record whose owner was killed comes due",
        "shared/ledger/record.py",
        "return self.lease.until if self.lease else 0.0",
        'return float("inf")',
        _PROTECTIONS,
    ),
]

PROBE = [
    Mutant(
        "an attempt of unknown outcome is probed for",
        "shared/processing/attempts.py",
        "            image = self.probe_output(claim.record, attempt)\n        except",
        "            image = None\n        except",
        _PIPELINE,
    ),
    Mutant(
        "a new owner probes for the last attempt before it pays",
        "shared/processing/attempts.py",
        "step = self._probe if claim.taken_over else self._send",
        "step = self._begin if claim.taken_over else self._send",
        _PROTECTIONS,
    ),
    Mutant(
        "a call that may have been executed counts as unknown",
        "shared/clients/imagex.py",
        "Verdict.UNKNOWN if executed else Verdict.NOT_EXECUTED",
        "Verdict.NOT_EXECUTED",
        _PIPELINE,
    ),
    Mutant(
        "the probe waits until the call is settled",
        "shared/processing/attempts.py",
        "self._clock.sleep(wait)\n        return self._probe",
        "return self._probe",
        f"{_CRASH}late_image",
    ),
    Mutant(
        "the settle time includes the time until the first byte is sent",
        "shared/processing/claims.py",
        "return sent_at + MARGIN_SECONDS + self.settle_seconds",
        "return sent_at + self.settle_seconds",
        _PROTECTIONS,
    ),
    Mutant(
        "a probe without a clear answer is no proof of absence",
        "shared/processing/attempts.py",
        "return self._park_after_failed_probe(claim, Status.IN_DOUBT, reason, error)",
        "image = None",
        f"{_CRASH}probe_fails",
    ),
    Mutant(
        "only the exact name counts as the output",
        "shared/clients/imagex.py",
        "if {uri, key} & {wanted, name}:",
        "if uri or key:",
        _PROTECTIONS,
    ),
    Mutant(
        "a file from before the call does not count as its image",
        "shared/processing/attempts.py",
        "    return not is_unchanged\n",
        "    return True\n",
        _NAMES,
    ),
    Mutant(
        "a file older than the call does not count as its image",
        "shared/processing/attempts.py",
        "is_old = _is_older(last_modified, attempt.sent_at)",
        "is_old = False",
        _NAMES,
    ),
    Mutant(
        "a wrong clock does not make an image with a default name another's",
        "shared/processing/attempts.py",
        "if is_chosen and not _is_attempts_own(",
        "if not _is_attempts_own(",
        _NAMES,
    ),
    Mutant(
        "an answer that contradicts itself counts as unknown",
        "shared/clients/imagex.py",
        "if uris and (error or",
        "if uris is None and (error or",
        _OUTCOME,
    ),
    Mutant(
        "a paid image is probed for even without the time for a call",
        "shared/processing/sweep.py",
        "if due.pays and next_call > self._policy.latest_call(delivery.deadline):",
        "if next_call > self._policy.latest_call(delivery.deadline):",
        _SWEEP,
    ),
    Mutant(
        "an image that appears after the last attempt is found",
        "shared/processing/attempts.py",
        "if attempt.outcome == ABSENT:\n                image",
        "if attempt.outcome == GENERATED:\n                image",
        f"{_CRASH}image_appears_later",
    ),
]

TRANSPORT = [
    Mutant(
        "nothing waits between the last reading of the clock and the first byte",
        "shared/clients/http.py",
        "        connection = connection or self._connect(url, timeouts.connect)\n",
        "        request.before_first_byte()\n"
        "        connection = connection or self._connect(url, timeouts.connect)\n",
        f"{_HTTP_CLIENT}nothing_before_the_gate",
    ),
    Mutant(
        "an idle connection is not trusted after a long pause",
        "shared/clients/http.py",
        "if now - connection.used_at < _IDLE_SECONDS and connection.is_quiet():",
        "if connection.is_quiet():",
        f"{_HTTP_CLIENT}old_connections_are_not_used",
    ),
    Mutant(
        "the first failure closes a host's idle connections",
        "shared/clients/http.py",
        "            self._drop_idle(place)\n            raise MaybeExecuted",
        "            raise MaybeExecuted",
        f"{_HTTP_CLIENT}first_failure_drops_the_pool",
    ),
    Mutant(
        "a paid call does not go over an idle connection",
        "shared/clients/imagex.py",
        "sent=sent, fresh=True)",
        "sent=sent)",
        f"{_ATTEMPTS}fresh_connection",
    ),
    Mutant(
        "an interim answer is not the answer",
        "shared/clients/http.py",
        "if status >= 200:",
        "if status:",
        f"{_HTTP_CLIENT}interim_answer",
    ),
    Mutant(
        "a cut answer is not taken for a whole one",
        "shared/clients/http.py",
        'raise _EndOfStreamError("the connection was closed before the answer\'s end")',
        'data = b"0" * 64',
        f"{_HTTP_CLIENT}cut_answer",
    ),
    Mutant(
        "name resolution has a time limit",
        "shared/clients/http.py",
        "        thread.join(seconds)\n",
        "        thread.join()\n",
        f"{_HTTP_CLIENT}slow_resolver",
    ),
]

ATTEMPTS = [
    Mutant(
        "a slot is used once",
        "shared/processing/claims.py",
        "has_slot=has_slot and not record.attempts",
        "has_slot=has_slot",
        f"{_ATTEMPTS}slot_is_used_once",
    ),
    Mutant(
        "a later attempt whose derived name is taken is not rejected for it",
        "shared/processing/attempts.py",
        "        if number > 1:\n",
        "        if number > 9:\n",
        f"{_ATTEMPTS}taken_derived_name",
    ),
    Mutant(
        "every attempt stores its image under another name",
        "shared/ledger/record.py",
        'return f"{prefix}{self.id}-{number}"',
        'return f"{prefix}{self.id}-1"',
        _PIPELINE,
    ),
    Mutant(
        "also an attempt after one under a chosen name has another name",
        "shared/processing/output_names.py",
        "if number == 1:",
        "if number:",
        _NAMES,
    ),
    Mutant(
        "later attempts of two uploads to one key do not share a name",
        "shared/processing/output_names.py",
        'f"-{record.id}-{number}"',
        'f"-{record.id[:8]}-{number}"',
        _NAMES,
    ),
    Mutant(
        "an attempt that was throttled keeps its number",
        "shared/processing/attempts.py",
        "return last.number if last.outcome in _NUMBER_REUSED else last.number + 1",
        "return last.number + 1",
        _PIPELINE,
    ),
    Mutant(
        "there are three attempts",
        "shared/processing/attempts.py",
        "if number > MAX_ATTEMPTS:",
        "if number > MAX_ATTEMPTS + 1:",
        f"{_CRASH}attempts_exhausted",
    ),
    Mutant(
        "a call begins only where it can be answered in time",
        "shared/processing/claims.py",
        "return deadline - self.timeout_seconds - WRITE_SECONDS",
        "return deadline",
        _PIPELINE,
    ),
    Mutant(
        "a seed that the user chose is not replaced",
        "shared/processing/attempts.py",
        "case Verdict.RESEED if may_reseed and earlier",
        "case Verdict.RESEED if earlier",
        _PIPELINE,
    ),
]

CAP = [
    Mutant(
        "nothing is sent beyond the daily cap",
        "shared/processing/attempts.py",
        "if not claim.delivery.ledger.reserve(",
        "if None is claim.delivery.ledger.reserve(",
        _PROTECTIONS,
    ),
    Mutant(
        "an attempt is counted against the cap before it is written",
        "shared/processing/attempts.py",
        "            if not claim.delivery.ledger.reserve(",
        "            now = self._clock.now()\n"
        "            early = Attempt(number=number, output=name, sent_at=now, day=day)\n"
        "            claim.write(record.with_attempt(early))\n"
        "            if not claim.delivery.ledger.reserve(",
        _PROTECTIONS,
    ),
    Mutant(
        "a claim holds no attempt if there is a cap",
        "shared/processing/claims.py",
        "if self._capped or chosen:",
        "if chosen:",
        _PROTECTIONS,
    ),
    Mutant(
        "the cap in SQLite counts all attempts",
        "shared/ledger/sqlite.py",
        "WHERE (SELECT COUNT(*) FROM daily_cap WHERE day = ?1) < ?3 ",
        "WHERE ?3 > 0 ",
        _PROTECTIONS,
    ),
    Mutant(
        "a damaged count of the daily cap does not count as zero",
        "shared/ledger/daily_cap.py",
        "        if not isinstance(attempts, list):\n",
        "        if not isinstance(attempts, list):\n            return [], etag\n",
        _SWEEP,
    ),
    Mutant(
        "a throttled call does not count against the cap",
        "shared/processing/attempts.py",
        "self._release_cap(claim, record.begun)\n        if not self._has_time(",
        "if not self._has_time(",
        _SWEEP,
    ),
    Mutant(
        "two deliveries that count at the same time do not overwrite each other",
        "shared/ledger/daily_cap.py",
        "self._bucket, self._key(day), body, create_only=etag is None, if_match=etag",
        "self._bucket, self._key(day), body",
        _PROTECTIONS,
    ),
]

CHOSEN = [
    Mutant(
        "two uploads under one chosen name are not both paid for",
        "shared/processing/output_names.py",
        "if holder == record_id:",
        "if holder:",
        _NAMES,
    ),
    Mutant(
        "a name stays with a holder that has not ended",
        "shared/processing/output_names.py",
        "if ended is None or not ledger.move_name(",
        "if not ledger.move_name(",
        _NAMES,
    ),
    Mutant(
        "a name moves on if its holder left no file",
        "shared/processing/output_names.py",
        "if made and not overwrite:",
        "if ended and not overwrite:",
        _NAMES,
    ),
    Mutant(
        "a name moves to an upload that overwrites",
        "shared/processing/output_names.py",
        "if made and not overwrite:",
        "if made:",
        _PROTECTIONS,
    ),
    Mutant(
        "a name stays with the upload that was generated under it",
        "shared/processing/output_names.py",
        "if made and not overwrite:",
        "if made is None:",
        _PROTECTIONS,
    ),
    Mutant(
        "a name in object storage moves once",
        "shared/ledger/tos.py",
        "self._tos.put(self._bucket, key, document, if_match=etag)",
        "self._tos.put(self._bucket, key, document)",
        _PROTECTIONS,
    ),
    Mutant(
        "a name in SQLite moves once",
        "shared/ledger/sqlite.py",
        '"UPDATE names SET id = ? WHERE name = ? AND id = ?"',
        '"UPDATE names SET id = ? WHERE name = ? AND ? IS NOT NULL"',
        _PROTECTIONS,
    ),
    Mutant(
        "a chosen name in object storage is reserved once",
        "shared/ledger/tos.py",
        "self._tos.put(self._bucket, key, document, create_only=True)",
        "self._tos.put(self._bucket, key, document)",
        _PROTECTIONS,
    ),
    Mutant(
        "a chosen name in SQLite is reserved once",
        "shared/ledger/sqlite.py",
        '"INSERT INTO names VALUES (?, ?) ON CONFLICT DO NOTHING"',
        '"INSERT OR REPLACE INTO names VALUES (?, ?)"',
        _PROTECTIONS,
    ),
    Mutant(
        "nothing is paid for a name that exists already",
        "shared/processing/attempts.py",
        "if stored is not None and not overwrite:",
        "if stored is None and overwrite is None:",
        _PIPELINE,
    ),
]

UPLOADS = [
    Mutant(
        "another prompt makes another upload",
        "shared/uploads/metadata.py",
        "_digest([version, known], 12)",
        "_digest([version], 12)",
        _PIPELINE,
    ),
    Mutant(
        "an event of an object that was overwritten is superseded",
        "shared/processing/pipeline.py",
        "if upload.etag in (None, info.etag):",
        "if info.etag:",
        _PIPELINE,
    ),
    Mutant(
        "a missing bucket does not count as a missing object",
        "shared/processing/pipeline.py",
        "if not storage.has_bucket(bucket):",
        "if storage.has_bucket is None:",
        _PIPELINE,
    ),
    Mutant(
        "after a configuration error only a record that passed lets the rest go",
        "shared/processing/sweep.py",
        'result.status in ("generated", "rejected"):',
        'result.status != "deferred":',
        _PROTECTIONS,
    ),
    Mutant(
        "an output of Repaint is left alone",
        "shared/processing/pipeline.py",
        "if GENERATED_MARK in info.metadata:",
        "if GENERATED_MARK in info.etag:",
        _PIPELINE,
    ),
]

VARIANTS = [
    Mutant(
        "siblings are written before the upload's own claim",
        "shared/processing/variants.py",
        "for sibling in reversed(siblings):",
        "ledger.create(first)\n    for sibling in reversed(siblings):",
        "tests/crash/test_variants.py::test_siblings_written_first",
    ),
    Mutant(
        "a sibling that may not be written stops the claim",
        "shared/processing/variants.py",
        "if claims.leave(sibling, ledger) is None:",
        "if claims.leave(sibling, ledger) is ledger:",
        _VARIANTS,
    ),
    Mutant(
        "no sibling is written if the first variant has a record",
        "shared/processing/variants.py",
        "if known is not None:",
        "if known is ledger:",
        _VARIANTS,
    ),
    Mutant(
        "the variants of an upload do not share a chosen name",
        "shared/processing/output_names.py",
        "if chosen and variant > 1 else chosen",
        "if chosen and variant < 1 else chosen",
        _VARIANTS,
    ),
    Mutant(
        "free seeds of several variants are not left to chance",
        "shared/uploads/instructions.py",
        "if self.variants == 1:",
        "if self.variants:",
        _VARIANTS,
    ),
    Mutant(
        "a user's own metadata keys make no upload new",
        "shared/uploads/metadata.py",
        "(name, metadata[name]) for name in KEYS if name in metadata",
        "metadata.items()",
        "tests/shared/uploads/test_presets.py",
    ),
]

CALLERS = [
    Mutant(
        "a caller's further pictures are as public as the first",
        "shared/http_api/validation.py",
        'pictures = pointer.startswith("/req_json/image_urls/")',
        "pictures = False",
        f"{_HTTP}refused_further_pictures",
    ),
    Mutant(
        "another model gets no address of an internal network",
        "shared/http_api/validation.py",
        "may_be_url = other_model and",
        "may_be_url = not other_model and",
        f"{_HTTP}refused_further_pictures",
    ),
    Mutant(
        "a header that is null is no Idempotency-Key",
        "shared/http_api/requests.py",
        "for name, value in pairs if value is not None",
        "for name, value in pairs",
        f"{_HTTP}null_headers",
    ),
    Mutant(
        "an answer's address names no other host",
        "shared/http_api/requests.py",
        'path[: found.start()].strip("/") if found',
        "path[: found.start()][1:] if found",
        f"{_HTTP}location",
    ),
    Mutant(
        "an answer's address breaks out of no header",
        "shared/http_api/requests.py",
        "quote(before, errors='replace')",
        "before",
        f"{_HTTP}location",
    ),
    Mutant(
        "a document that is nested too deep is refused",
        "shared/http_api/requests.py",
        "if depth_of(document) > _MAX_DEPTH:",
        "if depth_of(document) > 10**6:",
        f"{_HTTP}deep_nesting",
    ),
    Mutant(
        "a lone surrogate is refused",
        "shared/http_api/requests.py",
        "if not is_utf8(json.dumps(document, ensure_ascii=False)):",
        "if not is_utf8(body):",
        f"{_HTTP}error_statuses",
    ),
    Mutant(
        "a number too large for a float is refused",
        "shared/http_api/requests.py",
        "if math.isinf(number):",
        "if math.isnan(number):",
        f"{_HTTP}error_statuses",
    ),
    Mutant(
        "a key is answered by its record, not by its object's present state",
        "shared/http_api/app.py",
        "record = earlier or self._validator.record(document, record_id, fingerprint)",
        "record = self._validator.record(document, record_id, fingerprint)",
        f"{_HTTP}key_without_object",
    ),
    Mutant(
        "a key's running request is distinguished from a repeated one",
        "shared/http_api/app.py",
        "if result.held:",
        "if result.held is None:",
        f"{_HTTP}running_key",
    ),
    Mutant(
        "a damaged record hides no other one of the list",
        "shared/http_api/app.py",
        "except RecordUnreadable as error:",
        "except ZeroDivisionError as error:",
        f"{_HTTP}unreadable_record",
    ),
    Mutant(
        "an unexpected error is shown to no caller",
        "shared/http_api/app.py",
        "except Exception:",
        "except ZeroDivisionError:",
        f"{_HTTP}internal_error",
    ),
    Mutant(
        "a caller does not choose the key that signs",
        "shared/clients/credentials.py",
        'None if os.environ.get("VOLCENGINE_ACCESS_KEY") else _from_headers.get()',
        "_from_headers.get()",
        "tests/shared/clients/test_credentials.py",
    ),
]

SECRETS = [
    Mutant(
        "no secret in the gateway's message",
        "shared/clients/imagex.py",
        'redact_text(str(error.get("Message") or ""))',
        'str(error.get("Message") or "")',
        _PROTECTIONS,
    ),
    Mutant(
        "no secret in the model's message",
        "shared/clients/imagex.py",
        'redact_text(str(model.get("message") or "the model failed"))',
        'str(model.get("message") or "the model failed")',
        _PROTECTIONS,
    ),
    Mutant(
        "no value of a source's address in a message, in whatever form",
        "shared/processing/attempts.py",
        "hide_queries(outcome.message, pictures)",
        "outcome.message",
        _PROTECTIONS,
    ),
    Mutant(
        "no query of a caller's address outlives its request",
        "shared/ledger/record.py",
        'update={"req_json": without_queries(self.instructions.req_json)}',
        "update={}",
        f"{_HTTP}hidden_further_query",
    ),
    Mutant(
        "no secret in a line of the log",
        "shared/logs.py",
        "return {name: redact(value, name) for name, value in event.items()}",
        "return event",
        "tests/shared/test_redaction.py::test_log_line",
    ),
]

WEBHOOK = [
    Mutant(
        "an event is written before the end that it reports",
        "shared/processing/attempts.py",
        "        event = self._enqueue(claim, ended)\n        final = claim.delivery.ledger.finish("
        "Entry(claim.record, claim.version), ended)\n",
        "        final = claim.delivery.ledger.finish(Entry(claim.record, claim.version), ended)\n"
        "        event = self._enqueue(claim, ended)\n",
        _CRASH_WEBHOOK,
    ),
    Mutant(
        "nothing untrue is reported",
        "shared/webhook/outbox.py",
        "if record is None or event_type(record) != entry.type:",
        "if record is None:",
        f"{_WEBHOOK}untrue_events",
    ),
    Mutant(
        "a park is reported the first time only",
        "shared/processing/attempts.py",
        "event = None if record.park_reported else self._enqueue(claim, parked)",
        "event = self._enqueue(claim, parked)",
        f"{_WEBHOOK}parked_event",
    ),
    Mutant(
        "an event stays until it is delivered",
        "shared/webhook/sender.py",
        'log.warning("notice.failed", reason=answer.problem)\n            return False\n',
        'log.warning("notice.failed", reason=answer.problem)\n',
        f"{_WEBHOOK}retried_by_sweep",
    ),
    Mutant(
        "an event is not dropped untried, however long the sweep was off",
        "shared/webhook/outbox.py",
        "if is_over if record is None else record.state",
        "if is_over or record is None or record.state",
        f"{_WEBHOOK}old_park_kept",
    ),
    Mutant(
        "a try is written before it is sent",
        "shared/webhook/outbox.py",
        "        ledger.put_entry(begun)\n",
        "",
        f"{_WEBHOOK}two_sweeps",
    ),
    Mutant(
        "not every delivery waits for a dead endpoint",
        "shared/webhook/outbox.py",
        "if self._sender.rests:",
        "if self._sender is None:",
        f"{_WEBHOOK}rest_after_failure",
    ),
    Mutant(
        "a tick does not try a dead endpoint for every event",
        "shared/webhook/outbox.py",
        "if self._clock.now() > until or len(failed) >= _ENOUGH:",
        "if self._clock.now() > until:",
        f"{_WEBHOOK}tick_gives_up_early",
    ),
    Mutant(
        "a caller does not wait for the endpoint",
        "shared/processing/pipeline.py",
        "self._clock.now(), waits=False)",
        "self._clock.now())",
        f"{_WEBHOOK}http_does_not_wait",
    ),
    Mutant(
        "the endpoint's address is in no line of the log",
        "shared/webhook/sender.py",
        'text.replace(place, f"{parts.scheme}://{parts.netloc}")',
        "text",
        f"{_WEBHOOK}nothing_secret_logged",
    ),
]

MUTANTS = [
    *CLAIM, *TAKEOVER, *END, *PROBE, *TRANSPORT, *ATTEMPTS, *CAP, *CHOSEN, *UPLOADS, *VARIANTS,
    *CALLERS, *SECRETS, *WEBHOOK,
]  # fmt: skip
