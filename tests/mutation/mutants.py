"""The protections of `shared/`, and for each the change of text that takes it away.

A mutant that no test notices is a promise that nobody keeps an eye on.
"""

from dataclasses import dataclass

# Of the crash tests, which take longer, only the one that is meant.
_CRASH = "tests/crash/test_memory.py::test_"
_LATE = f"{_CRASH}an_image_that_is_stored_late_is_found_and_not_paid_for_again"
_BLIND = f"{_CRASH}a_probe_that_cannot_tell_pays_nothing_until_one_can"
_TURNS_UP = f"{_CRASH}an_image_that_turns_up_after_all_ends_the_doubt"
_THREE = f"{_CRASH}three_calls_that_leave_nothing_end_in_doubt_and_are_never_paid_for_again"
_AGAIN = "tests/shared/processing/test_redrive.py"
_LEDGER = "tests/shared/ledger/test_ledger.py"
_NAMES = "tests/shared/processing/test_output_names.py"
_OUTCOME = "tests/shared/clients/test_outcome.py"
_PIPELINE = "tests/shared/processing/test_pipeline.py"
_PROTECTIONS = "tests/mutation/test_protections.py"
_HTTP = "tests/shared/http_api/test_http.py::test_"
_VARIANTS = "tests/shared/processing/test_variants.py"
_SWEEP = "tests/shared/processing/test_sweep.py"
_NOTICES = "tests/shared/webhook/test_webhook.py::test_"
_UNTOLD = (
    "tests/crash/test_notices.py::test_a_process_killed_anywhere_leaves_nothing_untold_and_tells_"
    "nothing_that_is_not_so"
)
_WRITTEN = f"{_PIPELINE}::test_the_claim_is_written_before_anything_is_paid"
_LOG_LINE = (
    "tests/shared/test_redaction.py::test_a_log_line_shows_no_secret_and_keeps_chinese_readable"
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One protection taken away: in `file`, `old`, which stands there once, becomes `new`.

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
        _WRITTEN,
    ),
    Mutant(
        "an attempt is written down before it is sent",
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
        "the end record is looked for again after the claim",
        "shared/processing/claims.py",
        "if entry is not None:\n            finished = ledger.finished(record.id)",
        "if entry is not None:\n            finished = None",
        _PROTECTIONS,
    ),
]

TAKEOVER = [
    Mutant(
        "a record in object storage is replaced only as it was read",
        "shared/ledger/tos.py",
        "self._put(self._pending(record.id), record, if_match=entry.version)",
        "self._put(self._pending(record.id), record)",
        _LEDGER,
    ),
    Mutant(
        "a record in SQLite is replaced only as it was read",
        "shared/ledger/sqlite.py",
        "WHERE id = ? AND version = ? AND NOT finished",
        "WHERE id = ? AND ? > 0 AND NOT finished",
        _LEDGER,
    ),
    Mutant(
        "who takes over writes that down",
        "shared/processing/claims.py",
        "entry = delivery.ledger.replace(other, mine)",
        "entry = Entry(mine, other.version)",
        _PROTECTIONS,
    ),
    Mutant(
        "nobody takes over while the lease runs",
        "shared/processing/claims.py",
        "if record.is_leased(now) or waits:",
        "if waits:",
        _PROTECTIONS,
    ),
    Mutant(
        "what is parked is left alone until it is due",
        "shared/processing/claims.py",
        "waits = record.park is not None and record.park.due_at > now and not early",
        "waits = False",
        _PIPELINE,
    ),
    Mutant(
        "a lease lasts until the attempt is settled",
        "shared/processing/claims.py",
        "return sent_at + SEND_GRACE_SECONDS + CONNECT_SECONDS + slowest",
        "return sent_at + SEND_GRACE_SECONDS + CONNECT_SECONDS",
        _PROTECTIONS,
    ),
    Mutant(
        "a lease counts the time until the first byte is sent",
        "shared/processing/claims.py",
        "return sent_at + SEND_GRACE_SECONDS + CONNECT_SECONDS + slowest",
        "return sent_at + slowest",
        _PROTECTIONS,
    ),
    Mutant(
        "who takes over looks for the end record first",
        "shared/processing/claims.py",
        "finished = delivery.ledger.finished(mine.id)",
        "finished = None",
        _PROTECTIONS,
    ),
    Mutant(
        "a call that would go out late is not sent",
        "shared/processing/attempts.py",
        "too_late = claim.sent_at > attempt.sent_at + SEND_GRACE_SECONDS",
        "too_late = claim.sent_at > attempt.sent_at + 86400.0",
        _PROTECTIONS,
    ),
    Mutant(
        "a call that cannot be answered in time any more is not sent",
        "shared/processing/attempts.py",
        "if too_late or not self._has_time(claim):",
        "if too_late:",
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
        "a refused end record does not count as written where there is none",
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
        "a record that is run again as another one pays nothing beside it",
        "shared/processing/attempts.py",
        "if claim.record.redriven_as else None",
        "if claim.record.redrive_of else None",
        _AGAIN,
    ),
    Mutant(
        "who lost the lease cannot end the record",
        "shared/processing/attempts.py",
        "if not claim.record.is_leased(now):",
        "if not claim.record.is_leased(now - 86400.0):",
        _PROTECTIONS,
    ),
    Mutant(
        "an object that went away or was overwritten is not paid for later",
        "shared/processing/attempts.py",
        "ended = self._source_is_gone(claim) if record.attempts or claim.taken_over else None",
        "ended = None",
        _PROTECTIONS,
    ),
    Mutant(
        "what was left by an owner that died comes due",
        "shared/ledger/record.py",
        "return self.lease.until if self.lease else 0.0",
        'return float("inf")',
        _PROTECTIONS,
    ),
]

PROBE = [
    Mutant(
        "an attempt of unknown outcome is looked for",
        "shared/processing/attempts.py",
        "made = self.probe_output(claim.record, attempt)\n        except",
        "made = None\n        except",
        _PIPELINE,
    ),
    Mutant(
        "who takes over an attempt looks for it before paying",
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
        "the look waits until the call is settled",
        "shared/processing/attempts.py",
        "self._clock.sleep(wait)\n        return self._probe",
        "return self._probe",
        _LATE,
    ),
    Mutant(
        "the look counts the time until the first byte is sent",
        "shared/processing/claims.py",
        "return sent_at + CONNECT_SECONDS + self.settle_seconds",
        "return sent_at + self.settle_seconds",
        _PROTECTIONS,
    ),
    Mutant(
        "a look that cannot tell is no proof of absence",
        "shared/processing/attempts.py",
        "return self._park_unprobed(claim, Status.IN_DOUBT, reason, error)",
        "made = None",
        _BLIND,
    ),
    Mutant(
        "only the very name that was asked for is taken for the output",
        "shared/clients/imagex.py",
        "if {uri, key} & {wanted, name}:",
        "if uri or key:",
        _PROTECTIONS,
    ),
    Mutant(
        "a file that was there before is not taken for the new one",
        "shared/processing/attempts.py",
        "if found.last_modified == attempt.before:",
        "if found.last_modified is None:",
        _NAMES,
    ),
    Mutant(
        "a file older than the call is not taken for what the call made",
        "shared/processing/attempts.py",
        "is_old = _changed_long_before(last_modified, attempt.sent_at)",
        "is_old = False",
        _NAMES,
    ),
    Mutant(
        "a clock that is off does not make an image of our own name somebody else's",
        "shared/processing/attempts.py",
        "if record.instructions and record.instructions.output and attempt.number == 1:",
        "if record.instructions:",
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
        "a paid image is looked for also where there is no time to pay",
        "shared/processing/sweep.py",
        "if due.pays and next_call > self._policy.latest_call(delivery.deadline):",
        "if next_call > self._policy.latest_call(delivery.deadline):",
        _SWEEP,
    ),
    Mutant(
        "what turns up after the last attempt is found",
        "shared/processing/attempts.py",
        "if _is_absent(attempt) else None\n                if made",
        "if attempt is None else None\n                if made",
        _TURNS_UP,
    ),
]

ATTEMPTS = [
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
        'f"-{record.id[-8:]}-{number}"',
        'f"-{record.id[:8]}-{number}"',
        _NAMES,
    ),
    Mutant(
        "an attempt that was throttled keeps its number",
        "shared/processing/attempts.py",
        "return last.number if last.outcome in _NOT_EXECUTED else last.number + 1",
        "return last.number + 1",
        _PIPELINE,
    ),
    Mutant(
        "there are three attempts",
        "shared/processing/attempts.py",
        "if number > MAX_ATTEMPTS:",
        "if number > MAX_ATTEMPTS + 1:",
        _THREE,
    ),
    Mutant(
        "a call begins only where it can be answered in time",
        "shared/processing/claims.py",
        "return deadline - self.timeout_seconds - WRITE_SECONDS",
        "return deadline",
        _PIPELINE,
    ),
    Mutant(
        "a seed that the user chose is not exchanged for another one",
        "shared/processing/attempts.py",
        "case Verdict.RESEED if may_reseed and earlier",
        "case Verdict.RESEED if earlier",
        _PIPELINE,
    ),
]

CAP = [
    Mutant(
        "nothing is sent that the daily cap has no room for",
        "shared/processing/attempts.py",
        "if cap is not None and not claim.delivery.ledger.reserve(",
        "if cap is not None and None is claim.delivery.ledger.reserve(",
        _PROTECTIONS,
    ),
    Mutant(
        "an attempt is counted before it is written down",
        "shared/processing/attempts.py",
        "        if cap is not None and not claim.delivery.ledger.reserve(",
        "        early = Attempt(number=number, output=name, sent_at=self._clock.now(), day=day)\n"
        "        claim.write(record.with_attempt(early))\n"
        "        if cap is not None and not claim.delivery.ledger.reserve(",
        _PROTECTIONS,
    ),
    Mutant(
        "a claim holds no attempt where there is a cap",
        "shared/processing/claims.py",
        "if self._capped or chosen:",
        "if chosen:",
        _PROTECTIONS,
    ),
    Mutant(
        "the cap counts what others counted in SQLite",
        "shared/ledger/sqlite.py",
        "WHERE (SELECT COUNT(*) FROM daily_cap WHERE day = ?1) < ?3 ",
        "WHERE ?3 > 0 ",
        _PROTECTIONS,
    ),
    Mutant(
        "spending that cannot be read is not taken for none",
        "shared/ledger/daily_cap.py",
        "        if not isinstance(attempts, list):\n",
        "        if not isinstance(attempts, list):\n            return [], etag\n",
        _SWEEP,
    ),
    Mutant(
        "what is throttled takes no place of the day",
        "shared/processing/attempts.py",
        "self._release(claim, claim.record.begun)\n        if not self._has_time(",
        "if not self._has_time(",
        _SWEEP,
    ),
    Mutant(
        "two that count at the same time do not overwrite each other",
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
        "a name stays with a holder that is still at work",
        "shared/processing/output_names.py",
        "if ended is None or not ledger.move_name(",
        "if not ledger.move_name(",
        _NAMES,
    ),
    Mutant(
        "a name is handed over where its holder left no file",
        "shared/processing/output_names.py",
        "if made and not overwrite:",
        "if ended and not overwrite:",
        _NAMES,
    ),
    Mutant(
        "a name is handed over to who overwrites",
        "shared/processing/output_names.py",
        "if made and not overwrite:",
        "if made:",
        _PROTECTIONS,
    ),
    Mutant(
        "a name stays with the upload that made its file",
        "shared/processing/output_names.py",
        "if made and not overwrite:",
        "if made is None:",
        _PROTECTIONS,
    ),
    Mutant(
        "a name in object storage is handed over once",
        "shared/ledger/tos.py",
        "self._tos.put(self._bucket, key, document, if_match=etag)",
        "self._tos.put(self._bucket, key, document)",
        _PROTECTIONS,
    ),
    Mutant(
        "a name in SQLite is handed over once",
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
        "shared/processing/output_names.py",
        "if changed_at is not None and not overwrite:",
        "if changed_at is None and overwrite is None:",
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
        "if upload.etag not in (None, info.etag):",
        "if upload.etag is None and not info.etag:",
        _PIPELINE,
    ),
    Mutant(
        "a bucket that is not there does not pass for an object that is gone",
        "shared/processing/pipeline.py",
        "if not storage.has_bucket(bucket):",
        "if storage.has_bucket is None:",
        _PIPELINE,
    ),
    Mutant(
        "after a configuration error only who passed it lets the rest go",
        "shared/processing/sweep.py",
        'result.status in ("generated", "rejected"):',
        'result.status != "deferred":',
        _PROTECTIONS,
    ),
    Mutant(
        "an output of ours is left alone",
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
        "tests/crash/test_variants.py::test_where_the_first_variant_has_a_record_its_siblings_have_one",
    ),
    Mutant(
        "a sibling that is not there for sure stops the claim",
        "shared/processing/variants.py",
        "if claims.leave(sibling, ledger) is None:",
        "if claims.leave(sibling, ledger) is ledger:",
        _VARIANTS,
    ),
    Mutant(
        "where the first variant is known no sibling is written",
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
        "keys of a user's own make no upload new",
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
        f"{_HTTP}further_pictures_are_judged_as_the_first_one_is",
    ),
    Mutant(
        "another model is handed no address of an internal network",
        "shared/http_api/validation.py",
        "may_be_url = other_model and",
        "may_be_url = not other_model and",
        f"{_HTTP}further_pictures_are_judged_as_the_first_one_is",
    ),
    Mutant(
        "a header that is null is no Idempotency-Key",
        "shared/http_api/requests.py",
        "for name, value in pairs if value is not None",
        "for name, value in pairs",
        f"{_HTTP}headers_and_parameters_that_are_null_count_as_not_given",
    ),
    Mutant(
        "an answer's address names no other host",
        "shared/http_api/requests.py",
        'path[: found.start()].strip("/") if found',
        "path[: found.start()][1:] if found",
        f"{_HTTP}an_answers_address_stays_at_this_host_and_in_its_header",
    ),
    Mutant(
        "an answer's address breaks out of no header",
        "shared/http_api/requests.py",
        "quote(before, errors='replace')",
        "before",
        f"{_HTTP}an_answers_address_stays_at_this_host_and_in_its_header",
    ),
    Mutant(
        "nothing nested too deep is written on",
        "shared/http_api/requests.py",
        "if depth_of(document) > _MAX_DEPTH:",
        "if depth_of(document) > 10**6:",
        f"{_HTTP}what_is_nested_too_deep_is_refused_however_deep_it_is",
    ),
    Mutant(
        "no half character is written on",
        "shared/http_api/requests.py",
        "if not is_utf8(json.dumps(document, ensure_ascii=False)):",
        "if not is_utf8(body):",
        f"{_HTTP}each_mistake_has_its_status",
    ),
    Mutant(
        "no number is lost on its way",
        "shared/http_api/requests.py",
        "if math.isinf(number):",
        "if math.isnan(number):",
        f"{_HTTP}each_mistake_has_its_status",
    ),
    Mutant(
        "a key is answered by its record, not by what its object is now",
        "shared/http_api/app.py",
        "record = earlier or self._asking.record(document, record_id, fingerprint)",
        "record = self._asking.record(document, record_id, fingerprint)",
        f"{_HTTP}a_key_is_answered_by_its_record_whatever_became_of_the_object",
    ),
    Mutant(
        "who works on a key's record is told apart from who asks again",
        "shared/http_api/app.py",
        "if result.held:",
        "if result.held is None:",
        f"{_HTTP}the_same_key_while_it_is_running_is_told_so",
    ),
    Mutant(
        "a damaged record hides no other one",
        "shared/http_api/app.py",
        "except RecordUnreadable as error:",
        "except ZeroDivisionError as error:",
        f"{_HTTP}a_record_that_cannot_be_read_hides_no_other_one_of_the_list",
    ),
    Mutant(
        "a mistake of ours is told to no caller",
        "shared/http_api/app.py",
        "except Exception:",
        "except ZeroDivisionError:",
        f"{_HTTP}a_mistake_of_ours_is_answered_as_a_problem_that_tells_nothing",
    ),
    Mutant(
        "a caller does not choose whose key signs",
        "shared/clients/credentials.py",
        'None if os.environ.get("VOLCENGINE_ACCESS_KEY") else _from_headers.get()',
        "_from_headers.get()",
        "tests/shared/clients/test_credentials.py",
    ),
]

SECRETS = [
    Mutant(
        "no secret in what the gateway says",
        "shared/clients/imagex.py",
        'redact_text(str(error.get("Message") or ""))',
        'str(error.get("Message") or "")',
        _PROTECTIONS,
    ),
    Mutant(
        "no secret in what the model says",
        "shared/clients/imagex.py",
        'redact_text(str(model.get("message") or "the model failed"))',
        'str(model.get("message") or "the model failed")',
        _PROTECTIONS,
    ),
    Mutant(
        "no value of a source's address, in whatever form it is repeated",
        "shared/processing/attempts.py",
        "hide_queries(outcome.message, pictures)",
        "outcome.message",
        _PROTECTIONS,
    ),
    Mutant(
        "no query of a caller's addresses outlives its request",
        "shared/ledger/record.py",
        'update={"req_json": without_queries(self.instructions.req_json)}',
        "update={}",
        f"{_HTTP}no_query_of_a_further_picture_is_kept_or_told",
    ),
    Mutant(
        "no secret in a line of the log",
        "shared/logs.py",
        "return {name: redact(value, name) for name, value in event.items()}",
        "return event",
        _LOG_LINE,
    ),
]

NOTICES = [
    Mutant(
        "a notice is written before the end that it tells of",
        "shared/processing/attempts.py",
        "        event = self._enqueue(claim, ended)\n"
        "        stands = claim.delivery.ledger.finish(entry, ended)\n",
        "        stands = claim.delivery.ledger.finish(entry, ended)\n"
        "        event = self._enqueue(claim, ended)\n",
        _UNTOLD,
    ),
    Mutant(
        "nothing is told that did not happen",
        "shared/webhook/outbox.py",
        "if record is None or event_type(record) != entry.type:",
        "if record is None:",
        f"{_NOTICES}what_did_not_happen_yet_waits_and_what_happened_otherwise_is_removed_untold",
    ),
    Mutant(
        "what waits is told of the first time only",
        "shared/processing/attempts.py",
        "event = None if record.park_reported else self._enqueue(claim, parked)",
        "event = self._enqueue(claim, parked)",
        f"{_NOTICES}what_is_parked_is_told_the_first_time_and_then_how_it_ended",
    ),
    Mutant(
        "a notice stays until it was delivered",
        "shared/webhook/sender.py",
        'log.warning("notice.failed", reason=answer.problem)\n            return False\n',
        'log.warning("notice.failed", reason=answer.problem)\n',
        f"{_NOTICES}what_the_receiver_did_not_take_the_sweep_delivers_under_the_same_id",
    ),
    Mutant(
        "a notice is not given up untried, however long the sweep was off",
        "shared/webhook/outbox.py",
        "if is_over if record is None else record.state",
        "if is_over or record is None or record.state",
        f"{_NOTICES}a_park_of_yesterday_that_is_being_worked_on_is_not_dropped_untold",
    ),
    Mutant(
        "a try is written down before it is sent",
        "shared/webhook/outbox.py",
        "        ledger.put_entry(begun)\n",
        "",
        f"{_NOTICES}two_sweeps_at_once_tell_once",
    ),
    Mutant(
        "a dead receiver is not waited for by every delivery",
        "shared/webhook/outbox.py",
        "if self._sender.rests:",
        "if self._sender is None:",
        f"{_NOTICES}after_a_failure_a_process_leaves_the_first_tries_of_a_minute_to_the_sweep",
    ),
    Mutant(
        "a dead receiver is not asked by every notice",
        "shared/webhook/outbox.py",
        "if self._clock.now() > until or len(failed) >= _ENOUGH:",
        "if self._clock.now() > until:",
        f"{_NOTICES}a_tick_does_not_ask_a_dead_receiver_once_for_each_and_delivers_all_once_it_"
        "lives",
    ),
    Mutant(
        "who asked by HTTP does not wait for the receiver",
        "shared/processing/pipeline.py",
        "self._clock.now(), waits=False)",
        "self._clock.now())",
        f"{_NOTICES}who_asked_by_http_gets_the_answer_before_the_receiver_has_answered",
    ),
    Mutant(
        "the receiver's address is in no line of the log",
        "shared/webhook/sender.py",
        'text.replace(place, f"{parts.scheme}://{parts.netloc}")',
        "text",
        f"{_NOTICES}neither_the_secret_nor_the_address_of_the_receiver_is_told_to_the_log",
    ),
]

MUTANTS = [
    *CLAIM, *TAKEOVER, *END, *PROBE, *ATTEMPTS, *CAP, *CHOSEN, *UPLOADS, *VARIANTS, *CALLERS,
    *SECRETS, *NOTICES,
]  # fmt: skip
