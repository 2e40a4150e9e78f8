import pytest

from tests.drstack.spec.declared import LOCAL, faults_of, parsed, with_line

THIRD = "  north: {platform: local, slots: 1}"
EAST = "  east: {platform: local}"
AUTOMATIC = LOCAL + "leases: {ttl: 60s}\npromotion: {automatic: true, observers: [a, b]}\n"


def _replication(text: str) -> str:
    return LOCAL + f"replication: {text}\n"


def _waiting(workloads: str) -> str:
    return LOCAL + workloads + "\n"


CONTRADICTIONS = {
    "one site": (LOCAL.replace("  west: {platform: local}\n", ""), "sites", "at least two sites"),
    "no site": (LOCAL.replace(EAST + "\n  west: {platform: local}", "  {}"), "sites", "at least two sites"),
    "unknown primary": (LOCAL + "primary: eats\n", "primary", "one of east, west"),
    "same folder": (
        LOCAL.replace(EAST, "  east: {platform: local, folder: sites/demo/west}"),
        "sites.west.folder",
        "own",
    ),
    "folder inside another": (
        LOCAL.replace(EAST, "  east: {platform: local, folder: sites}"),
        "sites.west.folder",
        "write folder: sites/demo/west",
    ),
    "witness at a site": (LOCAL.replace("file:witness", "file:sites/demo/east/w"), "witness", "outside site east"),
    "state at a site": (LOCAL.replace("file:state", "file:x/../sites/demo/west"), "state", "outside site west"),
    "state in the witness": (LOCAL.replace("file:state", "file:witness/state"), "state", "apart from the witness"),
    "witness in a site's bucket": (
        LOCAL.replace("file:witness", "s3://b/w").replace(
            EAST, EAST + "\n  n: {platform: aws, region: r, adopt: {bucket: b}}"
        ),
        "witness",
        "name another bucket",
    ),
    "near unknown": (_replication("{near: {east: wset}}"), "replication.near.east", "write east: west"),
    "near of unknown": (_replication("{near: {esat: west}}"), "replication.near.esat", "one of east, west"),
    "near itself": (_replication("{near: {east: east}}"), "replication.near.east", "the same site"),
    "acknowledge for unknown": (_replication("{acknowledge: {gtp: none}}"), "replication.acknowledge.gtp", "gpt"),
    "acknowledge without near": (
        _replication("{acknowledge: {gpt: near}}"),
        "replication.acknowledge.gpt",
        "add near: {east: west}",
    ),
    "one recipient": (_replication("{encrypt_to: [a@b, a@b]}"), "replication.encrypt_to", "two recipients"),
    "after an unknown one": (_waiting("  two: {class: development, after: [gtp]}"), "workloads.two.after.0", "gpt"),
    "after itself": (_waiting("  two: {class: development, after: [two]}"), "workloads.two.after.0", "take two out"),
    "after what waits for it": (
        _waiting("  two: {class: development, after: [three]}\n  three: {class: development, after: [gpt, two]}"),
        "workloads.three.after.1",
        "does not wait for three",
    ),
    "no receipts": (_replication("{receipts: {training: []}}"), "replication.receipts.training", "at least one"),
    "receipt twice": (
        _replication("{receipts: {training: [stored, stored]}}"),
        "replication.receipts.training",
        "at most once",
    ),
    "ranks above slots": (LOCAL.replace("ranks: 2", "ranks: 6"), "workloads.gpt.job.ranks", "at most 5"),
    "ranks above a third site's slots": (with_line(THIRD, after=EAST), "workloads.gpt.job.ranks", "slots of north"),
    "all ranks above slots": (
        LOCAL.replace("west: {platform: local}", "west: {platform: local, slots: 4}")
        + "  two: {class: development, job: {command: [x], ranks: 3}}\n",
        "sites.west.slots",
        "write slots: 5",
    ),
    "no job": (LOCAL.replace("    job: {train: examples.train, ranks: 2}\n", ""), "workloads.gpt", "a job"),
    "no checkpoints": (
        LOCAL.replace("    checkpoints: {path: checkpoints/gpt, every: 45m}\n", ""),
        "workloads.gpt",
        "no checkpoints",
    ),
    "no interval": (LOCAL.replace(", every: 45m", ""), "workloads.gpt.checkpoints", "every or every_steps"),
    "interval of nothing": (LOCAL.replace("45m", "0"), "workloads.gpt.checkpoints.every", "a time between"),
    "two programs": (LOCAL.replace("ranks: 2", "command: [x]"), "workloads.gpt.job", "either `train` or `command`"),
    "two kinds of job": (LOCAL.replace("ranks: 2", "jobset: ml/gpt"), "workloads.gpt.job.train", "remove train"),
    "job for other platforms": (
        LOCAL.replace("{train: examples.train, ranks: 2}", "{jobset: ml/gpt}"),
        "workloads.gpt.job",
        "a job that no site can run",
    ),
    "checkpoints of two in one folder": (
        LOCAL + "  two: {class: weights, rpo: 1h, checkpoints: {path: checkpoints, every: 1m}}\n",
        "workloads.two.checkpoints.path",
        "apart from that of gpt",
    ),
    "absolute checkpoints at local sites": (
        LOCAL.replace("checkpoints/gpt", "/ckpt"),
        "workloads.gpt.checkpoints.path",
        "relative to the site's folder",
    ),
    "checkpoints above the site": (
        LOCAL.replace("checkpoints/gpt", "../gpt"),
        "workloads.gpt.checkpoints.path",
        "without `..`",
    ),
    "serves itself": (
        LOCAL + "  chat: {class: inference, job: {command: [x]}, serves: chat}\n",
        "workloads.chat.serves",
        "write serves: gpt",
    ),
    "a replica without a model": (
        LOCAL + "  chat: {class: inference, job: {serve: examples.serve}}\n",
        "workloads.chat",
        "add serves: WORKLOAD",
    ),
    "a replica of a model without checkpoints": (
        LOCAL + "  m: {class: weights, rpo: 1h}\n  chat: {class: inference, job: {serve: examples.serve}, serves: m}\n",
        "workloads.chat.serves",
        "add checkpoints to m",
    ),
    "training by a server": (
        LOCAL.replace("train: examples.train, ranks: 2", "serve: examples.serve"),
        "workloads.gpt.job",
        "write class: inference",
    ),
    "more replicas than slots": (
        LOCAL + "  chat: {class: inference, job: {serve: examples.serve, replicas: 6}, serves: gpt}\n",
        "workloads.chat.job.replicas",
        "write replicas: 5",
    ),
    "ranks and replicas that do not fit together": (
        LOCAL.replace("west: {platform: local}", "west: {platform: local, slots: 6}")
        + "  chat: {class: inference, job: {serve: examples.serve, replicas: 4}, serves: gpt}\n",
        "sites.east.slots",
        "write slots: 6",
    ),
    "training that serves": (with_line("    serves: gpt"), "workloads.gpt.serves", "only at class inference"),
    "interval above the class's RPO": (
        LOCAL.replace("45m", "4h"),
        "workloads.gpt.checkpoints.every",
        "less than the RPO of 4h of class training; write every: 2h",
    ),
    "interval above the declared RPO": (
        with_line("    rpo: 45m"),
        "workloads.gpt.checkpoints.every",
        "the RPO of 45m declared",
    ),
    "interval and save above the RPO": (
        LOCAL.replace("every: 45m", "every: 45m, save: 10m") + "    rpo: 50m\n",
        "workloads.gpt.checkpoints.every",
        "55m in all, expected less than the RPO of 50m declared; write every: 20m",
    ),
    "shipping alone above the RPO": (
        LOCAL.replace("every: 45m", "every: 45m, size: 450GB")
        + "    rpo: 55m\nlinks: [{between: [west, east], bandwidth: 1Gbit/s}]\n",
        "workloads.gpt.checkpoints.every",
        "write a greater rpo",
    ),
    "RPO 0 without acknowledgement": (
        with_line("    rpo: 0") + "replication: {near: {east: west}, acknowledge: {gpt: none}}\n",
        "replication.acknowledge.gpt",
        "write gpt: near",
    ),
    "RPO 0 without a near site": (with_line("    rpo: 0"), "workloads.gpt.rpo", "write near: {east: west}"),
    "RPO 0 of a class without a near site": (LOCAL + "  conf: {class: config}\n", "workloads.conf", "RPO 0"),
    "RTO 0": (with_line("    rto: 0"), "workloads.gpt.rto", "some time"),
    "automatic without leases": (
        LOCAL + "promotion: {automatic: true, observers: [a, b]}\n",
        "promotion.automatic",
        "add leases",
    ),
    "automatic with one observer": (
        LOCAL + "leases: {ttl: 60s}\npromotion: {automatic: true, observers: [a, a]}\n",
        "promotion.observers",
        "two observers",
    ),
    "automatic to the primary": (AUTOMATIC.replace("true,", "true, to: east,"), "promotion.to", "write to: west"),
    "automatic to nowhere": (AUTOMATIC.replace("true,", "true, to: moon,"), "promotion.to", "one of west"),
    "automatic among three": (
        AUTOMATIC.replace(EAST, EAST + "\n  south: {platform: local}"),
        "promotion.automatic",
        "add to: south",
    ),
    "automatic at once": (AUTOMATIC.replace("true,", "true, after: 0s,"), "promotion.after", "write after: 60s"),
    "automatic again and again": (
        AUTOMATIC.replace("true,", "true, once_in: 30s,"),
        "promotion.once_in",
        "write once_in: 24h",
    ),
    "renewal too late": (LOCAL + "leases: {ttl: 60s, renew: 40s}\n", "leases.renew", "at most half of ttl"),
    "lease with a long pause": (LOCAL + "leases: {ttl: 60s, pause: 16s}\n", "leases.pause", "at most a quarter of ttl"),
    "lease with a long drift": (LOCAL + "leases: {ttl: 60s, drift: 61s}\n", "leases.drift", "at most ttl"),
    "lease too short": (LOCAL + "leases: {ttl: 10ms}\n", "leases.ttl", "at least 1s"),
    "drills all the time": (LOCAL + "drills: {every: 1s}\n", "drills.every", "at least 1m"),
    "drills nowhere": (LOCAL + "drills: {every: 30d, site: moon}\n", "drills.site", "any standby counts"),
    "link to nowhere": (
        LOCAL + "links: [{between: [east, moon], bandwidth: 1Gbit/s}]\n",
        "links.0.between",
        "name declared sites",
    ),
    "link to itself": (LOCAL + "links: [{between: [east, east], bandwidth: 1}]\n", "links.0.between", "two sites"),
    "link twice": (
        LOCAL + "links: [{between: [east, west], bandwidth: 1}, {between: [west, east], bandwidth: 1}]\n",
        "links.1.between",
        "the pair of links.0",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_contradiction_is_one_fault_at_its_field(case):
    text, field, said = CONTRADICTIONS[case]
    faults = faults_of(text)
    assert list(faults) == [field]
    assert said in str(faults[field])


def test_without_a_contradiction_there_is_no_fault():
    assert faults_of(LOCAL) == {}


ALLOWED = {
    "RPO 0 acknowledged by default": with_line("    rpo: 0") + "replication: {near: {east: west}}\n",
    "one after another": _waiting(
        "  two: {class: development, after: [gpt]}\n  three: {class: development, after: [gpt, two]}"
    ),
    "steps alone": LOCAL.replace("every: 45m", "every_steps: 500"),
    "automatic with leases and observers": LOCAL
    + "leases: {ttl: 60s, renew: 20s}\npromotion: {automatic: true, observers: [a, b]}\n",
    "drills": LOCAL + "drills: {every: 30d, kind: surprise, site: west}\n",
    "a site on another disk": LOCAL.replace(EAST, "  east: {platform: local, folder: /mnt/disk/east}"),
    "a class's own receipts": LOCAL + "replication: {receipts: {training: [stored, decoded, proved]}}\n",
    "a link fast enough": LOCAL.replace("every: 45m", "every: 45m, size: 450GB")
    + "    rpo: 55m\nlinks: [{between: [west, east], bandwidth: 10Gbit/s}]\n",
    "replicas of a model": LOCAL
    + "  chat: {class: inference, job: {serve: examples.serve, replicas: 3}, serves: gpt}\n",
    "a service beside its model": LOCAL + "  chat: {class: inference, job: {command: [x]}, serves: gpt}\n",
}


@pytest.mark.parametrize("case", ALLOWED)
def test_allows(case):
    assert faults_of(ALLOWED[case]) == {}


def test_a_slip_in_one_part_makes_no_second_fault_in_another():
    text = LOCAL.replace("east: {platform: local}", "east: {platform: locl}") + "replication: {near: {east: west}}\n"
    assert list(faults_of(text)) == ["sites.east.platform"]
    assert list(faults_of(LOCAL.replace("sites:", "stes:"))) == ["sites", "stes"]


def test_a_slip_in_one_part_does_not_hide_a_contradiction_in_others():
    text = LOCAL.replace("active-passive", "actve") + "replication: {near: {east: east}}\n"
    assert list(faults_of(text)) == ["strategy", "replication.near.east"]


@pytest.mark.parametrize(
    ("told", "field", "got"),
    [
        ("encrypt_to: [recovery, keeper@east]", "replication.encrypt_to.1", "'keeper@east'"),
        ("encrypt_to: [a, b], crypto: none", "replication.crypto", "none, with recipients in encrypt_to"),
        ("crypto: drstack-hybrid-1", "replication.crypto", "drstack-hybrid-1, with nobody to encrypt to"),
        ("encrypt_to: [a, a b]", "replication.encrypt_to.1", "'a b'"),
        ("encrypt_to: [a, a]", "replication.encrypt_to", "only 'a'"),
    ],
)
def test_who_may_decrypt_is_said_once_and_is_no_site(told, field, got):
    [(named, fault)] = faults_of(f"{LOCAL}replication: {{{told}}}\n").items()
    assert (named, fault.got) == (field, got)
    assert fault.remedy
    assert fault.line == 13


def test_an_environment_is_encrypted_where_it_names_recipients():
    assert not parsed().replication.encrypted
    assert (
        parsed(LOCAL + "replication: {encrypt_to: [recovery@acme, escrow]}\n").replication.suite == "drstack-hybrid-1"
    )
    assert parsed(LOCAL + "replication: {crypto: none}\n").replication.suite == "none"
