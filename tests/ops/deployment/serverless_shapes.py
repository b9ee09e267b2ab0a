"""Files of a wrong shape, by what is wrong with them, each with what has to be told."""

from tests.ops.deployment.serverless_file import HERE, changed, with_setting


def _wrong(text: str, told: str) -> tuple[str, str]:
    return text, told


SHAPES = {
    "a wrong provider": _wrong(
        changed("name: volcengine", f"name: aws {HERE}"),
        "provider.name is 'aws'; write volcengine, the only one supported.",
    ),
    "no provider": _wrong(
        changed("  name: volcengine\n", "").replace("provider:", f"provider: {HERE}"),
        "provider.name is missing; write name: volcengine.",
    ),
    "memory between the steps": _wrong(
        changed("  name:", f"  memorySize: 700 {HERE}\n  name:"),
        "provider.memorySize is 700; write MiB from 512 to 4096 in steps of 512.",
    ),
    "memory with a unit": _wrong(
        changed("  name:", f"  memorySize: 512MB {HERE}\n  name:"),
        "provider.memorySize is '512MB'; write MiB from 512 to 4096 in steps of 512.",
    ),
    "a timeout beyond the platform's": _wrong(
        changed("    events:", f"    timeout: 901 {HERE}\n    events:"),
        "functions.upload.timeout is 901; write seconds from 1 to 900.",
    ),
    "no concurrency": _wrong(
        changed("  name:", f"  maxConcurrency: 9 {HERE}\n  name:"),
        "provider.maxConcurrency is 9; write 1, or a whole number from 10 to 1000.",
    ),
    "an old Python": _wrong(
        changed("  name:", f"  runtime: python3.9/v1 {HERE}\n  name:"),
        "provider.runtime is 'python3.9/v1'; write python3.12/v1: the platform's other Pythons, "
        "3.8 and 3.9, are too old for this code.",
    ),
    "a key with letters exchanged": _wrong(
        changed("  name:", f"  memroySize: 512 {HERE}\n  name:"),
        "provider.memroySize is unknown; did you mean memorySize?",
    ),
    "a key that nothing is like": _wrong(
        changed("          bucket", f"          colour: red {HERE}\n          bucket"),
        "functions.upload.events[0].tos.colour is unknown; "
        "known are bucket, events, prefix, suffix.",
    ),
    "the Serverless Framework's event": _wrong(
        changed("      - tos:", f"      - s3: {HERE}"),
        "functions.upload.events[0].s3 is unknown; write tos: with bucket:, events: and prefix:.",
    ),
    "the Serverless Framework's plugins": _wrong(
        changed("provider:", f"plugins: [x] {HERE}\nprovider:"),
        "plugins is unknown; remove it: there are none.",
    ),
    "a handler of another name": _wrong(
        changed("index.handler", f"main.handler {HERE}"),
        "functions.upload.handler is 'functions/upload/main.handler'; "
        "write <folder>/index.handler: the platform accepts no other name for either.",
    ),
    "a handler outside of the folder": _wrong(
        changed("functions/upload", "../upload").replace("index.handler", f"index.handler {HERE}"),
        "functions.upload.handler is '../upload/index.handler'; "
        "write <folder>/index.handler: the platform accepts no other name for either.",
    ),
    "no handler": _wrong(
        changed("    handler: functions/upload/index.handler\n", "").replace(
            "  upload:", f"  upload: {HERE}"
        ),
        "functions.upload.handler is missing; write handler: functions/upload/index.handler.",
    ),
    "a bucket in capitals": _wrong(
        changed("bucket: photos", f"bucket: Photos {HERE}"),
        "functions.upload.events[0].tos.bucket is 'Photos'; write 3 to 63 lower-case letters, "
        "digits and -, neither beginning nor ending with -.",
    ),
    "a prefix that is a pattern": _wrong(
        changed("prefix: uploads/", f"prefix: uploads/* {HERE}"),
        "functions.upload.events[0].tos.prefix is 'uploads/*'; "
        "write the beginning of keys, without * or ? and without a leading /, such as uploads/.",
    ),
    "a prefix with a slash in front": _wrong(
        changed("prefix: uploads/", f"prefix: /uploads/ {HERE}"),
        "functions.upload.events[0].tos.prefix is '/uploads/'; "
        "write the beginning of keys, without * or ? and without a leading /, such as uploads/.",
    ),
    "a suffix that is a pattern": _wrong(
        changed("prefix: uploads/", f"suffix: ['*.png'] {HERE}"),
        "functions.upload.events[0].tos.suffix[0] is '*.png'; "
        "write the end of keys, without * or ?, such as .png.",
    ),
    "an event of another cloud": _wrong(
        changed(
            "          prefix", f"          events: ['s3:ObjectCreated:*'] {HERE}\n          prefix"
        ),
        "functions.upload.events[0].tos.events[0] is 's3:ObjectCreated:*'; "
        "write tos:ObjectCreated:*, or one kind such as tos:ObjectCreated:Put.",
    ),
    "a schedule of six fields": _wrong(
        changed("      - tos:", f"      - schedule: 0 */5 * * * * {HERE}\n      - tos:"),
        "functions.upload.events[0].schedule is '0 */5 * * * *'; write rate(5 minutes), or the "
        "five fields minute, hour, day, month and weekday in numbers, such as '*/5 * * * *' or "
        "'0 3 * * 1-5'.",
    ),
    "http that is off": _wrong(
        changed("      - tos:", f"      - http: false {HERE}\n      - tos:"),
        "functions.upload.events[0].http is false; write true, or path: and method: below it.",
    ),
    "two events in one": _wrong(
        changed("      - tos:", f"      - http: true {HERE}\n        tos:"),
        "functions.upload.events[0] is invalid; write one of tos, http and schedule in each event.",
    ),
    "events that are no list": _wrong(
        changed("      - tos:", "        tos:").replace("    events:", f"    events: {HERE}"),
        "functions.upload.events is invalid; write a list: lines that begin with '- '.",
    ),
    "a function that is a list": _wrong(
        changed("  upload:", f"  other: [] {HERE}\n  upload:"),
        "functions.other is invalid; write a group: lines such as 'name: value', indented further.",
    ),
    "a role that is only a name": _wrong(
        changed("  name:", f"  iam:\n    role: repaint {HERE}\n  name:"),
        "provider.iam.role is 'repaint'; write trn:iam::<account id>:role/<name of the role>.",
    ),
    "the role where it was in older versions": _wrong(
        changed("  name:", f"  role: x {HERE}\n  name:"),
        "provider.role is unknown; write it below iam: in provider:.",
    ),
    "a log topic that is a number": _wrong(
        changed("  name:", f"  logs:\n    project: p\n    topic: 5 {HERE}\n  name:"),
        "provider.logs.topic is 5; write a text; put what looks like a number in quotes.",
    ),
    "a variable's name with a hyphen": _wrong(
        with_setting(f"MY-NAME: x {HERE}"),
        "MY-NAME is not a valid name in provider.environment; "
        "write at most 63 letters, digits and _, not beginning with a digit.",
    ),
    "a setting that is a group": _wrong(
        with_setting(f"SOME: {{a: 1}} {HERE}"),
        "provider.environment.SOME is invalid; write one text; put JSON in single quotes.",
    ),
    "a function's name with a dot": _wrong(
        changed("  upload:", f"  up.load: {HERE}"),
        "up.load is not a valid name in functions; write letters, digits, - and _, beginning "
        "with a letter.",
    ),
}
