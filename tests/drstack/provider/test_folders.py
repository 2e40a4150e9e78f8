"""Where sites lie whose folders the file leaves out: where they were made, whatever of that is left."""

import pytest

from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.ownership import SiteRecord, claim
from drstack.provider.folders import FoldersArguments, decide_folders, get_folders
from drstack.provider.reach import open_witness

NOW = {"east": "/r/sites/gpt/east", "west": "/r/sites/gpt/west"}
FORMER = {"east": "/r/sites/east", "west": "/r/sites/west"}
NOTHING = {"east": None, "west": None}


@pytest.mark.parametrize(
    ("published", "recorded", "reachable", "east", "west"),
    [
        ({}, NOTHING, True, NOW, NOW),
        ({}, NOTHING, False, NOW, NOW),
        (FORMER, NOTHING, True, FORMER, FORMER),
        ({"east": FORMER["east"]}, NOTHING, True, FORMER, NOW),
        (NOW, FORMER, True, NOW, NOW),
        ({}, {**NOTHING, "east": FORMER["east"]}, True, FORMER, NOW),
        ({}, {**NOTHING, "west": FORMER["west"]}, False, FORMER, FORMER),
        ({}, {"east": NOW["east"], "west": FORMER["west"]}, False, NOW, FORMER),
        ({"east": "/elsewhere"}, NOTHING, True, NOW, NOW),
    ],
)  # fmt: skip
def test_a_site_stays_where_it_was_made(published, recorded, reachable, east, west):
    found = decide_folders(NOW, FORMER, published, recorded, reachable=reachable)
    assert found == {"east": east["east"], "west": west["west"]}


def asked(tmp_path, environment="gpt"):
    witness = (tmp_path / "witness").as_uri()
    found = get_folders(FoldersArguments(witness=witness, environment=environment, root=str(tmp_path), sites=("east",)))
    return found["east"]


def test_the_record_of_another_environment_is_not_ours(tmp_path):
    former, own = tmp_path / "sites" / "east", str(tmp_path / "sites" / "gpt" / "east")
    assert asked(tmp_path) == own
    claim(site_folder(former), SiteRecord("other", "e1", "east", "org/drstack/other"))
    assert asked(tmp_path) == own
    assert asked(tmp_path, "other") == str(former)


def test_the_descriptor_remembers_a_site_whose_folder_is_gone(tmp_path):
    (tmp_path / "witness").mkdir()
    witness, former = open_witness((tmp_path / "witness").as_uri(), "gpt"), str(tmp_path / "sites" / "east")
    witness.found()
    witness.publish("east", {"folder": former})
    assert asked(tmp_path) == former
