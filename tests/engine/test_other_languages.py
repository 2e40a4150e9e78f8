"""Programs that are not ours: they see the schemas, the SDKs made of them, and the real engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drstack.components.package import schema
from tests.engine.local_project import CHECKOUT, SLEEPER, Project, local_project
from tests.engine.test_local_stacks import observed, promote_west, values
from tools import gobuild
from tools.engine.version import WANTED
from tools.notrun import not_run
from tools.sdk.__main__ import generate

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(1500)]
BUILD_TIMEOUT_S = 700
PROGRAM = """\
import pulumi
import pulumi_drstack_components as drstack

made = drstack.EnvironmentSites("local", file="../stacks/environments/local.yaml", site="west", root={root!r})
pulumi.export("roles", made.roles)
pulumi.export("repositories", made.repositories)
"""

GO_PROGRAM = """\
package main

import (
	drstackcomponents "drstack.invalid/sdk/drstack-components"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
SITES
		if err != nil {
			return err
		}
		folder := pulumi.String("/srv/west")
		environment, err := drstackcomponents.NewEnvironment(ctx, "gpt", &drstackcomponents.EnvironmentArgs{
			Environment: pulumi.String("gpt"), Witness: pulumi.String("file:///w"), Primary: pulumi.String("east"),
			Sites: []string{"west"},
			Repositories: drstackcomponents.SiteRepositoryArray{drstackcomponents.SiteRepositoryArgs{
				Site: pulumi.String("west"), Url: pulumi.String("file:///r"),
			}},
			Workloads: drstackcomponents.AssignedWorkloadMap{
				"gpt": drstackcomponents.AssignedWorkloadArgs{Writer: pulumi.String("east")},
			},
		})
		if err != nil {
			return err
		}
		store, err := drstackcomponents.NewCheckpointStore(ctx, "west", &drstackcomponents.CheckpointStoreArgs{
			Folder: folder, Witness: pulumi.String("file:///w"), Environment: pulumi.String("gpt"),
			Workloads: pulumi.ToStringArray([]string{"gpt"}),
		})
		if err != nil {
			return err
		}
CLUSTER
		if err != nil {
			return err
		}
		ctx.Export("roles", sites.Roles)
		return nil
	})
}
"""


def shown(language: str) -> list[str]:
    """The programs that the documentation shows."""
    page = (CHECKOUT / "docs" / "components.md").read_text()
    return [block.partition("```")[0] for block in page.split(f"```{language}\n")[1:]]


@pytest.fixture(scope="module")
def sdks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdk")
    try:
        generate(folder)
    except gobuild.BuildFailed as error:
        not_run(f"the generator of SDKs: {error}")
    return folder


@pytest.fixture(scope="module")
def installed(sdks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Python SDKs are installed, as a user would."""
    site = tmp_path_factory.mktemp("site")
    for folder in sorted((sdks / "python").iterdir()):
        run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index",
             "--target", str(site), str(folder)], folder)  # fmt: skip
    return site


@pytest.fixture
def project(tmp_path: Path):
    with local_project(tmp_path) as made:
        yield made


def foreign(project: Project, text: str) -> None:
    """Let the project run another program, which knows the component package only."""
    program = project.folder / "program"
    program.mkdir()
    (program / "__main__.py").write_text(text)
    plugins = f"{CHECKOUT}/drstack/provider/bin"
    described = (project.folder / "Pulumi.yaml").read_text().replace("main: stacks\n", "main: program\n")
    (project.folder / "Pulumi.yaml").write_text(f"{described}    - {{name: drstack-components, path: {plugins}}}\n")


def test_the_schema_in_the_tree_is_the_components():
    assert (CHECKOUT / "components" / "schema.json").read_text() == schema()


def test_a_site_goes_up_and_down_through_the_generated_sdk(installed, project, monkeypatch):
    foreign(project, PROGRAM.format(root=str(project.root)))
    monkeypatch.setenv("PYTHONPATH", str(installed))
    project.init("elsewhere")
    assert "writer" not in project.up("elsewhere")
    state = project.state("elsewhere")
    made = state["drstack-components:index:EnvironmentSites local"]
    assert made["roles"] == {"west": {"gpt": "standby"}}
    assert "drstack:local:WorkerPool west" in state
    assert project.desired("west").slots == 1
    again = project.up("elsewhere")
    assert " unchanged" in again
    assert " created" not in again
    project.destroy("elsewhere")
    assert project.running("west") == {}


def test_the_documented_site_out_of_smaller_components_keeps_what_a_promotion_made_active(
    installed, project, monkeypatch
):
    trains = '"module": "examples.train"'
    [program] = shown("python")
    assert trains in program
    foreign(project, program.replace(trains, f'"command": ["python", "{SLEEPER}"]'))
    monkeypatch.setenv("PYTHONPATH", str(installed))
    project.init("elsewhere")
    project.up("elsewhere")
    west = observed(project, "west", lambda seen: seen.replicator_running)
    assert (west.capacity, west.capacity_bound, west.jobs["gpt"].running) == (1, 3, False)
    assert project.state("elsewhere")["drstack-components:index:Environment local"]["roles"] == {
        "west": {"gpt": "standby"}
    }

    promote_west(project)
    observed(project, "west", lambda seen: seen.jobs["gpt"].running)
    active = values(project, "west")
    project.up("elsewhere", "--expect-no-changes")
    (project.root / "witness").rename(project.root / "gone")
    assert "The witness is away" in project.up("elsewhere")
    assert values(project, "west") == active


def test_a_site_that_the_file_does_not_declare_is_refused_by_name(installed, project, monkeypatch):
    foreign(project, PROGRAM.format(root=str(project.root)).replace('"west"', '"nord"'))
    monkeypatch.setenv("PYTHONPATH", str(installed))
    project.init("elsewhere")
    said = project.up("elsewhere", succeeds=False)
    assert "has no 'nord'; its sites are east, west" in said
    assert not (project.sites / "nord").exists()


def run(arguments: list[str], folder: Path, **environ: str) -> None:
    done = subprocess.run(
        arguments, cwd=folder, env={**os.environ, **environ}, timeout=BUILD_TIMEOUT_S, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}"


def test_the_go_sdks_compile(sdks):
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go toolchain at hand")
    for folder in sorted((sdks / "go").iterdir()):
        run([go, "mod", "tidy"], folder, GOWORK="off", CGO_ENABLED="0", GOFLAGS="-mod=mod")
        run([go, "build", "./..."], folder, GOWORK="off", CGO_ENABLED="0")


def test_the_go_program_of_the_documentation_compiles(sdks, tmp_path):
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go toolchain at hand")
    sites, cluster = shown("go")
    (tmp_path / "main.go").write_text(GO_PROGRAM.replace("SITES", sites).replace("CLUSTER", cluster))
    module, sdk = "drstack.invalid/sdk/drstack-components", sdks / "go" / "drstack-components"
    needs = f"require (\n\t{module} v0.0.0\n\tgithub.com/pulumi/pulumi/sdk/v3 v{WANTED}\n)\n"
    (tmp_path / "go.mod").write_text(f"module program\n\ngo 1.25.0\n\n{needs}\nreplace {module} => {sdk}\n")
    run([go, "mod", "tidy"], tmp_path, GOWORK="off", CGO_ENABLED="0", GOFLAGS="-mod=mod")
    run([go, "build", "-o", os.devnull, "."], tmp_path, GOWORK="off", CGO_ENABLED="0")


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("DRSTACK_SOAK"), reason="fetches TypeScript: DRSTACK_SOAK=1")
def test_the_nodejs_sdks_compile(sdks):
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm at hand")
    for folder in sorted((sdks / "nodejs").iterdir()):
        run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
        run([npm, "exec", "--no", "tsc", "--", "--noEmit"], folder)


def test_the_python_sdks_import(installed):
    run([sys.executable, "-c", "import pulumi_drstack.local, pulumi_drstack.witness"], installed)
    run([sys.executable, "-c", "import pulumi_drstack_components"], installed)
