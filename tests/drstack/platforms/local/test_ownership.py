from dataclasses import replace

import pytest

from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.ownership import SiteOwned, SiteRecord, claim, read_record

RECORD = SiteRecord("gpt", "e1", "east", "org/drstack/gpt.east")


def test_the_same_owner_finds_its_site(tmp_path):
    folder = site_folder(tmp_path / "east")
    claim(folder, RECORD)
    claim(folder, RECORD)
    assert read_record(folder) == RECORD


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"owner": "org/drstack/gpt"}, "belongs to stack org/drstack/gpt.east"),
        ({"site": "west"}, "is site east of environment gpt"),
        ({"environment": "other"}, "is site east of environment gpt"),
        ({"environment_id": "e2"}, "another witness"),
    ],
)
def test_another_is_refused_and_changes_nothing(tmp_path, change, says):
    folder = site_folder(tmp_path / "east")
    claim(folder, RECORD)
    with pytest.raises(SiteOwned, match=says) as refused:
        claim(folder, replace(RECORD, **change))
    assert refused.value.hint
    assert read_record(folder) == RECORD


def test_a_site_within_another_one_is_refused(tmp_path):
    claim(site_folder(tmp_path / "east"), RECORD)
    inner = site_folder(tmp_path / "east" / "west")
    with pytest.raises(SiteOwned, match="lies in the folder of site east of environment gpt"):
        claim(inner, replace(RECORD, environment="east", site="west", owner="org/drstack/east"))
    assert not inner.path.exists()
