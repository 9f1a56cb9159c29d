"""Backup jobs, and what they really save: read from the script, not from the name.

What only describes streams (``nats stream info``) is configuration, however often it is called a backup. A copy
that is skipped when a credential is missing does not count as a copy elsewhere: where a backup lies is told for
what is sure to be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from secondsite.discover.cron import longest_gap_s
from secondsite.discover.dependencies import PodSetting
from secondsite.discover.draft import Draft
from secondsite.discover.resources import ResourceInventory, YamlNode
from secondsite.discover.shell_lines import logical_lines
from secondsite.discover.workloads import Workload
from secondsite.model.backup import Content, Where
from secondsite.model.errors import InputError
from secondsite.model.place import Place
from secondsite.model.service import Role
from secondsite.model.units import Seconds

_NATS = r"\bnats\b(?:\s+-\S+(?:\s+[^-\s]\S*)?)*?\s+(?:str|stream|streams|s)\b"
_SAVES: tuple[tuple[re.Pattern[str], Content, tuple[Role, ...]], ...] = (
    (re.compile(_NATS + r"\s+backup\b|\bnats\s+account\s+backup\b|STREAM\.SNAPSHOT"), Content.MESSAGES, (Role.NATS,)),
    (
        re.compile(r"\b(pg_dump(all)?|pg_basebackup|wal-g|pgbackrest|barman-\w+|mysqldump|mongodump|mariabackup)\b"),
        Content.DATA,
        (Role.DATABASE,),
    ),
    (
        re.compile(r"\bclickhouse-backup\s+create|\bBACKUP\s+(DATABASE|TABLE|ALL)\b"),
        Content.DATA,
        (Role.DATABASE,),
    ),
    (re.compile(r"\bredis-cli\b.*(--rdb|bgsave)", re.IGNORECASE), Content.DATA, (Role.CACHE,)),
    (re.compile(r"(:6333|qdrant)\S*/snapshots"), Content.DATA, (Role.VECTOR_STORE,)),
    (
        re.compile(
            _NATS + r"\s+(info|report|ls|list|config|state)\b"
            r"|\bnats\s+(con|consumer|kv|obj|object|account)\s+(info|ls|report)\b"
        ),
        Content.CONFIGURATION,
        (Role.NATS,),
    ),
    (re.compile(r"\bkubectl\b.*\bget\b.*-o\s*=?\s*(yaml|json)"), Content.RESOURCES, ()),
)
_NAMED = re.compile(r"back-?up|dump|snapshot|archive", re.IGNORECASE)
_UPLOAD = re.compile(
    r"\b(aws\s+s3|s3cmd|mc\s+(cp|mirror)|gsutil|gcloud\s+storage|azcopy|az\s+storage|rclone|restic|b2)\b"
    r"|\b(s3|gs|az|abfss?|wasbs?)://|\bTO\s+(S3|Disk)\s*\("
)
_ELSEWHERE = re.compile(
    r"https?://(?!localhost|127\.)[\w-]+(\.[\w-]+)*\.(?!svc\b|local\b|cluster\b)[a-z]{2,}(?=[/:\s\"']|$)"
)
_BUCKET = re.compile(r"(?:s3|gs|az|abfss?|wasbs?)://[^\s\"'`;|&]+")
_SWALLOWS = re.compile(r"\|\|\s*(true|:|echo\b)|\bset\s+\+e\b|2>\s*/dev/null|;\s*exit 0\b")
_GUARD = re.compile(r"^\s*(if|elif)\b.*\$\{?\w*(KEY|TOKEN|SECRET|CREDENTIAL|BUCKET|PASSWORD|ACCOUNT)\w*")
_GUARD_INLINE = re.compile(r"\[\s+-n\s+\S+\s+\]\s*&&|\[\[?\s+-z\s+\S+\s+\]\]?\s*&&\s*exit")
_MTIME = re.compile(r"-mtime\s+\+[\"']?(?:(\d{1,5})|\$\{?(\w+)\}?)")
_MMIN = re.compile(r"-mmin\s+\+[\"']?(?:(\d{1,8})|\$\{?(\w+)\}?)")
_SET = re.compile(r"\s*(?:export\s+|readonly\s+|local\s+)?(\w+)=[\"']?(?:\$\{\w+:-)?(\d{1,8})\}?[\"']?\s*(?:;.*)?")
_KEEP = re.compile(r"\w*(?:RETENTION|KEEP|RETAIN)\w*?(?P<unit>_(?:DAYS?|HOURS?))?")
_REGION = re.compile(r"--region[= ]+([a-z0-9-]+)")


_DAILY_S = Seconds(86400.0)
_VELERO_KEEPS_S = Seconds(30 * 86400.0)


@frozen
class Line:
    place: Place
    text: str
    guarded: bool


@frozen
class BackupSource:
    """A workload that may be a backup job, with all that it was told."""

    workload: Workload
    settings: Sequence[PodSetting]


def script_of(settings: Sequence[PodSetting]) -> list[Line]:
    """The lines that a job runs: its command, and the mounted files that the command names (or all scripts)."""
    inline = [option for option in settings if option.source in ("command", "args")]
    called = " ".join(option.text for option in inline)
    files = [option for option in settings if option.source == "file" and option.name in called]
    lines: list[Line] = []
    for setting in (*inline, *files):
        depth, guarded_from = 0, 0
        for place, text in logical_lines(setting.text, setting.place):
            opens = bool(re.match(r"\s*if\b", text))
            depth += opens
            if opens and not guarded_from and _GUARD.search(text):
                guarded_from = depth
            lines.append(Line(place, text, bool(guarded_from) or bool(_GUARD_INLINE.search(text))))
            if re.match(r"\s*fi\b|.*;\s*fi\s*$", text):
                guarded_from = 0 if guarded_from == depth else guarded_from
                depth = max(depth - 1, 0)
    return lines


def cron_backups(
    source: BackupSource, services: Mapping[Role, Sequence[str]], inventory: ResourceInventory, region: str
) -> Iterator[Draft]:
    """One draft per kind of content that the job saves; none for a job that is no backup."""
    workload, lines = source.workload, script_of(source.settings)
    saved = _saved(lines)
    if not saved and not _NAMED.search(workload.resource.name):
        return
    # A script that takes the messages describes streams too: the weaker content adds nothing.
    if Content.MESSAGES in saved:
        saved.pop(Content.CONFIGURATION, None)
    for number, (content, (line, roles)) in enumerate((saved or {Content.UNKNOWN: (None, ())}).items()):
        draft = Draft(
            {"name": workload.name if number == 0 else f"{workload.name}-{content}", "service": workload.name}
        )
        draft.mark("", workload.resource.place)
        draft.read("content", content, line.place if line else workload.resource.place)
        covers = tuple(name for role in roles for name in services.get(role, ()))
        draft.read("covers", covers, line.place if line else workload.resource.place)
        _schedule(draft, workload.resource.spec["schedule"])
        _destination(draft, source, lines, inventory, region)
        _retention(draft, source.settings, lines)
        _errors(draft, lines)
        yield draft


def _saved(lines: Sequence[Line]) -> dict[Content, tuple[Line | None, tuple[Role, ...]]]:
    saved: dict[Content, tuple[Line | None, tuple[Role, ...]]] = {}
    for pattern, content, roles in _SAVES:
        line = next((line for line in lines if pattern.search(line.text)), None)
        if line:
            before = saved.get(content)
            saved[content] = (before[0], (*before[1], *roles)) if before else (line, roles)
    return saved


def _schedule(draft: Draft, at: YamlNode) -> None:
    """One that cannot be read is unknown, and taken as daily."""
    try:
        draft.read("interval_s", longest_gap_s(at.text), at, "the longest time between two runs")
    except ValueError as error:
        what, _, remedy = str(error).partition("; ")
        draft.values["interval_s"] = _DAILY_S
        draft.unknown("interval_s", InputError.at(at.place or Place("?"), what, remedy or "write five fields"))


def _destination(
    draft: Draft, source: BackupSource, lines: Sequence[Line], inventory: ResourceInventory, region: str
) -> None:
    """A volume of the cluster, a bucket, or both; the sure one counts."""
    uploads = [line for line in lines if _UPLOAD.search(line.text)]
    claim = _claim(source.workload)
    sure = [line for line in uploads if not line.guarded]
    optional_key = next((setting for setting in source.settings if setting.secret and setting.optional), None)
    if uploads and (optional_key or not sure):
        draft.read("optional_upload", True, (uploads[0].place if not optional_key else optional_key.place))
        sure = []
    if sure:
        draft.read("where", _bucket_where(sure, source.settings, region), sure[0].place)
        bucket = _BUCKET.search(sure[0].text)
        draft.read("destination", bucket[0] if bucket else "object storage", sure[0].place)
    elif claim:
        size = inventory.find("PersistentVolumeClaim", source.workload.namespace, claim.text)
        draft.read("where", Where.CLUSTER, claim)
        draft.read("destination", f"persistentvolumeclaim/{claim.text}", size.place if size else claim)
    else:
        leaves = not lines or any(_ELSEWHERE.search(line.text) for line in lines)
        draft.read("where", Where.UNKNOWN if leaves else Where.CLUSTER, source.workload.resource.place)


def _claim(workload: Workload) -> YamlNode | None:
    volumes = workload.pod["volumes"].items
    return next((at for volume in volumes if (at := volume.dig("persistentVolumeClaim", "claimName"))), None)


def _bucket_where(lines: Sequence[Line], settings: Sequence[PodSetting], region: str) -> Where:
    named = [match[1] for line in lines if (match := _REGION.search(line.text))]
    named += [
        setting.text for setting in settings if setting.name in ("AWS_REGION", "AWS_DEFAULT_REGION") and setting.text
    ]
    if not named or not region:
        return Where.UNKNOWN
    return Where.REGION if named[0] == region else Where.ELSEWHERE


def _retention(draft: Draft, settings: Sequence[PodSetting], lines: Sequence[Line]) -> None:
    for line in lines:
        for pattern, unit_s in ((_MTIME, 86400.0), (_MMIN, 60.0)):
            match = pattern.search(line.text)
            number = (match[1] or _value_of(match[2], settings, lines)) if match else ""
            if number:
                draft.read("retention_s", Seconds(int(number) * unit_s), line.place)
                return
    for setting in settings:
        match = _KEEP.fullmatch(setting.name.upper()) if len(setting.name) < 100 else None
        if match and setting.text.isdecimal() and len(setting.text) < 6:
            unit_s = 3600.0 if (match["unit"] or "").startswith("_HOUR") else 86400.0
            draft.read("retention_s", Seconds(int(setting.text) * unit_s), setting.place)
            return


def _value_of(variable: str, settings: Sequence[PodSetting], lines: Sequence[Line]) -> str:
    """Of a variable that the pod is given or the script sets itself; empty where neither is a number."""
    given = next((setting.text for setting in settings if setting.name == variable and setting.text.isdecimal()), "")
    written = (match for line in lines if (match := _SET.fullmatch(line.text)) and match[1] == variable)
    return given or next((match[2] for match in written), "")


def _errors(draft: Draft, lines: Sequence[Line]) -> None:
    """Swallowed where a failure of what saves or uploads cannot fail the job."""
    for line in lines:
        works = any(pattern.search(line.text) for pattern, _, _ in _SAVES) or _UPLOAD.search(line.text)
        if (works and _SWALLOWS.search(line.text)) or re.search(r"\bset\s+\+e\b", line.text):
            draft.read("errors_swallowed", True, line.place)
            return


def velero_backups(inventory: ResourceInventory, workloads: Sequence[Workload], region: str) -> Iterator[Draft]:
    """Velero's Schedules: Kubernetes objects, with volumes only where snapshots or file copies are on."""
    for schedule in inventory.of_kind("Schedule"):
        if schedule.group != "velero.io":
            continue
        draft, template = Draft({"name": schedule.name}), schedule.spec["template"]
        draft.mark("", schedule.place)
        snapshots, files = template["snapshotVolumes"], template["defaultVolumesToFsBackup"]
        content = Content.RESOURCES if snapshots.flag is False and not files.flag else Content.VOLUMES
        draft.read("content", content, files if files.flag else snapshots if snapshots else template)
        included = set(template["includedNamespaces"].texts) or {"*"}
        excluded = set(template["excludedNamespaces"].texts)
        covers = tuple(
            workload.name
            for workload in workloads
            if ("*" in included or workload.namespace in included) and workload.namespace not in excluded
        )
        draft.read("covers", covers, template["includedNamespaces"] if template["includedNamespaces"] else template)
        _schedule(draft, schedule.spec["schedule"])
        draft.assume("retention_s", _VELERO_KEEPS_S, "30 days is Velero's default")
        if template["ttl"]:
            draft.take("retention_s", "seconds", template["ttl"])
        _storage_location(draft, template["storageLocation"].text, schedule.where, inventory, region)
        yield draft


def _storage_location(draft: Draft, name: str, namespace: str, inventory: ResourceInventory, region: str) -> None:
    locations = [candidate for candidate in inventory.of_kind("BackupStorageLocation") if candidate.where == namespace]
    for location in locations:
        if location.name == name or (not name and location.spec["default"].flag) or len(locations) == 1:
            bucket, at = location.spec.dig("objectStorage", "bucket"), location.spec.dig("config", "region")
            draft.read("destination", bucket.text, bucket)
            known = at.text and region
            where = (Where.REGION if at.text == region else Where.ELSEWHERE) if known else Where.UNKNOWN
            draft.read("where", where, at if at else location.place)
            return
    draft.values["where"] = Where.UNKNOWN
